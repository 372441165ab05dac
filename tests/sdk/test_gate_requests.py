"""Which requests a gate asks about and counts: HEAD, OPTIONS, preflights and requests of nobody, in every framework."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from asgiref.sync import markcoroutinefunction
from django.http import HttpRequest, HttpResponse
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from kana.errors import InvalidValue
from kana.sdk import AsyncKanaAdmin, KanaAdmin
from kana.sdk.fastapi import gate as fastapi_gate
from kana.sdk.flask import gate as flask_gate
from kana.sdk.visit import is_counted, is_open, user_id_of
from tests.sdk.gated import HEADER, KINDS, METHODS, by_django, opened
from tests.sdk.people import meter
from tests.support.server import KanaServer


@pytest.fixture(params=KINDS, ids=lambda build: build.__name__)
async def shop(request: pytest.FixtureRequest, kana: KanaAdmin, user: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of one gated view, which takes every method, in a framework of its own."""
    async with opened(request.param, kana, meter(user)) as client:
        yield client


def used(kana: KanaAdmin, user_id: str) -> int:
    shown = kana.features.show_usage(user_id=user_id, feature_id=meter(user_id))
    assert shown.current is not None
    return shown.current.consumption.used


async def test_only_what_does_something_counts(shop: httpx.AsyncClient, kana: KanaAdmin, user: str) -> None:
    """Every method reaches the view; each but HEAD and OPTIONS counts one."""
    counts = {}
    for method in METHODS:
        before = used(kana, user)
        assert (await shop.request(method, "/", headers={HEADER: user})).status_code == 200
        counts[method] = used(kana, user) - before
    assert counts == {"GET": 1, "POST": 1, "PUT": 1, "DELETE": 1, "HEAD": 0, "OPTIONS": 0}


async def test_a_preflight_is_the_views_own(shop: httpx.AsyncClient, kana: KanaAdmin, user: str) -> None:
    """A preflight names no user and passes; so does one of a user at the limit, whose GET and HEAD are 402."""
    kana.features.record_usage(user_id=user, feature_id=meter(user), delta=10)
    ahead = {"Origin": "https://page.example", "Access-Control-Request-Method": "POST"}
    for headers in (ahead, ahead | {HEADER: user}):
        answer = await shop.options("/", headers=headers)
        assert (answer.status_code, answer.text) == (200, "done")
    for method in ("GET", "HEAD"):
        assert (await shop.request(method, "/", headers={HEADER: user})).status_code == 402
    assert used(kana, user) == 10


@pytest.mark.parametrize("headers", [{}, {HEADER: ""}], ids=["none", "empty"])
async def test_nobody_is_the_frameworks_401(
    shop: httpx.AsyncClient, kana: KanaAdmin, user: str, headers: dict[str, str]
) -> None:
    """A request whose user is None or empty is 401, is no problem document of ours, and counts nothing."""
    for method in ("GET", "POST", "HEAD"):
        answer = await shop.request(method, "/", headers=headers)
        assert answer.status_code == 401
        assert "problem" not in answer.headers["content-type"]
        assert "done" not in answer.text
    assert used(kana, user) == 0


async def test_each_framework_says_401_as_its_program_wants(server: KanaServer, kana: KanaAdmin) -> None:
    """FastAPI's and Flask's own handlers of 401 make the answer."""
    flask = Flask("shop")
    flask.register_error_handler(401, lambda _: ("sign in, please", 401))
    flask.add_url_rule("/", view_func=flask_gate(kana, "f", user=lambda _: None)(lambda: "done"))
    assert flask.test_client().get("/").text == "sign in, please"

    app = FastAPI()
    app.exception_handler(401)(lambda *_: PlainTextResponse("sign in, please", status_code=401))
    async with AsyncKanaAdmin(api_key=server.private_key, endpoint=server.address) as awaiting:
        app.get("/")(fastapi_gate(awaiting, "f", user=lambda: None)(lambda: "done"))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop") as client:
            assert (await client.get("/")).text == "sign in, please"


async def test_django_views_that_are_marked_as_async_are_awaited(
    server: KanaServer, kana: KanaAdmin, user: str
) -> None:
    """What Django takes for an async view, such as that of an async class, the gate does too."""

    def view(_: HttpRequest) -> Any:
        async def answered() -> HttpResponse:
            return HttpResponse("done")

        return answered()

    async with AsyncKanaAdmin(api_key=server.private_key, endpoint=server.address) as awaiting:
        shop = by_django(markcoroutinefunction(view), awaiting, meter(user))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(shop), base_url="http://shop") as client:
            assert (await client.get("/", headers={HEADER: user})).text == "done"
    assert used(kana, user) == 1


@given(st.text(st.characters(codec="ascii", categories=["Lu", "Ll"]), max_size=10))
def test_two_methods_alone_are_not_counted(method: str) -> None:
    """Whatever the method is, it is counted unless it is HEAD or OPTIONS, and asked about unless it is OPTIONS."""
    assert is_counted(method) is (method not in ("HEAD", "OPTIONS"))
    assert is_open(method) is (method == "OPTIONS")


@pytest.mark.parametrize(
    ("found", "expected"),
    [(None, None), ("", None), ("124", "124"), (124, "124"), (0, "0"), (UUID(int=7), str(UUID(int=7)))],
)
def test_ids_are_taken_as_programs_keep_them(found: Any, expected: str | None) -> None:
    """Numbers and UUIDs are ids as text; None and empty text are nobody."""
    assert user_id_of(found) == expected


@pytest.mark.parametrize("found", [True, 1.5, object(), b"124", ["124"]])
def test_what_is_no_id_is_a_mistake_of_the_program(found: Any) -> None:
    """A whole record, or a boolean, is no id: it is refused and never sent as text."""
    with pytest.raises(InvalidValue, match="user must return the user's id, or None if nobody is signed in"):
        user_id_of(found)
