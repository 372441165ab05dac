"""Several features in one decision, and units that are set aside, over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.admin.calls import CHECK, CONSUME, EXTEND, RELEASE, RESERVATION, RESERVE, SETTLE
from tests.support.serving import Served


def lines(**units: int) -> list[dict[str, Any]]:
    """The lines of so many units of each feature."""
    return [{"featureId": name, "units": number} for name, number in units.items()]


def consume(served: Served, **fields: Any) -> Any:
    """Use several features of ada's."""
    return served.ask(CONSUME, {"input": {"userId": "ada", **fields}})["consume"]


def reserve(served: Served, **fields: Any) -> Any:
    """Set several features of ada's aside."""
    return served.ask(RESERVE, {"input": {"userId": "ada", **fields}})["reserve"]


def used(served: Served) -> Any:
    """What a check says of messages."""
    said = served.ask(CHECK, {"userId": "ada", "featureId": "message"})["canUseFeature"]
    return said["access"], said["consumption"]["used"]


def test_lines_are_decided_together(served: Served) -> None:
    """Granted with an entry each, tried out without, refused with the reason of each, repeated by the key."""
    wanted = {"lines": lines(message=3, support=1), "idempotencyKey": "k", "metadata": {"a": 1}}
    tried = consume(served, dryRun=True, **wanted)
    assert (tried["granted"], tried["decisionId"], tried["lines"][0]["entryId"]) == (True, "", None)
    done = consume(served, **wanted)
    assert (done["granted"], done["outcome"], done["reason"], done["duplicate"]) == (True, "RECORDED", None, False)
    assert [(line["featureId"], line["units"], line["outcome"], line["costOf"]) for line in done["lines"]] == [
        ("message", 3, "RECORDED", None),
        ("support", 1, "RECORDED", None),
    ]
    assert done["lines"][0]["entryId"] == done["decisionId"]
    assert consume(served, **wanted) == {**done, "duplicate": True}
    refused = consume(served, lines=lines(message=8, support=1))
    assert [line["outcome"] for line in refused["lines"]] == ["LIMIT_EXCEEDED", "OTHER_LINE_REFUSED"]
    assert refused["reason"].startswith("message: The limit of 10 is reached for this period: 3 used, 8 more")
    assert used(served) == (True, 3)


def test_a_reservation_is_held_settled_and_over(served: Served) -> None:
    """Set aside, extended, settled in parts, and listed."""
    held = reserve(served, lines=lines(message=8), ttlSeconds=60, idempotencyKey="r")
    number = held["reservation"]["id"]
    assert held["reservation"] == {
        "id": number, "userId": "ada", "status": "OPEN", "createdAt": "2026-03-10T12:00:00.000Z",
        "endsAt": "2026-03-10T12:01:00.000Z",
        "lines": [{"featureId": "message", "units": 8, "unbounded": False, "settled": 0, "held": 8, "costOf": None}],
    }  # fmt: skip
    assert reserve(served, lines=lines(message=8), ttlSeconds=60, idempotencyKey="r") == {**held, "duplicate": True}
    assert not consume(served, lines=lines(message=3))["granted"]
    moved = served.ask(EXTEND, {"id": number, "ttlSeconds": 120})["extendReservation"]
    assert moved["endsAt"] == "2026-03-10T12:02:00.000Z"
    part = served.ask(SETTLE, {"id": number, "lines": lines(message=2), "final": False})["settleReservation"]
    assert (part["granted"], part["reservation"]["lines"][0]["held"]) == (True, 6)
    done = served.ask(SETTLE, {"id": number, "lines": lines(message=1), "key": "s"})["settleReservation"]
    assert (done["granted"], done["reservation"]["status"]) == (True, "SETTLED")
    again = served.ask(SETTLE, {"id": number, "lines": lines(message=1), "key": "s"})["settleReservation"]
    assert again == {**done, "duplicate": True}
    assert used(served) == (True, 3)
    listed = served.ask(f'{{ reservations(userId: "ada") {{ {RESERVATION} }} }}')["reservations"]
    assert listed == [done["reservation"]]
    assert served.ask(f'{{ reservation(id: "{number}") {{ {RESERVATION} }} }}')["reservation"] == listed[0]
    assert served.ask(f'{{ reservations(userId: "ada", after: "{number}") {{ id }} }}')["reservations"] == []


def test_after_its_end_nothing_is_held(served: Served) -> None:
    """It is answered as ended, and settled late it is decided like new usage."""
    number = reserve(served, lines=lines(message=10), ttlSeconds=1)["reservation"]["id"]
    served.clock.advance(seconds=1)
    said = served.ask(f'{{ reservation(id: "{number}") {{ status lines {{ held }} }} }}')["reservation"]
    assert said == {"status": "ENDED", "lines": [{"held": 0}]}
    late = served.ask(SETTLE, {"id": number, "lines": lines(message=9)})["settleReservation"]
    assert (late["granted"], late["reason"]) == (True, "The reservation was over, so this was decided like new usage.")
    assert served.ask(RELEASE, {"id": number})["releaseReservation"]["status"] == "ENDED"


