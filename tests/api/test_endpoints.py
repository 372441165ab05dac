"""Every address that programs call: the same mistakes have the same statuses, in the words of its protocol."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from kana.api.admin import LIMITS as ADMIN
from kana.api.body import BYTES_MAX
from kana.api.client.endpoint import LIMITS as CLIENT
from kana.api.ingest.endpoint import BODY_BYTES_MAX as EVENTS
from kana.api.segment.endpoint import BODY_BYTES_MAX as SEGMENT
from kana.api.v1.addresses import ENTITLEMENTS
from kana.engine.access.access import AccessEngine
from kana.model.config import BYTES_MAX as CONFIG
from kana.model.key import KeyKind
from tests.support.serving import Served
from tests.support.stores import SqlitePlace
from tests.support.v1 import OPERATIONS
from tests.support.world import LIVE, TEST

PRIVATE, PUBLIC = KeyKind.PRIVATE, KeyKind.PUBLIC
NEGOTIABLE = (401, 500)
"""What a GraphQL answer says in its body alone, unless the caller knows the newer media type."""


@dataclass(frozen=True)
class Face:
    """An address: ``allow`` are its methods, ``bytes_max`` what it reads of a body, None where it reads none.

    What is told of the others is asked with ``method``, by default the only one there is.
    """

    allow: str = "POST"
    bytes_max: int | None = None
    key: KeyKind = PRIVATE
    content_type: str = "application/json"
    graphql: str = ""
    """The media type that a GraphQL caller accepts; "" for a face that is not GraphQL."""
    method: str = ""
    either: bool = False
    """Whether keys of both kinds open it."""


def v1_faces() -> dict[str, Face]:
    """The addresses of `/v1`, each with whatever ids."""
    allowed: dict[str, list[str]] = {}
    for each in OPERATIONS.values():
        allowed.setdefault(each.address.path, []).append(each.address.method)
    return {
        f"{re.sub('{.*?}', 'x', each.address.path)} {each.address.method}": Face(
            allow=", ".join(allowed[each.address.path]),
            bytes_max=each.arguments.bytes_max if each.arguments.body else None,
            method=each.address.method,
        )
        for each in OPERATIONS.values()
        if each.address.operation != ENTITLEMENTS
    }


JSON, RESPONSE = "application/json", "application/graphql-response+json"
SEGMENT_PATHS = [
    "/segment/events",
    *(f"/v1/{name}" for name in ("batch", "import", "b", "track", "identify", "group", "page", "screen", "alias")),
]
EVENT_TYPES = ("cloudevents+json", "cloudevents-batch+json", "x-ndjson", "json")
FACES: dict[str, Face] = {
    "/graphql": Face(bytes_max=ADMIN.bulk_body_bytes, graphql=JSON),
    "/graphql newer": Face(bytes_max=ADMIN.bulk_body_bytes, graphql=RESPONSE),
    "/client/graphql": Face(bytes_max=CLIENT.body_bytes, key=PUBLIC, graphql=JSON),
    "/client/graphql newer": Face(bytes_max=CLIENT.body_bytes, key=PUBLIC, graphql=RESPONSE),
    **{
        f"{path} {kind}": Face(bytes_max=EVENTS, content_type=f"application/{kind}")
        for path in ("/v1/events", "/api/v1/events")
        for kind in EVENT_TYPES
    },
    **{path + end: Face(bytes_max=SEGMENT) for path in SEGMENT_PATHS for end in ("", "/")},
    "/cli/pull": Face(allow="GET"),
    "/cli/validate": Face(bytes_max=CONFIG),
    "/cli/publish": Face(bytes_max=CONFIG),
    "/v1/insights.csv": Face(allow="GET"),
    "/v1/insights.parquet": Face(allow="GET"),
    "/v1/stream": Face(allow="GET"),
    "/ofrep/v1/evaluate/flags": Face(bytes_max=BYTES_MAX, either=True),
    **v1_faces(),
}
OPEN = ["/healthz", "/readyz", "/metrics", "/schema/kana.json", "/v1/openapi.json"]
"""What has no key and no work."""

READING = [name for name, face in FACES.items() if face.bytes_max is not None]
"""The faces that read a body."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for all, on which nothing is changed."""
    with Served(SqlitePlace(tmp_path_factory.mktemp("faces") / "kana.db")) as served:
        yield served


def path_of(name: str) -> str:
    return name.partition(" ")[0]


def ask(
    served: Served,
    name: str,
    *,
    method: str = "",
    key: str | None = None,
    headers: dict[str, str] | None = None,
    content: bytes | Iterator[bytes] = b"",
) -> httpx.Response:
    """Send a request as it is, with the key that the face wants unless another is given."""
    served.clock.advance(minutes=2)  # Nobody has failed too often.
    face = FACES[name]
    opens = served.keys[TEST][face.key] if key is None else key
    sent = {"Content-Type": face.content_type, "Accept": face.graphql or "*/*", "X-User-ID": "ada", **(headers or {})}
    sent |= {"Authorization": opens} if opens else {}
    return served.http.request(method or face.method or face.allow, path_of(name), headers=sent, content=content)


