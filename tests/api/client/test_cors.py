"""Pages of any origin may ask, and read every answer, because no cookie means anything here."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.client.calls import CURRENT_USER, public_key
from tests.support.serving import Served

ORIGIN = {"Origin": "https://shop.example"}
JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize("origin", ["https://shop.example", "http://127.0.0.1:3000", "null"])
def test_a_preflight_allows_what_the_client_sends(shared: Served, origin: str) -> None:
    """POST with the four headers of Kana's client, from anywhere, without credentials."""
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,x-api-version,x-user-id",
    }

    response = shared.http.options("/client/graphql", headers=asked)

    assert (response.status_code, response.content) == (204, b"")
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.headers["access-control-allow-methods"] == "POST"
    allowed = set(response.headers["access-control-allow-headers"].split(","))
    assert allowed == {"authorization", "content-type", "x-api-version", "x-user-id"}
    assert response.headers["vary"] == "access-control-request-headers"
    assert "access-control-allow-credentials" not in response.headers


_KNOWN = "content-type, authorization, x-api-version, x-user-id"


@pytest.mark.parametrize(
    ("asked", "allowed"),
    [
        ("authorization,baggage,content-type,sentry-trace", "authorization,baggage,content-type,sentry-trace"),
        ("traceparent, x-what-comes-next", "traceparent, x-what-comes-next"),
        (None, _KNOWN),
        ("", _KNOWN),
        ("a b", _KNOWN),
        ("a,,b", _KNOWN),
        ("a, b;c=d", _KNOWN),
        ("x" * 4097, _KNOWN),
        ("a, " * 1000 + "b(", _KNOWN),
    ],
)
def test_a_preflight_allows_what_is_asked_for(shared: Served, asked: str | None, allowed: str) -> None:
    """Tracing adds headers of its own to every call of a page; what is no list of headers is not repeated."""
    headers = {**ORIGIN, "Access-Control-Request-Method": "POST"}
    if asked is not None:
        headers["Access-Control-Request-Headers"] = asked

    response = shared.http.options("/client/graphql", headers=headers)

    assert response.status_code == 204
    assert response.headers["access-control-allow-headers"] == allowed
    assert response.headers["vary"] == "access-control-request-headers"


ANSWERS: dict[str, tuple[int, dict[str, Any]]] = {
    "an answer": (200, {"json": {"query": CURRENT_USER}}),
    "no key": (200, {"json": {"query": CURRENT_USER}, "headers": {"Authorization": ""}}),
    "a wrong key": (200, {"json": {"query": CURRENT_USER}, "headers": {"Authorization": "pub_test_nothing"}}),
    "a wrong token": (200, {"json": {"query": CURRENT_USER}, "headers": {"Authorization": "Bearer a.b.c"}}),
    "no user": (200, {"json": {"query": CURRENT_USER}, "headers": {"X-User-ID": ""}}),
    "a field that is not there": (200, {"json": {"query": "{ users { id } }"}}),
    "no GraphQL": (200, {"json": {"query": "{"}}),
    "no query": (400, {"json": {}}),
    "no JSON": (400, {"content": b"{", "headers": JSON}),
    "another media type": (415, {"content": b"{}", "headers": {"Content-Type": "text/plain"}}),
    "too large": (413, {"content": b" " * 200_000, "headers": JSON}),
}


@pytest.mark.parametrize(("status", "sent"), ANSWERS.values(), ids=ANSWERS)
def test_every_answer_can_be_read_from_anywhere(shared: Served, status: int, sent: dict[str, Any]) -> None:
    """A page that cannot read an error sees a network failure instead, and its developer nothing at all."""
    headers = {"Authorization": public_key(shared), "X-User-ID": "ada", **ORIGIN, **sent.get("headers", {})}

    response = shared.http.post("/client/graphql", **{**sent, "headers": headers})

    assert (response.status_code, response.headers.get_list("access-control-allow-origin")) == (status, ["*"])
    assert "access-control-allow-credentials" not in response.headers


def test_other_methods_are_refused_readably(shared: Served) -> None:
    """Operations come by POST only, here too."""
    response = shared.http.get("/client/graphql", params={"query": "{ currentUser { id } }"}, headers=ORIGIN)

    assert (response.status_code, response.headers["access-control-allow-origin"]) == (405, "*")


@pytest.mark.parametrize("path", ["/graphql", "/v1/events", "/cli/pull"])
def test_what_private_keys_open_is_not_for_pages(shared: Served, path: str) -> None:
    """The control: no other address lets a page of another origin read its answers."""
    for response in (shared.http.options(path, headers=ORIGIN), shared.http.post(path, headers=ORIGIN)):
        assert "access-control-allow-origin" not in response.headers