def test_the_ledger_says_which_line_of_what_an_entry_is(served: Served) -> None:
    """Its decision, its reservation and what it does to it."""
    held = reserve(served, lines=lines(message=4))
    served.ask(SETTLE, {"id": held["reservation"]["id"], "lines": lines(message=3)})
    fields = "delta change decisionId step reservationId costOf postings { held change }"
    newest, oldest = served.ask(f'{{ entries(userId: "ada") {{ {fields} }} }}')["entries"]
    number = held["reservation"]["id"]
    assert oldest == {
        "delta": 4, "change": 0, "decisionId": held["decisionId"], "step": "RESERVED", "reservationId": number,
        "costOf": None, "postings": [{"held": True, "change": 4}],
    }  # fmt: skip
    assert (newest["change"], newest["step"], newest["reservationId"]) == (3, "SETTLED", number)
    assert newest["postings"] == [{"held": False, "change": 3}, {"held": True, "change": -4}]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"lines": []}, "lines must be 1 to 20, got 0"),
        ({"lines": lines(message=0)}, "lines[0].units must be 1 to 9007199254740991, got 0"),
        ({"lines": lines(message=1) * 2}, "lines[1].featureId must not be named by another line, got 'message'"),
        ({"lines": lines(none=1)}, "Feature not found: 'none'"),
        ({"lines": lines(message=1), "ttlSeconds": 0}, "ttlSeconds must be 1 to 86400, got 0"),
        ({"lines": lines(message=1), "ttlSeconds": 86_401}, "ttlSeconds must be 1 to 86400, got 86401"),
        ({"lines": lines(message=1), "idempotencyKey": ""}, "idempotencyKey must be 1 to 255"),
        ({"userId": "nobody", "lines": lines(message=1)}, "User not found: 'nobody'"),
    ],
)
def test_wrong_input_is_an_error_that_names_it(served: Served, fields: dict[str, Any], message: str) -> None:
    """And nothing is set aside."""
    [error] = served.post(RESERVE, {"input": {"userId": "ada", **fields}}).json()["errors"]
    assert error["message"].startswith(message)
    assert used(served) == (True, 0)


def test_a_reservation_that_is_not_there_is_not_found(served: Served) -> None:
    """By whatever id, for each call."""
    for query, more in ((RELEASE, {}), (EXTEND, {"ttlSeconds": 5}), (SETTLE, {"lines": lines(message=1)})):
        for number in ("1", "x", "99999999999999999999"):
            [error] = served.post(query, {"id": number, **more}).json()["errors"]
            assert error["message"] == f"Reservation not found: '{number}'"


def test_what_nobody_can_say_is_set_aside_without_an_amount(served: Served) -> None:
    """Where nothing prevents more, and its last settlement names it; else an amount has to be said."""
    feature = 'createFeature(input: {id: "token", type: CONSUMABLE})'
    held = '[{id: "token", entitlement: {limit: 5, overageEnabled: true, resetPeriod: MONTH}}]'
    package = f'createPackage(input: {{id: "tokens", isAddon: true, features: {held}}})'
    for mutation in (
        feature,
        package,
        'publishPackage(id: "tokens")',
        'subscribe(userId: "ada", packageIds: ["tokens"])',
    ):
        served.ask(f"mutation {{ {mutation} {{ id }} }}")
    unbounded = {"featureId": "token", "unbounded": True}
    refused = reserve(served, lines=[{"featureId": "message", "unbounded": True}])
    assert (refused["granted"], refused["outcome"], refused["reservation"]) == (False, "LIMIT_EXCEEDED", None)
    made = reserve(served, lines=[unbounded, *lines(message=1)])["reservation"]
    assert [(line["units"], line["unbounded"], line["held"]) for line in made["lines"]] == [(0, True, 0), (1, False, 1)]
    [error] = served.post(SETTLE, variables={"id": made["id"], "lines": lines(message=1)}).json()["errors"]
    assert error["message"].startswith("lines must name 'token', which was set aside without an amount")
    done = served.ask(SETTLE, {"id": made["id"], "lines": lines(token=70)})["settleReservation"]
    assert (done["granted"], done["reservation"]["lines"][0]["settled"]) == (True, 70)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ({}, "lines[1] must have either units or unbounded: true, got neither"),
        ({"units": None, "unbounded": None}, "lines[1] must have either units or unbounded: true, got neither"),
        ({"units": 5, "unbounded": True}, "lines[1] must have either units or unbounded: true, got 5 units and true"),
        ({"units": 0, "unbounded": True}, "lines[1] must have either units or unbounded: true, got 0 units and true"),
        ({"units": 0}, "lines[1].units must be 1 to 9007199254740991, got 0"),
    ],
)
def test_an_amount_is_said_or_said_to_be_unknown(served: Served, line: dict[str, Any], problem: str) -> None:
    """Neither both nor none of it; nothing is set aside."""
    wanted = [*lines(message=1), {"featureId": "support", **line}]
    [error] = served.post(RESERVE, variables={"input": {"userId": "ada", "lines": wanted}}).json()["errors"]
    assert error["message"] == problem
    assert served.ask(f'{{ reservations(userId: "ada") {{ {RESERVATION} }} }}')["reservations"] == []
