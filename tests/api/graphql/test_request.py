"""What a body may be (items 1 to 11 and 22 of the list of bad inputs)."""

from __future__ import annotations

import gzip
import json
from typing import Any

import httpx
import pytest

from tests.api.small import KEY, World

JSON = {"Content-Type": "application/json"}


async def refused(client: httpx.AsyncClient, content: bytes, status: int = 400, **headers: str) -> str:
    """Send ``content``, expect ``status`` in both media types, and give the message."""
    messages = set()
    for accept in ("application/json", "application/graphql-response+json"):
        answer = await client.post("/graphql", content=content, headers=JSON | headers | {"Accept": accept})
        assert answer.status_code == status, answer.text
        body = answer.json()
        assert "data" not in body
        [error] = body["errors"]
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
        messages.add(error["message"])
    [message] = messages
    return str(message)


@pytest.mark.parametrize("content", [b"", b"{}", b'{"query": null}', b'{"query": 1}', b'{"query": {"a": 1}}'])
async def test_a_request_without_a_query_is_refused(client: httpx.AsyncClient, content: bytes) -> None:
    """A body that holds no query is 400 and says what is missing."""
    assert (await refused(client, content)).startswith("missing query")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"query": "{ ping }"', "line 1 column 21"),
        (b'{"query":\n  nonsense}', "line 2 column 3"),
        (b'{"query": "{ ping }"} secret', "Extra data at line 1 column 23"),
        (b'\xef\xbb\xbf{"query": "{ ping }"}', "line 1 column 1"),
        (b'{"query": "\xff"}', "body.query contains a byte that is not UTF-8"),
        (b"null", "must be a JSON object"),
        (b'"text"', "must be a JSON object"),
    ],
)
async def test_what_is_not_a_json_object_is_refused(client: httpx.AsyncClient, content: bytes, message: str) -> None:
    """Invalid JSON is 400 with line and column, and nothing of the body comes back."""
    answer = await refused(client, content)
    assert message in answer
    assert "secret" not in answer


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("NaN", "NaN"),
        ("-Infinity", "-Infinity"),
        ("1e999", "too large"),
        ("9" * 5000, "too many digits"),
        ("[" * 40_000, "nested too deeply"),
        ("[" * 40_000 + "]" * 40_000, "nested too deeply"),
    ],
)
async def test_numbers_and_nesting_that_python_takes_too_lightly_are_refused(
    client: httpx.AsyncClient, value: str, message: str
) -> None:
    """NaN, infinities, endless integers and endless nesting are 400, never 500."""
    content = f'{{"query": "{{ ping }}", "variables": {{"a": {value}}}}}'.encode()
    assert message in await refused(client, content)


@pytest.mark.parametrize(
    "content",
    [b'{"query": "{ ping }", "query": "{ boom }"}', b'{"query": "{ ping }", "variables": {"a": 1, "a": 2}}'],
)
async def test_a_key_that_stands_twice_is_refused(client: httpx.AsyncClient, content: bytes) -> None:
    """Of two equal keys neither is taken silently."""
    assert "is repeated" in await refused(client, content)


@pytest.mark.parametrize(
    ("variables", "path"),
    [
        ('{"a": "\\ud800"}', "body.variables.a"),
        ('{"a": [1, {"b": "x\\uDFFF"}]}', "body.variables.a[1].b"),
        ('{"\\ud800": 1}', "body.variables"),
    ],
)
async def test_half_a_surrogate_pair_is_refused(
    client: httpx.AsyncClient, world: World, variables: str, path: str
) -> None:
    """Text that no database stores is refused at the edge and its place is named; a whole pair is text."""
    query = '"query ($a: String) { echo(text: $a) }"'
    assert path in await refused(client, f'{{"query": {query}, "variables": {variables}}}'.encode())
    assert world.seen == []

    whole = f'{{"query": {query}, "variables": {{"a": "\\ud83c\\udfc3"}}}}'.encode()
    answer = await client.post("/graphql", content=whole, headers=JSON)
    assert answer.status_code == 200
    assert world.seen == [{"text": "🏃", "flag": True}]


async def test_batching_is_off(client: httpx.AsyncClient) -> None:
    """An array of operations is refused in words."""
    assert "batching is not supported" in await refused(client, b'[{"query": "{ ping }"}]')


@pytest.mark.parametrize("variables", ['{"n": 3}', {"n": 3}, ' { "n" : 3 } '])
async def test_variables_are_an_object_or_its_json_text(ask: Any, world: World, variables: Any) -> None:
    """Both forms that Kana's guides send mean the same."""
    await ask("query ($n: Int) { echo(number: $n) }", variables=variables)
    assert world.seen == [{"number": 3, "flag": True}]


@pytest.mark.parametrize("variables", [None, "", {}, "{}", "null"])
async def test_no_variables_may_be_said_in_several_ways(ask: Any, variables: Any) -> None:
    """Null, nothing and an empty object are no variables."""
    assert await ask("{ ping }", variables=variables) == {"data": {"ping": True}}