def check_told(name: str, answer: httpx.Response, status: int, code: str) -> str:
    """Check the status and the shape of an error as the face's protocol has them; return its message."""
    face, body = FACES[name], answer.json()
    negotiated = 200 if face.graphql == JSON and status in NEGOTIABLE else status
    assert (answer.status_code, answer.headers["cache-control"]) == (negotiated, "no-store")
    assert answer.headers.get("www-authenticate") == ("Bearer" if negotiated == 401 else None)
    assert len(answer.headers.get_list("x-request-id")) == 1
    told: dict[str, object]
    if face.graphql:
        assert answer.headers["content-type"] == f"{face.graphql}; charset=utf-8"
        (error,) = body.pop("errors")
        told = error["extensions"]
        assert (body, sorted(error), told["code"]) == ({}, ["extensions", "message"], code)
        assert told["exception"]["message"] == error["message"]  # type: ignore[index]
    else:
        assert answer.headers["content-type"] == "application/problem+json"
        told = error = body
        assert (body["code"], body["status"], body["type"]) == (code, status, "about:blank")
        assert body["detail"] == body["error"] == body["message"]
        assert ("data" in body) is name.startswith("/cli/")
        assert body.get("data", [f"[ERROR] {body['detail']}"]) == [f"[ERROR] {body['detail']}"]
    assert ("requestId" in told) is (status == 500)
    return str(error["message"])


def test_every_address_is_in_the_table(served: Served) -> None:
    """A new one has to be put in, and so is held to what the others are."""
    whole = set(map(path_of, FACES)) - set(map(path_of, v1_faces()))
    assert sorted(whole | set(OPEN)) == sorted(served.app.paths)


@pytest.mark.parametrize("name", FACES)
@pytest.mark.parametrize("method", ["DELETE", "PUT", "PATCH", "GET", "POST"])
def test_a_method_that_an_address_does_not_have_is_405(served: Served, name: str, method: str) -> None:
    """It says which one there is, before it asks for a key, in a form that programs read."""
    if method in FACES[name].allow.split(", "):
        return
    answer = ask(served, name, method=method, key="")
    assert (answer.status_code, answer.headers["allow"]) == (405, FACES[name].allow)
    assert answer.json()["detail"] == f"{method} is not allowed here; allowed: {FACES[name].allow}"


@pytest.mark.parametrize("name", FACES)
def test_a_key_that_does_not_open_is_401(served: Served, name: str) -> None:
    """None, a wrong one and one of the other kind read the same, whatever the body is."""
    other = PUBLIC if FACES[name].key is PRIVATE else PRIVATE
    said = {
        check_told(name, ask(served, name, key=key, content=b"{"), 401, "UNAUTHENTICATED")
        for key in ("", "prv_test_unknown", *([] if FACES[name].either else [served.keys[LIVE][other]]))
    }
    assert said == {"Unauthenticated: a valid key is needed in the Authorization header."}


@pytest.mark.parametrize("name", READING)
@pytest.mark.parametrize("is_announced", [True, False])
def test_a_body_that_is_too_long_is_413(served: Served, name: str, *, is_announced: bool) -> None:
    """Announced or found to be, beyond the same bound."""
    most = FACES[name].bytes_max
    assert most is not None
    body = b" " * (most + 1)
    answer = ask(served, name, content=body if is_announced else iter([body[:most], body[most:]]))
    said = check_told(name, answer, 413, "BAD_USER_INPUT")
    assert said.startswith("body must be at most ")


@pytest.mark.parametrize("name", READING)
def test_a_body_that_is_no_json_is_400(served: Served, name: str) -> None:
    """With the place of what is wrong; an event that is sent alone, or as a line, is answered for itself."""
    answer = ask(served, name, content=b"{")
    if name in ("/v1/events x-ndjson", "/v1/events cloudevents+json"):
        (told,) = answer.json()["results"]
        assert (answer.status_code, told["error"]["code"]) == (200, "BAD_USER_INPUT")
        return
    said = check_told(name, answer, 400, "BAD_USER_INPUT")
    assert "must be JSON: " in said
    assert "at line 1 column 2" in said


@pytest.mark.parametrize("name", READING)
def test_a_body_that_comes_packed_is_415(served: Served, name: str) -> None:
    """Segment's faces alone read gzip; what nobody reads is refused by its header."""
    answer = ask(served, name, content=b"{}", headers={"Content-Encoding": "br"})
    assert check_told(name, answer, 415, "BAD_USER_INPUT").startswith("Content-Encoding ")


@pytest.mark.parametrize("name", FACES)
def test_what_nobody_expected_is_500(served: Served, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """None of its words reach the caller, who gets the id of the request instead."""

    async def broken(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(AccessEngine, "authenticate", broken)
    answer = ask(served, name, content=b"{}", headers={"X-Request-Id": "asked-1"})
    assert check_told(name, answer, 500, "INTERNAL") == "internal error"
    assert "secret" not in answer.text
    assert '"requestId":"asked-1"' in answer.text
