"""User tokens: what we sign we take, for its time and its user; everything else is refused alike."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import jwt
import pytest

from kana.api.tokens import TokenClaims, issue, verify
from kana.errors import Unauthenticated
from kana.model.environment import Environment
from kana.model.key import EnvironmentSettings, Keyring, SigningSecret
from kana.model.user import User
from tests.support.world import LIVE, NOON, TEST, a_user

NOW_S = int(NOON.timestamp())
DAY_S = 24 * 3600


def a_secret(id: str, environment: Environment = TEST, *, age_days: int = 0, **changes: Any) -> SigningSecret:  # noqa: A002
    created_at = NOON - timedelta(days=age_days)
    return SigningSecret(id=id, environment=environment, secret=id.encode() * 8, created_at=created_at, **changes)


def a_keyring(*secrets: SigningSecret) -> Keyring:
    return Keyring(
        workspace="w",
        environments={
            environment: EnvironmentSettings(environment=environment, app_id=f"{environment}_app")
            for environment in Environment
        },
        keys={},
        signing_secrets=secrets or (a_secret("kid1"), a_secret("live", LIVE)),
    )


KEYRING = a_keyring()
ADA = a_user()
GOOD: dict[str, Any] = {
    "appId": "test_app",
    "userId": "ada",
    "sub": "7.1",
    "iat": NOW_S,
    "exp": NOW_S + 30 * DAY_S,
    "aud": "kana-client",
    "iss": "usekana.com",
}


def signed(claims: dict[str, Any], *, secret: bytes = b"kid1" * 8, algorithm: str = "HS256", **headers: Any) -> str:
    """A token of these claims, signed as if by us unless told otherwise."""
    return jwt.encode(claims, secret, algorithm, headers={"kid": "kid1", **headers})


def unsigned(header: dict[str, Any], claims: dict[str, Any]) -> str:
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (header, claims))
    return ".".join([*parts, ""])


def refuses(token: str, *, keyring: Keyring = KEYRING) -> None:
    with pytest.raises(Unauthenticated) as refused:
        verify(token, keyring, now=NOON)
    assert refused.value.message == Unauthenticated().message


def test_a_token_says_what_kana_documented() -> None:
    """HS256 with a kid; app, user, issuer and audience; thirty days."""
    token = issue(ADA, KEYRING, now=NOON)
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "kid": "kid1", "typ": "JWT"}
    assert jwt.decode(token, options={"verify_signature": False}) == {**GOOD, "ver": 0}
    assert verify(token, KEYRING, now=NOON) == TokenClaims(TEST, 7, 1, "ada")


def test_a_hand_made_token_of_the_same_claims_is_taken() -> None:
    """The control of every refusal below: only what each of them changes is what is refused."""
    assert verify(signed(GOOD), KEYRING, now=NOON) == TokenClaims(TEST, 7, 1, "ada")


@pytest.mark.parametrize(
    ("now", "holds"),
    [
        (timedelta(seconds=-30), True),
        (timedelta(seconds=-31), False),
        (timedelta(0), True),
        (timedelta(days=30, seconds=29), True),
        (timedelta(days=30, seconds=30), False),
        (timedelta(days=4000), False),
    ],
)
def test_a_token_holds_for_its_time(now: timedelta, holds: bool) -> None:
    """From when it was issued to when it expires, give or take half a minute of clocks."""
    token = issue(ADA, KEYRING, now=NOON)
    if holds:
        assert verify(token, KEYRING, now=NOON + now).user_id == "ada"
    else:
        with pytest.raises(Unauthenticated):
            verify(token, KEYRING, now=NOON + now)


def test_a_lifetime_is_capped() -> None:
    """Nobody is given more than thirty days; less is possible."""
    claims = jwt.decode(
        issue(ADA, KEYRING, now=NOON, lifetime=timedelta(days=999)), options={"verify_signature": False}
    )
    assert claims["exp"] - claims["iat"] == 30 * DAY_S
    short = issue(ADA, KEYRING, now=NOON, lifetime=timedelta(minutes=5))
    with pytest.raises(Unauthenticated):
        verify(short, KEYRING, now=NOON + timedelta(minutes=6))


@pytest.mark.parametrize("claim", GOOD)
def test_every_claim_is_needed(claim: str) -> None:
    """A token without one of them is no token."""
    refuses(signed({key: value for key, value in GOOD.items() if key != claim}))


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": 10**12},
        {"exp": NOW_S + 30 * DAY_S + 1},
        {"exp": NOW_S - 31, "iat": NOW_S - DAY_S},
        {"exp": float(NOW_S + DAY_S)},
        {"exp": str(NOW_S + DAY_S)},
        {"exp": True},
        {"iat": NOW_S + 31, "exp": NOW_S + DAY_S},
        {"iat": "now"},
        {"nbf": NOW_S + 31},
        {"nbf": "now"},
        {"aud": "kana-admin"},
        {"aud": ["kana-admin"]},
        {"iss": "elsewhere.example"},
        {"appId": "live_app"},
        {"appId": None},
        {"userId": 124},
        {"sub": "7"},
        {"sub": "7.x"},
        {"sub": 7},
        {"ver": "0"},
        {"ver": 0.0},
        {"ver": False},
        {"ver": None},
    ],
)
def test_a_claim_that_is_wrong(changed: dict[str, Any]) -> None:
    """Signed by us or not: what does not fit is refused."""
    refuses(signed({**GOOD, **changed}))


@pytest.mark.parametrize(
    "make",
    [
        lambda: "",
        lambda: "a.b.c",
        lambda: "not a token",
        lambda: signed(GOOD)[:-2],
        lambda: signed(GOOD) + ".x",
        lambda: unsigned({"alg": "none", "typ": "JWT", "kid": "kid1"}, GOOD),
        lambda: unsigned({"alg": "HS256", "kid": "kid1"}, GOOD),
        lambda: signed(GOOD, algorithm="HS512", secret=b"kid1" * 16),
        lambda: signed(GOOD, secret=b"another secret of 32 bytes......"),
        lambda: signed(GOOD, secret=b"live" * 8),
        lambda: signed(GOOD, kid="unknown"),
        lambda: signed(GOOD, kid="../../etc/passwd"),
        lambda: signed(GOOD, kid="kid1' or '1'='1"),
        lambda: signed(GOOD, kid=""),
        lambda: signed(GOOD, crit=["b64"], b64=False),
        lambda: signed(GOOD, kid="live", secret=b"live" * 8),
        lambda: signed({**GOOD, "x": "y" * 4096}),
        lambda: "é" + signed(GOOD),
        lambda: "x" * 10_000_000,
    ],
)
@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_what_we_did_not_sign_for_this(make: Callable[[], str]) -> None:
    """Other algorithms, secrets, environments and headers, broken and oversized tokens."""
    refuses(make())


def test_a_token_carries_the_version_of_its_users_tokens() -> None:
    """By it who lets the token in knows whether it was revoked; a token from before there were versions says 0."""
    assert verify(issue(replace(ADA, token_version=3), KEYRING, now=NOON), KEYRING, now=NOON).version == 3
    assert verify(signed(GOOD), KEYRING, now=NOON).version == 0


def test_headers_that_point_elsewhere_are_not_followed() -> None:
    """Where a header says that keys lie counts for nothing: our secret decides."""
    token = signed(GOOD, jku="https://a.example/keys", x5u="https://a.example/x", jwk={"kty": "oct", "k": "AA"})
    assert verify(token, KEYRING, now=NOON).user_id == "ada"


def test_an_environment_is_told_by_the_secret_alone() -> None:
    """A test token with the live app in it is refused, and a live one is live."""
    live = replace(ADA, environment=LIVE)
    assert verify(issue(live, KEYRING, now=NOON), KEYRING, now=NOON).environment is LIVE


def test_rotation_keeps_older_tokens_until_their_secret_is_revoked() -> None:
    """The newest secret signs; older ones still open."""
    old, new = a_secret("kid1", age_days=10), a_secret("kid2")
    token = issue(ADA, a_keyring(old, a_secret("live", LIVE)), now=NOON)
    both = a_keyring(old, new, a_secret("live", LIVE))
    assert jwt.get_unverified_header(issue(ADA, both, now=NOON))["kid"] == "kid2"
    assert verify(token, both, now=NOON).user_id == "ada"
    refuses(token, keyring=a_keyring(replace(old, revoked_at=NOON), new, a_secret("live", LIVE)))


@pytest.mark.parametrize("id_", ["x" * 255, "é" * 255, "😀" * 255, '"\\/' * 85])
def test_the_longest_id_fits(id_: str) -> None:
    """Every id that a user may have makes a token that is taken back."""
    user: User = a_user(id_)
    token = issue(user, KEYRING, now=NOON)
    assert len(token) <= 4096
    assert verify(token, KEYRING, now=NOON).user_id == id_
