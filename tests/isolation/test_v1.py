"""Nothing crosses in ``/v1``: no address shows or changes anything of another environment or another user."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import httpx
import pytest

from tests.api.admin.calls import TOKEN
from tests.isolation.matrix import ADMIN, V1, V1_LEAVES_NO_MARK, Call, Variables
from tests.isolation.sides import ADA, MOVER, Pair, Side, check_apart, leaves_mark, rows_of
from tests.support.v1 import OPERATIONS, send

IN_ORDER = sorted(OPERATIONS, key=lambda name: OPERATIONS[name].address.method != "GET")
"""All operations, those that read before those that change what is read."""


def entry_of(name: str) -> Call | None:
    """What the Admin API is asked where it has the same operation."""
    return ADMIN.get(f"Query.{name}") or ADMIN.get(f"Mutation.{name}")


def given_to(name: str) -> Variables:
    """The arguments of an operation."""
    call = entry_of(name)
    variables = V1.get(name) or (call.variables if call is not None else None)
    assert variables is not None, f"say in V1 what {name} is asked"
    return variables


def asked(name: str) -> Callable[[Side], httpx.Response]:
    """A call of an operation, as whichever side, with its private key."""

    def ask(side: Side) -> httpx.Response:
        answer = send(side.served, name, given_to(name)(side), key=side.private_key)
        side.settle()
        return answer

    return ask


def with_key(name: str, key: str | None, side: Side) -> httpx.Response:
    """A call of an operation about a side, with any key."""
    return send(side.served, name, given_to(name)(side), key=key)


@pytest.mark.parametrize("name", IN_ORDER)
def test_no_address_of_v1_crosses(pair: Pair, name: str) -> None:
    """With the key of test each works on test alone; with that of live it would be seen."""
    answer = check_apart(pair, asked(name))

    refused = name == "generateSubscriptionLink"
    assert answer.status_code == (400 if refused else 200), answer.text
    call = entry_of(name)
    if call.leaves_mark if call is not None else name not in V1_LEAVES_NO_MARK:
        assert leaves_mark(pair, asked(name))


@pytest.mark.parametrize("name", OPERATIONS)
def test_only_a_private_key_opens_an_address(pair: Pair, name: str) -> None:
    """No key, a key that is none, the public key and a user's token are all told the same, and change nothing."""
    pair.test.served.clock.advance(minutes=2)  # Nobody has failed too often.
    token = pair.test.ask(TOKEN, userId=ADA)["generateUserToken"]["token"]
    keys = [None, "prv_test_unknown", pair.test.public_key, *([] if name == "entitlements" else [token])]
    for key in keys:
        answer = check_apart(pair, partial(with_key, name, key))
        assert (key, answer.status_code) == (key, 401)
        assert answer.json()["detail"] == "Unauthenticated: a valid key is needed in the Authorization header."


def test_a_users_token_reads_the_entitlements_of_that_user_alone(pair: Pair) -> None:
    """Of somebody else, and of anybody in the other environment, it reads that there is nobody, in the same words."""
    token = pair.test.ask(TOKEN, userId=ADA)["generateUserToken"]["token"]

    def read(user_id: str) -> httpx.Response:
        return send(pair.test.served, "entitlements", {"userId": user_id}, key=token)

    own = check_apart(pair, lambda _: read(ADA))
    others = {read(each).text.replace(each, "…") for each in (MOVER, "nobody")}

    assert (own.status_code, own.json()["userId"]) == (200, ADA)
    assert own.json()["features"][0]["consumption"]["budget"] == 310
    assert len(others) == 1
    assert "User not found: '…'" in others.pop()


BY_ID: dict[str, Variables] = {
    "subscription": lambda side: {"id": side.subscriptions[MOVER]},
    "cancelSubscription": lambda side: {"id": side.subscriptions[MOVER]},
    "resumeSubscription": lambda side: {"id": side.subscriptions[MOVER]},
    "subscriptionChanges": lambda side: {"id": side.changes},
    "subscriptionChangesResults": lambda side: {"id": side.changes},
    "takeBackSubscriptionChanges": lambda side: {"id": side.changes},
    "endTopUp": lambda side: {"id": side.top_up},
    "endOverride": lambda side: {"id": side.override},
    "entry": lambda side: {"userId": ADA, "id": side.entry},
    "reverseUsage": lambda side: {"entryId": side.entry, "reason": "wrong"},
    "reservation": lambda side: {"id": side.reservation},
    "releaseReservation": lambda side: {"id": side.reservation},
    "extendReservation": lambda side: {"id": side.reservation, "ttlSeconds": 9},
    "settleReservation": lambda side: {"id": side.reservation, "lines": [{"featureId": "message", "units": 1}]},
}
"""The addresses of what has an id that Kana made, which differs between the sides."""


@pytest.mark.parametrize("name", BY_ID)
def test_what_has_an_id_in_the_other_environment_is_404(pair: Pair, name: str) -> None:
    """It is missing in the same words as what nobody has."""
    given: dict[str, Any] = BY_ID[name](pair.live)
    number = str(given.get("entryId", given.get("id")))

    def missing(wanted: str) -> str:
        changed = {each: wanted if value == number else value for each, value in given.items()}
        before = rows_of(pair.live, pair.path)
        answer = send(pair.test.served, name, changed, key=pair.test.private_key)
        assert rows_of(pair.live, pair.path) == before
        assert answer.status_code == 404
        return answer.text.replace(wanted, "…")

    assert missing(number) == missing("4611686018427387904")
