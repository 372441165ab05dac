"""Signing in with an OpenID Connect provider: who it vouches for and an owner has invited, and nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from kana.model.person import Role
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
    desk.served.run(desk.people.invite(email, Role.EDITOR, by=TESTER))


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
    people = desk.served.run(desk.people.people())
    assert {person.email: (person.role, person.password_hash) for person in people.values()} == {
        "ada@example.com": (Role.EDITOR, None)
    }
    assert desk.guest().sign_in("ada@example.com", "").status_code == 401, "and no password opens"


def test_who_is_not_invited_or_disabled_stays_outside(desk: Desk) -> None:
    """The provider says who somebody is, an owner says who may."""
    refused = came_back(desk.guest())
    assert refused.status_code == 401
    assert "Nobody with this e-mail address was invited." in refused.text
    invited(desk)
    desk.person(Role.OWNER)
    assert came_back(desk.guest()).status_code == 303
    desk.served.run(desk.people.disable("ada@example.com", by=TESTER))
    assert came_back(desk.guest()).status_code == 401


@pytest.mark.parametrize(
    "spoil",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "another client"},
        {"aud": ["kana", "another"], "azp": "another"},
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
    desk.person(Role.OWNER)
    provider.__exit__()
    answer = desk.guest().http.get("/login/provider")
    assert answer.status_code == 503
    assert "Your organisation&#39;s sign-in does not answer" in answer.text
    assert desk.guest().sign_in("owner@example.com").status_code == 303


def test_without_a_provider_there_is_no_such_way(tmp_path: Path) -> None:
    """The link is not shown and its address is not there."""
    with Desk(SqlitePlace(tmp_path / "other.db")) as plain:
        assert "/login/provider" not in plain.guest().get("/login")
        plain.guest().get("/login/provider", status=404)
        plain.guest().get("/login/provider/back?code=1&state=2", status=404)
