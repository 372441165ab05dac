"""A user token that is not exactly one of ours opens nothing, and nobody is told why."""

from __future__ import annotations

import hmac
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Any

import jwt
import pytest

from kana.model.key import SigningSecret
from tests.api.client.calls import LIVE, NOBODY, TEST, as_user, post, refusal, token_of
from tests.support.serving import Served
from tests.support.world import TESTER

DAY_S = 86_400
WHO = "{ currentUser { id } }"
REVOKE = "mutation($userId: String!) { revokeUserTokens(userId: $userId) { id } }"


class Workshop:
    """Makes tokens as ours are, and every kind of token that they should not be."""

    def __init__(self, served: Served) -> None:
        self.served = served
        keyring = served.run(served.engine.access.keyring())
        self.secrets: dict[Any, SigningSecret] = {env: keyring.signing_secret(env) for env in (TEST, LIVE)}
        self.app_ids = {env: settings.app_id for env, settings in keyring.environments.items()}
        [ada] = [user for user in served.run(served.engine.accounts.users(TEST)) if user.id == "ada"]
        self.subject = f"{ada.bucket}.{ada.key}"
        self.now = int(served.clock().timestamp())

    def claims(self, **changed: Any) -> dict[str, Any]:
        """The claims of a token of ada's; a claim changed to None is left out."""
        claims = {
            "appId": self.app_ids[TEST],
            "userId": "ada",
            "sub": self.subject,
            "iat": self.now,
            "exp": self.now + 30 * DAY_S,
            "aud": "kana-client",
            "iss": "usekana.com",
        }
        return {name: value for name, value in (claims | changed).items() if value is not None}

    def sign(
        self,
        claims: dict[str, Any] | None = None,
        *,
        secret: bytes | None = None,
        alg: str = "HS256",
        kid: Any = "",
        **header: Any,
    ) -> str:
        """A token with these claims; the secret and ``kid`` are test's own unless others are given."""
        kid = self.secrets[TEST].id if kid == "" else kid
        head = header if kid is None else {"kid": kid, **header}
        payload = json.dumps(self.claims() if claims is None else claims).encode()
        return jwt.PyJWS().encode(payload, secret or self.secrets[TEST].secret, alg, headers=head)


@pytest.fixture
def workshop(shared: Served) -> Workshop:
    return Workshop(shared)


def part(value: Any) -> str:
    """One part of a token, as it stands in it."""
    return urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def unsigned(workshop: Workshop) -> str:
    return f"{part({'alg': 'none', 'kid': workshop.secrets[TEST].id})}.{part(workshop.claims())}."


def tampered(workshop: Workshop) -> str:
    head, _, signature = workshop.sign().split(".")
    return f"{head}.{part(workshop.claims(userId='eve'))}.{signature}"


def with_algorithm(workshop: Workshop, name: str, digest: str) -> str:
    """A token signed by another algorithm with our secret, made by hand since libraries warn of it."""
    text = f"{part({'alg': name, 'kid': workshop.secrets[TEST].id})}.{part(workshop.claims())}"
    signature = hmac.digest(workshop.secrets[TEST].secret, text.encode(), digest)
    return f"{text}.{urlsafe_b64encode(signature).decode().rstrip('=')}"


def issued(**changed: Any) -> Callable[[Workshop], str]:
    """A token signed with our own secret, but with other claims."""
    return lambda workshop: workshop.sign(workshop.claims(**changed))


def issued_at(**seconds: int) -> Callable[[Workshop], str]:
    """The same with moments so many seconds from now."""
    return lambda workshop: workshop.sign(
        workshop.claims(**{claim: workshop.now + offset for claim, offset in seconds.items()})
    )


def revoked(workshop: Workshop) -> str:
    """A token of bob's from before all of his were revoked."""
    token = token_of(workshop.served, "bob")
    workshop.served.ask(REVOKE, {"userId": "bob"})
    return token


def of_an_older_version(workshop: Workshop) -> str:
    """The same, signed by hand with all else as it is now."""
    workshop.served.ask(REVOKE, {"userId": "bob"})
    [bob] = [user for user in workshop.served.run(workshop.served.engine.accounts.users(TEST)) if user.id == "bob"]
    return workshop.sign(workshop.claims(userId="bob", sub=f"{bob.bucket}.{bob.key}", ver=bob.token_version - 1))