@pytest.mark.parametrize("variables", [1, True, ["a"], "[1]", "1", "nonsense", '{"a": NaN}', '{"a": 1, "a": 2}'])
async def test_variables_of_another_kind_are_refused(client: httpx.AsyncClient, variables: Any) -> None:
    """What is not an object is 400; JSON text is read as strictly as the body."""
    content = json.dumps({"query": "{ ping }", "variables": variables}).encode()
    assert "variables" in await refused(client, content)


async def test_operation_name_and_extensions_have_their_kinds(client: httpx.AsyncClient) -> None:
    """A name is text and extensions are an object, which may hold anything."""
    for name, value in [("operationName", 1), ("operationName", {}), ("extensions", "x"), ("extensions", [])]:
        content = json.dumps({"query": "{ ping }", name: value}).encode()
        assert (await refused(client, content)).startswith(name)
    answer = await client.post("/graphql", json={"query": "{ ping }", "extensions": {"x": [1]}, "other": 1})
    assert answer.json() == {"data": {"ping": True}}


async def test_a_body_beyond_the_limit_is_not_read(client: httpx.AsyncClient) -> None:
    """More than 100 KB is 413, whether announced or found; the last byte that fits is read."""
    room = 102_400 - len('{"query": "{ ping }", "extensions": {"a": ""}}')
    fits = f'{{"query": "{{ ping }}", "extensions": {{"a": "{"x" * room}"}}}}'.encode()
    assert len(fits) == 102_400
    answer = await client.post("/graphql", content=fits, headers=JSON)
    assert answer.json() == {"data": {"ping": True}}
    assert "at most 102400 bytes" in await refused(client, fits + b" ", 413)

    sent = 0

    async def endless() -> Any:
        nonlocal sent
        while True:
            sent += 4096
            yield b" " * 4096

    answer = await client.post("/graphql", content=endless(), headers=JSON)
    assert answer.status_code == 413
    assert sent <= 102_400 + 2 * 4096


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
        "application/graphql",
        "",
    ],
)
async def test_other_media_types_are_refused(client: httpx.AsyncClient, content_type: str) -> None:
    """Only JSON in UTF-8 is read: the types a browser sends without asking first are 415."""
    content = b'{"query": "{ ping }"}'
    assert "Content-Type" in await refused(client, content, 415, **{"Content-Type": content_type})


async def test_a_missing_content_type_is_refused(client: httpx.AsyncClient) -> None:
    """No Content-Type is no JSON."""
    answer = await client.post("/graphql", content=b'{"query": "{ ping }"}')
    assert answer.status_code == 415


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=utf-8", 'Application/JSON; charset="UTF-8"']
)
async def test_json_in_utf8_is_read(client: httpx.AsyncClient, content_type: str) -> None:
    """The media type is compared without case, its charset too."""
    answer = await client.post("/graphql", content=b'{"query": "{ ping }"}', headers={"Content-Type": content_type})
    assert answer.json() == {"data": {"ping": True}}


async def test_a_compressed_body_is_refused(client: httpx.AsyncClient) -> None:
    """Nothing is unpacked: a body of a few bytes stays one."""
    content = gzip.compress(b'{"query": "{ ping }"}')
    assert "Content-Encoding" in await refused(client, content, 415, **{"Content-Encoding": "gzip"})


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH"])
async def test_only_post_is_served(client: httpx.AsyncClient, method: str) -> None:
    """Operations go by POST; everything else is told so."""
    answer = await client.request(method, "/graphql", params={"query": "mutation { add(delta: 1) }"})
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "POST"


async def test_options_says_what_is_possible(client: httpx.AsyncClient) -> None:
    """OPTIONS is answered without a body."""
    answer = await client.options("/graphql")
    assert (answer.status_code, answer.headers["Allow"], answer.content) == (204, "POST", b"")


async def test_a_stranger_is_told_nothing(client: httpx.AsyncClient, world: World) -> None:
    """Without a key the answer is the same whatever the body: nothing of it was read."""
    answers = []
    for content in (
        b'{"query": "{ ping }"}',
        b"{",
        b'{"query": "{ nope }"}',
        b'{"query": "mutation { add(delta: 1) }"}',
    ):
        answer = await client.post("/graphql", content=content, headers=JSON | {"Authorization": "prv_test_wrong"})
        assert answer.status_code == 200
        answers.append(answer.json())
    [error] = answers[0]["errors"]
    assert error["message"].startswith("Unauthenticated")
    assert error["extensions"] == {
        "code": "UNAUTHENTICATED",
        "exception": {"name": "AuthenticationError", "message": error["message"]},
    }
    assert all(answer == answers[0] for answer in answers)
    assert world.added == []


async def test_a_stranger_gets_401_where_statuses_mean_something(client: httpx.AsyncClient) -> None:
    """In application/graphql-response+json a missing key is 401."""
    headers = {"Authorization": "", "Accept": "application/graphql-response+json"}
    answer = await client.post("/graphql", json={"query": "{ ping }"}, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert KEY not in answer.text
