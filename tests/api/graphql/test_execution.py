"""Executing along a plan gives what graphql-core gives, and tells errors as Kana does."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from graphql import ExecutionResult, GraphQLSchema, graphql

from kana.api.graphql.documents import Documents, NotExecutable
from kana.api.graphql.execution import execute
from kana.api.graphql.limits import Limits
from kana.api.graphql.plan import read_field
from tests.api.small import World, small_schema


@pytest.fixture
def schema(world: World) -> GraphQLSchema:
    return small_schema(world)


QUERIES: list[tuple[str, dict[str, Any]]] = [
    ("{ ping }", {}),
    ("{ ping x: ping leafs { aFlag } }", {}),
    ("{ leafs { aFlag aText aNumber aColour anything __typename self { aNumber again: aNumber } } }", {}),
    ("{ leafs { wrong } }", {}),
    ("{ leafList { aText self { aText } } }", {}),
    ("{ leafs { flags texts numbers colours grid } leafList { flags texts numbers colours } }", {}),
    ("{ leafs { wrongTexts wrongNumbers numbers } }", {}),
    ("{ leafs { aText aNumber } leafList { aFlag numbers } }", {}),
    ("{ leafList { wrongNumbers aText } }", {}),
    ("query ($f: Boolean) { echo(flag: $f) }", {}),
    ("query ($f: Boolean) { echo(flag: $f) }", {"f": False}),
    ("query ($t: String) { echo(text: $t, number: 3, flag: null) }", {"t": "x"}),
    ("{ boom }", {}),
    ("{ boom ping }", {}),
    ("{ boomRequired ping }", {}),
    ("{ missing slow }", {}),
    ("query ($t: String) { echo(text: $t) }", {}),
    ("query ($t: String) { echo(text: $t) }", {"t": None}),
    ("query ($t: String) { echo(text: $t) }", {"t": "x", "unused": 1}),
    ("query ($t: String) { echo(text: $t) }", {"t": 1}),
    ('query ($t: String = "d") { echo(text: $t) }', {}),
    ("query ($t: String!) { echo(text: $t) }", {}),
    ("query ($t: String!) { echo(text: $t) }", {"t": None}),
    ("query ($n: Int!) { echo(number: $n) }", {"n": 2147483648}),
    ("query ($n: Int!) { echo(number: $n) }", {"n": 1.5}),
    ("query ($n: Int!) { echo(number: $n) }", {"n": True}),
    ("query ($n: Int!) { echo(number: $n) }", {"n": "1"}),
    ("query ($n: Int!) { echo(number: $n) }", {"n": 1.0}),
    ("query ($f: Boolean!) { echo(flag: $f) }", {"f": 1}),
    ("query ($f: Boolean) { echo(flag: $f) }", {"f": None}),
    ("query ($i: [String!]) { echo(ids: $i) }", {"i": "one"}),
    ("query ($i: [String!]) { echo(ids: $i) }", {"i": ["one", None]}),
    ("query ($i: Item) { echo(item: $i) }", {"i": {"name": "n", "tags": "t"}}),
    ("query ($i: Item) { echo(item: $i) }", {"i": {"name": "n", "other": 1}}),
    ("query ($n: String!) { echo(item: {name: $n, tags: [$n]}) }", {"n": "x"}),
    ('{ echo(text: "literal", number: 3, value: {a: [1]}) }', {}),
    ("query ($s: Boolean!) { ping @skip(if: $s) leafs @include(if: $s) { aFlag } }", {"s": True}),
    ("query ($s: Boolean!) { ping @skip(if: $s) leafs @include(if: $s) { aFlag } }", {"s": False}),
    ("{ ...f } fragment f on Query { ping leafs { ...g } } fragment g on Leafs { aFlag }", {}),
    ("mutation { add(delta: 1) }", {}),
]


@pytest.mark.parametrize(("query", "variables"), QUERIES)
async def test_a_plan_changes_no_answer(schema: GraphQLSchema, query: str, variables: dict[str, Any]) -> None:
    """Executed twice along one plan, an operation answers both times what graphql-core answers alone."""
    alone = await graphql(schema, query, variable_values=variables, field_resolver=read_field)
    documents = Documents(schema, Limits())
    for _ in range(2):
        operation = (await documents.get(query)).operation(None)
        try:
            planned = await execute(schema, operation, variables, context=None)
        except NotExecutable as refused:
            planned = ExecutionResult(None, refused.errors)
        if "mutation" not in query:
            assert planned.data == alone.data
        assert list(planned.data or ()) == list(alone.data or ())
        assert [error.formatted for error in planned.errors or ()] == [error.formatted for error in alone.errors or ()]


async def test_directives_choose_afresh_each_time(ask: Any) -> None:
    """What @skip leaves out depends on this request's variables, not on an earlier one's."""
    query = "query ($s: Boolean!) { ping @skip(if: $s) __typename }"
    for skip, keys in [(True, ["__typename"]), (False, ["ping", "__typename"]), (True, ["__typename"])]:
        answer = await ask(query, variables={"s": skip})
        assert list(answer["data"]) == keys


async def test_mutations_run_in_order_and_each_reports_its_own(ask: Any, world: World) -> None:
    """Of several mutations each one is executed, in the order written; one that fails is null beside the others."""
    query = "mutation { a: add(delta: 1) b: fail c: add(delta: 2) d: add(delta: 3) }"
    answer = await ask(query)
    assert answer["data"] == {"a": 1, "b": None, "c": 3, "d": 6}
    assert [error["path"] for error in answer["errors"]] == [["b"]]
    assert world.added == [1, 2, 3]


async def test_a_mutation_alone_that_fails_has_null_for_data(client: httpx.AsyncClient) -> None:
    """As GraphQL says of a field that may not be null; it was executed, so it is 200 in both media types."""
    for accept in ("application/json", "application/graphql-response+json"):
        answer = await client.post("/graphql", json={"query": "mutation { fail }"}, headers={"Accept": accept})
        assert answer.status_code == 200
        assert answer.json()["data"] is None


async def test_an_error_of_kana_is_told_as_it_is(ask: Any) -> None:
    """Message, place, path, code and the name that Kana's SDKs look for."""
    assert await ask("{ ping missing }") == {
        "errors": [
            {
                "message": "no user 'x'",
                "locations": [{"line": 1, "column": 8}],
                "path": ["missing"],
                "extensions": {
                    "code": "BAD_USER_INPUT",
                    "exception": {"name": "UserNotFoundError", "message": "no user 'x'"},
                },
            }
        ],
        "data": {"ping": True, "missing": None},
    }


