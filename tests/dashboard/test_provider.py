"""Signing in with an OpenID Connect provider: who it vouches for and an owner has invited, and nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from kana.dashboard.provider import DOCUMENT_BYTES_MAX
from kana.model.colleague import Role
from kana.settings import Settings
from tests.dashboard.desk import Desk, Visitor
from tests.support.identity import CLIENT_ID, CLIENT_SECRET, IdentityProvider
from tests.support.stores import SqlitePlace
from tests.support.world import TESTER, SetClock


@pytest.fixture
def provider() -> Iterator[IdentityProvider]:
    """A provider that vouches for Ada."""
    with IdentityProvider(SetClock()) as provider:
        yield provider


@pytest.fixture
def desk(tmp_path: Path, provider: IdentityProvider) -> Iterator[Desk]:
    """A dashboard that names the provider."""
    settings = Settings(oidc_issuer=provider.issuer, oidc_client_id=CLIENT_ID, oidc_client_secret=CLIENT_SECRET)
    with Desk(SqlitePlace(tmp_path / "kana.db"), settings=settings) as desk:
        yield desk


def invited(desk: Desk, email: str = "ada@example.com") -> None:
    """Somebody is invited."""
    desk.served.run(desk.colleagues.invite(email, Role.EDITOR, by=TESTER))


def came_back(visitor: Visitor, wanted: str = "", **changed: str) -> httpx.Response:
    """Go to the provider and come back from there, with some of the answer changed."""
    there = visitor.http.get("/login/provider", params={"next": wanted})
    assert there.status_code == 303, there.text
    back = httpx.get(there.headers["location"])
    parts = urlsplit(back.headers["location"])
    query: dict[str, Any] = {**{name: values[0] for name, values in parse_qs(parts.query).items()}, **changed}
    return visitor.http.get(parts.path, params=query)


def test_who_is_invited_comes_in_without_a_password(desk: Desk) -> None:
    """By the address that the provider vouches for, to the page that was wanted; again and again."""
    invited(desk)
    visitor = desk.guest()
    assert "/login/provider?next=/live/features" in visitor.get("/login?next=/live/features")
    answer = came_back(visitor, "/live/features")
    assert (answer.status_code, answer.headers["location"]) == (303, "/live/features")
    assert "ada@example.com" in visitor.get("/live/features")
    assert came_back(desk.guest()).status_code == 303
    colleagues = desk.served.run(desk.colleagues.colleagues())
    assert {colleague.email: (colleague.role, colleague.password_hash) for colleague in colleagues.values()} == {
        "ada@example.com": (Role.EDITOR, None)
    }
    assert desk.guest().sign_in("ada@example.com", "").status_code == 401, "and no password opens"


def test_who_is_not_invited_or_disabled_stays_outside(desk: Desk) -> None:
    """The provider says who somebody is, an owner says who may."""
    refused = came_back(desk.guest())
    assert refused.status_code == 401
    assert "Nobody with this e-mail address was invited." in refused.text
    invited(desk)
    desk.colleague(Role.OWNER)
    assert came_back(desk.guest()).status_code == 303
    desk.served.run(desk.colleagues.disable("ada@example.com", by=TESTER))
    assert came_back(desk.guest()).status_code == 401


@pytest.mark.parametrize(
    "spoil",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "another client"},
        {"aud": ["kana", "another"], "azp": "another"},
        {"aud": ["kana", "another"]},
        {"aud": ["another"]},
        {"aud": []},
        {"aud": 5},
        {"azp": "another"},
        {"azp": ["kana"]},
        {"nonce": ["x"]},
        {"nonce": "\ud83d"},
        {"exp": float("inf")},
        {"exp": 10**400},
        {"exp": True},
        {"iat": [1]},
        {"email": "no address"},
        {"email": "a\0@example.com"},
        {"email": "\ud83d@example.com"},
        {"email": ["ada@example.com"]},
        {"iss": "http://elsewhere.example"},
        {"exp": 1_600_000_000},
        {"exp": None},
        {"exp": "soon"},
        {"iat": 4_000_000_000},
        {"sub": None},
        {"email_verified": False},
        {"email_verified": "true"},
        {"email": None},
    ],
    ids=str,
)
def test_a_token_that_is_not_right_in_all_is_refused(
    desk: Desk, provider: IdentityProvider, spoil: dict[str, Any]
) -> None:
    """Another's, an old one, one for another client, or an address that nobody has verified."""
    invited(desk)
    provider.spoil = spoil
    assert came_back(desk.guest()).status_code == 401
    provider.spoil = {}
    assert came_back(desk.guest()).status_code == 303, "the control"


def test_a_token_that_the_provider_did_not_sign_is_refused(desk: Desk, provider: IdentityProvider) -> None:
    """Signed with another key, with a shared secret, or not at all."""
    invited(desk)
    for algorithm, key in (("RS256", generate_private_key(65537, 2048)), ("HS256", "x" * 32), ("none", None)):
        provider.algorithm, provider.key = algorithm, key
        assert came_back(desk.guest()).status_code == 401, algorithm


def test_an_answer_counts_in_the_browser_that_asked_and_once(desk: Desk) -> None:
    """Another's state, none, a code of nobody, and the same answer again are refused."""
    invited(desk)
    victim = desk.guest()
    assert came_back(victim, state="another").status_code == 401
    assert came_back(victim, code="made up").status_code == 401
    assert came_back(victim, code="").status_code == 401
    attacker = desk.guest()
    there = attacker.http.get("/login/provider")
    back = urlsplit(httpx.get(there.headers["location"]).headers["location"])
    assert victim.http.get(f"{back.path}?{back.query}").status_code == 401, "no ticket of this browser"
    assert attacker.http.get(f"{back.path}?{back.query}").status_code == 303
    assert attacker.http.get(f"{back.path}?{back.query}").status_code == 401