REFUSED: dict[str, Callable[[Workshop], str]] = {
    "no signature, alg none": unsigned,
    "alg none in capitals": lambda w: unsigned(w).replace(part({"alg": "none"})[:12], part({"alg": "None"})[:12]),
    "another algorithm of the family": lambda w: w.sign(alg="HS512", secret=w.secrets[TEST].secret * 2),
    "another algorithm, our own secret": lambda w: with_algorithm(w, "HS384", "sha384"),
    "a signature cut short": lambda w: w.sign()[:-4],
    "claims changed after signing": tampered,
    "a secret that is not ours": lambda w: w.sign(secret=b"x" * 32),
    "the app id as the secret": lambda w: w.sign(secret=w.app_ids[TEST].encode().ljust(32, b"=")),
    "no exp": issued(exp=None),
    "no iat": issued(iat=None),
    "no aud": issued(aud=None),
    "no iss": issued(iss=None),
    "no appId": issued(appId=None),
    "no userId": issued(userId=None),
    "no sub": issued(sub=None),
    "exp in the year 33658": issued(exp=10**12),
    "good for longer than 30 days": issued_at(exp=30 * DAY_S + 1),
    "expired a minute ago": issued_at(iat=-2 * DAY_S, exp=-60),
    "not valid before tomorrow": issued_at(nbf=DAY_S),
    "issued tomorrow": issued_at(iat=DAY_S, exp=2 * DAY_S),
    "exp is a text": issued(exp="4102444800"),
    "exp is a fraction": lambda w: w.sign(w.claims(exp=w.now + 0.5)),
    "exp is true": issued(exp=True),
    "another audience": issued(aud="kana-admin"),
    "another issuer": issued(iss="example.com"),
    "several audiences, none ours": issued(aud=["a", "b"]),
    "the app id of live": lambda w: w.sign(w.claims(appId=w.app_ids[LIVE])),
    "the secret of live for an app id of test": lambda w: w.sign(secret=w.secrets[LIVE].secret, kid=w.secrets[LIVE].id),
    "the secret of live, the kid of test": lambda w: w.sign(secret=w.secrets[LIVE].secret),
    "no kid": lambda w: w.sign(kid=None),
    "an unknown kid": lambda w: w.sign(kid="0123456789abcdef"),
    "a kid that is a path": lambda w: w.sign(kid="../../../../dev/null", secret=b"\0" * 32),
    "a kid that is SQL": lambda w: w.sign(kid="x' union select 'secret' -- ", secret=b"secret".ljust(32, b"=")),
    "a kid that is a number": lambda w: f"{part({'alg': 'HS256', 'kid': 1})}.{part(w.claims())}.AAAA",
    "a kid that is a list": lambda w: f"{part({'alg': 'HS256', 'kid': ['a']})}.{part(w.claims())}.AAAA",
    "an extension that must be understood": lambda w: w.sign(crit=["exp"]),
    "a key that the token brings itself": lambda w: w.sign(
        secret=b"x" * 32, jwk={"kty": "oct", "k": "eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHg"}
    ),
    "a key at an address that the token names": lambda w: w.sign(secret=b"x" * 32, jku="https://example.com/keys"),
    "longer than 4 KB": lambda w: w.sign(w.claims(note="x" * 4000)),
    "a user who does not exist": issued(sub="7.123456789"),
    "sub is no place": issued(sub="ada"),
    "sub is half a place": issued(sub="7."),
    "sub is a place that no database has": issued(sub=f"{10**30}.{10**30}"),
    "sub is a key that is just too large": issued(sub=f"7.{2**63}"),
    "sub is the largest key": issued(sub=f"7.{2**63 - 1}"),
    "sub is a negative place": issued(sub="-1.-1"),
    "sub is a number": issued(sub=7),
    "userId is a number": issued(userId=124),
    "a version of tokens that was revoked": revoked,
    "a version older than the user's": of_an_older_version,
    "a version that is yet to come": issued(ver=1),
    "a version that is a text": issued(ver="0"),
    "a version that is false": issued(ver=False),
    "claims that are no object": lambda w: f"{part({'alg': 'HS256'})}.{part([1])}.AAAA",
    "two dots and nothing else": lambda _: "..",
    "no JSON": lambda _: "a.b.c",
    "a fourth part": lambda w: w.sign() + ".x",
}


@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED)
def test_what_is_not_one_of_our_tokens_opens_nothing(workshop: Workshop, make: Callable[[Workshop], str]) -> None:
    """Each is answered the same words as no token at all; what exactly is wrong helps attackers only."""
    response = post(workshop.served, {"Authorization": f"Bearer {make(workshop)}", "X-User-ID": "ada"}, WHO)

    assert (response.status_code, refusal(response)) == (200, ("UNAUTHENTICATED", NOBODY))