@pytest.mark.parametrize("query", ["{ boom }", "{ boomRequired }", "{ wrongKind }"])
async def test_a_defect_is_told_as_a_number_and_logged_whole(
    client: httpx.AsyncClient, query: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a resolver or a driver raises reaches the log with its traceback, and the caller as a request id."""
    answer = await client.post("/graphql", json={"query": query}, headers={"X-Request-Id": "r-1"})
    [error] = answer.json()["errors"]
    assert error["message"] == "internal error"
    assert error["extensions"] == {
        "code": "INTERNAL",
        "exception": {"name": "InternalError", "message": "internal error"},
        "requestId": "r-1",
    }
    assert answer.headers["X-Request-Id"] == "r-1"
    logged = "".join(capsys.readouterr())
    assert "Traceback" in logged
    assert "r-1" in logged
    assert "secret detail" in logged or "2 ** 40" in logged or "1099511627776" in logged


@pytest.mark.parametrize(
    ("query", "variables", "column"),
    [
        ("{ ping nope }", {}, 8),
        ("{ ping ", {}, 8),
        ("query ($n: Int!) { echo(number: $n) }", {"n": "1"}, 8),
        ("query ($n: Int!) { echo(number: $n) }", {"n": 2147483648}, 8),
        ("query ($n: Int!) { echo(number: $n) }", {"n": 1.5}, 8),
        ("query ($n: Int!) { echo(number: $n) }", {"n": True}, 8),
        ('{ echo(number: "1") }', {}, 16),
    ],
)
async def test_a_mistake_in_the_document_has_its_place(
    client: httpx.AsyncClient, query: str, variables: dict[str, Any], column: int
) -> None:
    """Syntax, validation and coercion are the caller's to correct: 400 where statuses mean something, else 200."""
    for accept, status in [("application/graphql-response+json", 400), ("application/json", 200)]:
        body = {"query": query, "variables": variables}
        answer = await client.post("/graphql", json=body, headers={"Accept": accept})
        assert answer.status_code == status
        assert "data" not in answer.json()
        [error] = answer.json()["errors"]
        assert error["locations"] == [{"line": 1, "column": column}]
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
        assert error["extensions"]["exception"]["name"] == "GraphQLError"


@pytest.mark.parametrize(
    ("query", "status", "retry_after"),
    [
        ("{ limited }", 429, "7"),
        ("{ unavailable }", 503, "1"),
        ("{ unavailable limited }", 503, "7"),
        ("{ unavailable ping }", 200, None),
        ("{ unavailable missing }", 200, None),
        ("{ missing }", 200, None),
    ],
)
async def test_not_now_is_said_to_http_too(
    client: httpx.AsyncClient, query: str, status: int, retry_after: str | None
) -> None:
    """Where the whole answer is "not now", Retry-After says when; a partial answer is an answer."""
    for accept, expected in [("application/graphql-response+json", status), ("application/json", 200)]:
        answer = await client.post("/graphql", json={"query": query}, headers={"Accept": accept})
        assert answer.status_code == expected
        assert answer.headers.get("Retry-After") == retry_after
        if "unavailable" in query:
            [error] = [one for one in answer.json()["errors"] if one["path"] == ["unavailable"]]
            assert error["extensions"]["retryAfter"] == 1


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("application/json, multipart/mixed", "application/json"),
        ("application/graphql-response+json", "application/graphql-response+json"),
        ("application/graphql-response+json, application/json;q=0.9", "application/graphql-response+json"),
        ("application/graphql-response+json;q=0.5, application/json", "application/json"),
        ("application/json, application/graphql-response+json", "application/json"),
        ("application/graphql-response+json;q=nonsense, */*;q=0.1", "application/json"),
        ("text/html", "application/json"),
    ],
)
async def test_the_answer_has_the_type_that_is_asked_for(
    client: httpx.AsyncClient, accept: str | None, content_type: str
) -> None:
    """The best rated of what we have, the first of equals, JSON where nothing fits."""
    client.headers.pop("Accept")
    headers = {"Accept": accept} if accept else {}
    answer = await client.post("/graphql", json={"query": "{ ping }"}, headers=headers)
    assert answer.headers["Content-Type"] == f"{content_type}; charset=utf-8"


async def _garbage_of(run: Callable[[], Awaitable[object]]) -> int:
    """How many objects the collector alone could free after ten runs."""
    await run()
    gc.collect()
    gc.disable()
    try:
        for _ in range(10):
            await run()
        return gc.collect()
    finally:
        gc.enable()


async def test_an_execution_leaves_nothing_for_the_collector(schema: GraphQLSchema) -> None:
    """What it made is freed when it ends; of graphql-core alone, the control, an executor waits to be found."""
    query = "query ($t: String) { echo(text: $t) leafs { aFlag } ping }"
    operation = (await Documents(schema, Limits()).get(query)).operation(None)
    assert await _garbage_of(lambda: execute(schema, operation, {"t": "x"}, context=None)) == 0
    assert await _garbage_of(lambda: graphql(schema, query, variable_values={"t": "x"})) >= 10