def test_a_provider_that_is_away_is_said(desk: Desk, provider: IdentityProvider) -> None:
    """503 and a sentence; passwords go on working."""
    desk.colleague(Role.OWNER)
    provider.__exit__()
    answer = desk.guest().http.get("/login/provider")
    assert answer.status_code == 503
    assert "Your organisation&#39;s sign-in does not respond" in answer.text
    assert desk.guest().sign_in("owner@example.com").status_code == 303


def test_without_a_provider_there_is_no_such_way(tmp_path: Path) -> None:
    """The link is not shown and its address is not there."""
    with Desk(SqlitePlace(tmp_path / "other.db")) as plain:
        assert "/login/provider" not in plain.guest().get("/login")
        plain.guest().get("/login/provider", status=404)
        plain.guest().get("/login/provider/back?code=1&state=2", status=404)


WELL_KNOWN = "/.well-known/openid-configuration"


def test_a_token_for_several_says_that_it_is_for_us(desk: Desk, provider: IdentityProvider) -> None:
    """The control: a list of one is one, and a list of several with ``azp`` is for whom that names."""
    invited(desk)
    for spoil in ({"aud": ["kana"]}, {"aud": ["kana", "another"], "azp": "kana"}):
        provider.spoil = spoil
        assert came_back(desk.guest()).status_code == 303


ODD: list[Any] = [
    b"", b"{", b"\xff", b"[" * 100_000, b'{"a":' * 100_000, b"null", [], "text", 5, {}, {"keys": 5}, {"keys": [5]},
    {"keys": [{}]}, {"keys": [{"kty": "RSA", "n": 5, "e": []}]}, {"keys": [{"kty": "oct", "k": "eA", "kid": "one"}]},
    {"id_token": 5}, {"id_token": ""}, {"id_token": "a.b.c"}, {"id_token": None}, {"id_token": "e30.e30."},
]  # fmt: skip


@pytest.mark.parametrize("path", [WELL_KNOWN, "/keys", "/token"])
def test_odd_documents_let_nobody_in_and_are_no_fault_of_ours(
    desk: Desk, provider: IdentityProvider, path: str
) -> None:
    """Whatever a provider answers, it is refused in a sentence, and the next one who is right comes in."""
    invited(desk)
    for odd in ODD:
        guest = desk.guest()
        there = guest.http.get("/login/provider")
        back = urlsplit(httpx.get(there.headers["location"]).headers["location"])
        provider.odd = {path: odd}
        answer = guest.http.get(f"{back.path}?{back.query}")
        provider.odd = {}
        assert answer.status_code in (401, 503), odd
        assert not any(name == "kana-session" for name in answer.cookies), odd
    assert came_back(desk.guest()).status_code == 303


@pytest.mark.parametrize(
    "where",
    ["javascript:alert(1)", "//elsewhere.example", "http://a\r\nx: y", "", None, 5, ["http://a"], "ftp://a", "ü"],
)
@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri"])
def test_an_odd_address_of_a_provider_is_not_gone_to(
    desk: Desk, provider: IdentityProvider, name: str, where: object
) -> None:
    """Neither by us nor by the browser."""
    invited(desk)
    guest = desk.guest()
    there = guest.http.get("/login/provider")
    back = urlsplit(httpx.get(there.headers["location"]).headers["location"])
    described = httpx.get(f"{provider.issuer}{WELL_KNOWN}").json()
    provider.odd = {WELL_KNOWN: {**described, name: where}}
    assert guest.http.get(f"{back.path}?{back.query}").status_code == (303 if name == "authorization_endpoint" else 503)
    if name == "authorization_endpoint":
        assert desk.guest().http.get("/login/provider").status_code == 503


@pytest.mark.parametrize("path", [WELL_KNOWN, "/keys", "/token"])
def test_no_more_of_a_document_is_read_than_one_may_have(
    desk: Desk, provider: IdentityProvider, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest stays where it is: what was taken in is counted, and it is the bound and one part of the wire more."""
    invited(desk)
    guest, taken = desk.guest(), 0
    there = guest.http.get("/login/provider")
    back = urlsplit(httpx.get(there.headers["location"]).headers["location"])
    plain = httpx.Response.aiter_raw

    async def counted(response: httpx.Response, chunk_size: int | None = None) -> Any:
        nonlocal taken
        async for part in plain(response, chunk_size):
            taken += len(part)
            yield part

    monkeypatch.setattr(httpx.Response, "aiter_raw", counted)
    provider.odd = {path: b'"' + b"x" * 64 * 1024 * 1024 + b'"'}
    assert guest.http.get(f"{back.path}?{back.query}").status_code == 503
    assert taken < DOCUMENT_BYTES_MAX + 256 * 1024


@pytest.mark.parametrize(
    "cookie", ["", "5", "[]", "{}", "[" * 3_000, '{"state": 5, "nonce": 5, "verifier": 5, "next": 5}', "%ff", "\\ud83d"]
)
def test_an_odd_ticket_is_none(desk: Desk, cookie: str) -> None:
    """Whatever a browser keeps in its place."""
    visitor = desk.guest()
    headers = {"Cookie": f"kana-ticket={quote(cookie)}"}
    assert visitor.http.get("/login/provider/back?code=1&state=5", headers=headers).status_code == 401