ACCEPTED: dict[str, Callable[[Workshop], str]] = {
    "made by hand": lambda w: with_algorithm(w, "HS256", "sha256"),
    "as ours are": Workshop.sign,
    "as the Admin API makes them": lambda w: token_of(w.served, "ada"),
    "expired within the leeway": issued_at(iat=-DAY_S, exp=-29),
    "issued a little ahead of our clock": issued_at(iat=29, exp=DAY_S),
    "an id that was another's": issued(userId="eve"),
    "the version of a user whose tokens were never revoked": issued(ver=0),
    "one of several audiences": issued(aud=["other", "kana-client"]),
    "an address for keys that nobody asks": lambda w: w.sign(jku="https://example.com/keys"),
}


@pytest.mark.parametrize("make", ACCEPTED.values(), ids=ACCEPTED)
def test_the_controls_come_in(workshop: Workshop, make: Callable[[Workshop], str]) -> None:
    """What is signed by us, for now and for this audience, is ada: the table above refuses for what it says."""
    assert as_user(workshop.served, make(workshop), WHO) == {"id": "ada"}


def test_a_token_of_ten_megabytes_is_not_even_read(workshop: Workshop) -> None:
    """Headers end at 64 KB, long before anything looks for a token in them."""
    response = post(workshop.served, {"Authorization": "Bearer a.b." + "c" * 10_000_000}, WHO)

    assert response.status_code == 431


def test_tokens_open_the_client_api_only(shared: Served) -> None:
    """A user's token says nothing to the Admin API, nor where events are taken."""
    token = f"Bearer {token_of(shared, 'ada')}"

    admin = shared.error("{ features { id } }", key=token)
    events = shared.http.post("/v1/events", headers={"Authorization": token}, content=b"{}")

    assert admin["extensions"]["code"] == "UNAUTHENTICATED"
    assert (events.status_code, events.json()["code"]) == (401, "UNAUTHENTICATED")


def test_a_token_ends_after_thirty_days(served: Served) -> None:
    """It opens until then, and half a minute for clocks that differ, and then no more."""
    token = token_of(served, "ada")

    served.clock.advance(days=30, seconds=29)
    assert as_user(served, token, WHO) == {"id": "ada"}

    served.clock.advance(seconds=1)
    assert refusal(post(served, {"Authorization": f"Bearer {token}"}, WHO)) == ("UNAUTHENTICATED", NOBODY)


def test_revoking_a_users_tokens_ends_those_that_are_out(served: Served) -> None:
    """From the answer on, after a rename too, and again; new tokens open, and nobody else's are touched."""
    old, another = token_of(served, "ada"), token_of(served, "bob")

    assert served.ask(REVOKE, {"userId": "ada"}) == {"revokeUserTokens": {"id": "ada"}}

    assert refusal(post(served, {"Authorization": f"Bearer {old}"}, WHO)) == ("UNAUTHENTICATED", NOBODY)
    new = token_of(served, "ada")
    assert (as_user(served, new, WHO), as_user(served, another, WHO)) == ({"id": "ada"}, {"id": "bob"})

    served.ask('mutation { updateUser(id: "ada", input: {id: "ada2", name: "A"}) { id } }')
    assert refusal(post(served, {"Authorization": f"Bearer {old}"}, WHO)) == ("UNAUTHENTICATED", NOBODY)
    assert as_user(served, new, WHO) == {"id": "ada2"}

    served.ask(REVOKE, {"userId": "ada2"})
    assert refusal(post(served, {"Authorization": f"Bearer {new}"}, WHO)) == ("UNAUTHENTICATED", NOBODY)


def test_revoking_is_logged(served: Served) -> None:
    """Who did it, and whose tokens they were; a user who is unknown leaves no line."""
    served.ask(REVOKE, {"userId": "ada"})
    assert served.error(REVOKE, {"userId": "nobody"})["message"] == "User not found: 'nobody'"

    lines = served.ask("{ adminLog { actorKind action subjectKind subjectId before after } }")["adminLog"]

    assert [line for line in lines if line["subjectKind"] == "user tokens"] == [
        {
            "actorKind": "key", "action": "revoked", "subjectKind": "user tokens", "subjectId": "ada",
            "before": None, "after": None,
        }
    ]  # fmt: skip


def test_tokens_outlive_a_rotation(served: Served) -> None:
    """With a new secret both kids are good: pages that are open go on, and new tokens name the new one."""
    old = token_of(served, "ada")
    served.clock.advance(seconds=1)
    served.run(served.engine.access.rotate_signing_secret(TEST, by=TESTER))

    while (new := token_of(served, "ada")).split(".")[0] == old.split(".")[0]:
        time.sleep(0.05)  # the application knows of it within a second

    assert as_user(served, old, WHO) == as_user(served, new, WHO) == {"id": "ada"}
