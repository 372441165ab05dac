"""Which key opens the Client API, and the switch that closes it to keys."""

from __future__ import annotations

import time

import pytest

from kana.model.key import KeyKind
from tests.api.client.calls import LIVE, NOBODY, TEST, as_anyone, as_user, post, public_key, refusal, token_of
from tests.support.serving import Served
from tests.support.world import TESTER

WHO = "{ currentUser { id } }"
SWITCH = "mutation($on: Boolean!) { setSecureModeRequired(required: $on) { environment requiresSecureMode } }"
REQUIRED = "Unauthenticated: this environment requires secure mode, a user token instead of a key."


@pytest.mark.parametrize(
    "key", ["", "nothing", "pub_test_" + "x" * 32, "Bearer", "Basic dXNlcjpwYXNz", "x" * 5000, "é"]
)
def test_what_is_no_public_key_opens_nothing(shared: Served, key: str) -> None:
    """Missing, unknown and malformed keys read the same."""
    response = post(shared, {"Authorization": key, "X-User-ID": "ada"}, WHO)

    assert refusal(response) == ("UNAUTHENTICATED", NOBODY)


def test_each_kind_of_key_opens_its_own_door(shared: Served) -> None:
    """A private key is not for the Client API, a public one not for the Admin API, in the same words."""
    private = shared.keys[TEST][KeyKind.PRIVATE]

    assert refusal(post(shared, {"Authorization": private, "X-User-ID": "ada"}, WHO)) == ("UNAUTHENTICATED", NOBODY)
    assert shared.error("{ users { id } }", key=public_key(shared))["message"] == NOBODY


@pytest.mark.parametrize("prefix", ["", "Bearer ", "bearer "])
def test_a_key_and_a_token_come_bare_or_as_bearer(shared: Served, prefix: str) -> None:
    """Kana's client sends the key bare and the token as Bearer; others may do as they are used to."""
    for credential in (public_key(shared), token_of(shared, "ada")):
        response = post(shared, {"Authorization": prefix + credential, "X-User-ID": "ada"}, WHO)
        assert response.json() == {"data": {"currentUser": {"id": "ada"}}}


def test_a_revoked_public_key_opens_nothing(served: Served) -> None:
    """Within a second of its revocation, by anyone."""
    key = public_key(served)
    served.run(served.engine.access.revoke_key(key, by=TESTER))
    time.sleep(1)

    assert refusal(post(served, {"Authorization": key, "X-User-ID": "ada"}, WHO)) == ("UNAUTHENTICATED", NOBODY)


def test_the_admin_api_requires_secure_mode_of_its_environment(served: Served) -> None:
    """From then on tokens alone come in, and a valid key is told why; the other environment is as before."""
    settings = "{ environmentSettings { environment requiresSecureMode timeZone } }"
    told = {"environment": "test", "requiresSecureMode": False, "timeZone": "UTC"}
    assert served.ask(settings) == {"environmentSettings": told}

    changed = served.ask(SWITCH, {"on": True})

    assert changed == {"setSecureModeRequired": {"environment": "test", "requiresSecureMode": True}}
    assert served.ask(settings)["environmentSettings"]["requiresSecureMode"] is True
    with_key = post(served, {"Authorization": public_key(served), "X-User-ID": "ada"}, WHO)
    assert refusal(with_key) == ("UNAUTHENTICATED", REQUIRED)
    assert as_user(served, token_of(served, "ada"), WHO) == {"id": "ada"}
    assert as_anyone(served, "ada", WHO, environment=LIVE) == {"id": "ada"}

    served.ask(SWITCH, {"on": False})
    assert as_anyone(served, "ada", WHO) == {"id": "ada"}
