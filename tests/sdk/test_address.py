"""The address of a server is taken as people give it, and an answer that is not Kana's says what to look at."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kana.sdk import AsyncKanaAdmin, AsyncKanaUserClient, KanaAdmin, KanaUserClient, Retry, UnexpectedAnswer
from kana.sdk.address import FACES, address_of
from kana.sdk.errors import NetworkError
from tests.sdk.people import value
from tests.support.server import KanaServer
from tests.support.stranger import stranger

ONCE = Retry(attempts=1)


@pytest.mark.parametrize("tail", ["", "/", "/graphql", "/graphql/", "/client/graphql", "/cli", " "])
async def test_every_client_takes_the_address_with_and_without_a_path(
    server: KanaServer, kana: KanaAdmin, user: str, tail: str
) -> None:
    """Each of the four clients gets its answer, whichever of our paths the address ends in."""
    endpoint = server.address + tail
    public = {"api_key": server.keys["environments"]["test"]["public_key"], "user_id": user}
    admins: list[Any] = [
        client(api_key=server.private_key, endpoint=endpoint) for client in (KanaAdmin, AsyncKanaAdmin)
    ]
    for admin in admins:
        assert (await value(admin.users.retrieve(id=user))).id == user
    browsers: list[Any] = [client(**public, endpoint=endpoint) for client in (KanaUserClient, AsyncKanaUserClient)]
    for browser in browsers:
        assert [held.id for held in await value(browser.get_subscribed_packages())] == [f"package-of-{user}"]
    for closing in (admins[0], browsers[0]):
        closing.close()
    for closing in (admins[1], browsers[1]):
        await closing.aclose()


@given(st.sampled_from(["http://kana", "https://h:8443", "http://[::1]:80"]), st.sampled_from(["", "/a", "/a/b"]))
def test_a_face_is_found_from_every_face(host: str, front: str) -> None:
    """Whatever stands in front, and whichever face is given, the one that is asked for comes."""
    for face in FACES:
        for given_face in ("", "/", *FACES, *(f"{other}/" for other in FACES)):
            assert address_of(f"{host}{front}{given_face}", face) == f"{host}{front}{face}"


PAGE = b"\n<!DOCTYPE html><html><title>Sign in</title></html>"


@pytest.mark.parametrize(
    ("status", "headers", "expected", "kind"),
    [
        (200, {}, "answered with a web page, not as Kana does; endpoint must be the address", UnexpectedAnswer),
        (404, {}, "answered with a web page, not as Kana does; endpoint must be the address", UnexpectedAnswer),
        (502, {}, "answered with a web page, not as Kana does; endpoint must be the address", NetworkError),
        (
            301,
            {"location": "https://kana.example/graphql"},
            "redirects to https://kana.example/graphql",
            UnexpectedAnswer,
        ),
    ],
)
async def test_a_page_instead_of_an_answer_says_what_is_wrong(
    status: int, headers: dict[str, str], expected: str, kind: type[Exception]
) -> None:
    """The error names the status and the address that was asked, and prints no page."""
    with stranger(PAGE, status=status, headers=headers) as address:
        for client in (KanaAdmin, AsyncKanaAdmin):
            kana: Any = client(api_key="prv_test_x", endpoint=address, retry=ONCE)
            with pytest.raises(kind) as caught:
                await value(kana.features.list())
            await value(kana.close() if client is KanaAdmin else kana.aclose())
            said = str(caught.value)
            assert f"HTTP {status}: {address}/graphql" in said
            assert expected in said
            assert "<" not in said


async def test_a_page_of_a_kana_server_is_told_too(server: KanaServer) -> None:
    """An address that leads to a page of the dashboard says so, and prints no page."""
    with KanaAdmin(api_key=server.private_key, endpoint=f"{server.address}/login", retry=ONCE) as kana:
        with pytest.raises(UnexpectedAnswer) as caught:
            kana.features.list()
        assert f"{server.address}/login/graphql" in str(caught.value)
        assert "<html" not in str(caught.value)
