"""Top-ups and overrides over HTTP: give, use, end, list; and what each mistake is called."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.admin.calls import (
    CHECK,
    CREATE_PACKAGE,
    CREATE_TOP_UP,
    END_OVERRIDE,
    END_TOP_UP,
    OVERRIDES,
    PUBLISH,
    SET_OVERRIDE,
    SUBSCRIBE,
    TOP_UPS,
    UPDATE_USER,
    name_of,
    record,
    state,
)
from tests.support.serving import Served

NOON, LATER, EVE = "2026-03-10T12:00:00.000Z", "2026-03-12T12:00:00.000Z", "2026-03-11T12:00:00.000Z"
MOST = 2**53 - 1
GIVEN = {"userId": "ada", "featureId": "message", "reason": "asked"}


def top_up(served: Served, amount: object = 5, **more: object) -> dict[str, Any]:
    made: dict[str, Any] = served.ask(CREATE_TOP_UP, {"input": {**GIVEN, "amount": amount, **more}})["createTopUp"]
    return made


def override(served: Served, **terms: object) -> dict[str, Any]:
    made: dict[str, Any] = served.ask(SET_OVERRIDE, {"input": {**GIVEN, **terms}})["setOverride"]
    return made


def check(served: Served, feature: str = "message", user: str = "ada") -> dict[str, Any]:
    answer: dict[str, Any] = served.ask(CHECK, {"userId": user, "featureId": feature})["canUseFeature"]
    return answer


def budget(served: Served) -> int | None:
    found: int | None = check(served)["consumption"]["budget"]
    return found


def listed(served: Served, query: str, **page: object) -> list[dict[str, Any]]:
    [rows] = served.ask(query, {"userId": "ada", **page}).values()
    return list(rows)


def test_a_top_up_tells_all_of_itself(served: Served) -> None:
    """What was given, by whom, when and why; how much of it is used and left, also after it ended."""
    given = top_up(served, expiresAt=LATER)
    masked = given.pop("givenBy")
    assert masked.startswith("prv_test_")
    assert "…" in masked
    assert given.pop("id").isdigit()
    assert given == {
        **GIVEN, "amount": 5, "used": 0, "remaining": 5, "startsAt": NOON, "expiresAt": LATER, "createdAt": NOON,
    }  # fmt: skip
    record(served, 3)
    [told] = listed(served, TOP_UPS)
    assert (told["used"], told["remaining"]) == (3, 2)
    ended = served.ask(END_TOP_UP, {"id": told["id"]})["endTopUp"]
    assert (ended["used"], ended["remaining"], ended["expiresAt"]) == (3, 0, NOON)
    served.clock.advance(hours=1)
    assert served.ask(END_TOP_UP, {"id": told["id"]})["endTopUp"] == ended
    assert listed(served, TOP_UPS) == [ended]
    assert budget(served) == 10


def test_a_top_up_is_given_to_whom_has_no_package(served: Served) -> None:
    """A user without a subscription may use what they were given, and no more."""
    top_up(served, 2, userId="bob", startsAt=NOON)
    assert record(served, 2, userId="bob")["recorded"] is True
    refused = record(served, 1, userId="bob")
    assert (refused["outcome"], refused["consumption"]["budget"]) == ("LIMIT_EXCEEDED", 2)


@pytest.mark.parametrize(("amount", "expected"), [(MOST, MOST), (str(MOST), MOST), (5.0, 5), ("5", 5)])
def test_amounts_are_whole_numbers_of_53_bits(served: Served, amount: object, expected: int) -> None:
    """On both inputs; what is beyond all that may be counted is counted as far as that."""
    assert top_up(served, amount)["amount"] == expected
    assert override(served, limit=amount)["limit"] == expected
    assert budget(served) == min(MOST, 2 * expected)


@pytest.mark.parametrize("amount", [MOST + 1, 1.5, True, "five", None, -1, [1, 2], 0])
def test_what_is_no_amount_gives_nothing(shared: Served, amount: object) -> None:
    """The error names the field; a limit may be 0, and null, which is unlimited."""
    before = state(shared)
    refused = [shared.error(CREATE_TOP_UP, {"input": {**GIVEN, "amount": amount}})]
    if amount not in (None, 0):
        refused.append(shared.error(SET_OVERRIDE, {"input": {**GIVEN, "limit": amount}}))
    for error, field in zip(refused, ("amount", "limit"), strict=False):
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
        assert field in error["message"]
    assert (state(shared), listed(shared, TOP_UPS), listed(shared, OVERRIDES)) == (before, [], [])


def test_a_key_gives_once(served: Served) -> None:
    """The first answer again, however late; with other content it is refused by name, and nothing is given."""
    first = top_up(served, idempotencyKey="k")
    served.clock.advance(days=400)
    assert top_up(served, idempotencyKey="k") == first
    error = served.error(CREATE_TOP_UP, {"input": {**GIVEN, "amount": 6, "idempotencyKey": "k"}})
    assert name_of(error) == ("IDEMPOTENCY_KEY_REUSED", "IdempotencyKeyReusedError")
    assert len(listed(served, TOP_UPS)) == 1


def test_an_override_tells_all_of_itself(served: Served) -> None:
    """The reset period of the package stays where none is named; null never resets; what is used counts on."""
    record(served, 4)
    given = override(served, limit=20, overageEnabled=True, endsAt=LATER)
    assert {name: value for name, value in given.items() if name not in ("id", "givenBy")} == {
        **GIVEN, "limit": 20, "resetPeriod": "MONTH", "overageEnabled": True, "denied": False, "startsAt": NOON,
        "endsAt": LATER, "createdAt": NOON,
    }  # fmt: skip
    assert check(served)["consumption"] == {"used": 4, "budget": 20, "overageEnabled": True}
    served.clock.advance(days=1)
    second = override(served, limit=None, resetPeriod=None)
    assert (second["limit"], second["resetPeriod"]) == (None, None)
    first_ended, same = listed(served, OVERRIDES)
    assert (first_ended["endsAt"], same) == (EVE, second)
    ended = served.ask(END_OVERRIDE, {"id": second["id"]})["endOverride"]
    assert (ended["endsAt"], budget(served)) == (EVE, 10)


def test_a_limit_is_never_forgotten(served: Served) -> None:
    """Without a limit nobody becomes unlimited by mistake; a denial and a BINARY feature need none."""
    error = served.error(SET_OVERRIDE, {"input": GIVEN})
    assert error["message"] == (
        "limit must be given for 'message', which is CONSUMABLE: a number of units, or null for unlimited,"
        " unless denied is true"
    )
    assert listed(served, OVERRIDES) == []
    assert override(served, denied=True)["denied"] is True
    assert check(served)["outcome"] == "DENIED"
    override(served, featureId="support", denied=True)
    assert check(served, "support")["outcome"] == "DENIED"
    override(served, featureId="support", userId="bob")
    assert check(served, "support", "bob")["access"] is True


@pytest.mark.parametrize(
    ("query", "given", "name", "message"),
    [
        (CREATE_TOP_UP, {"userId": "nobody"}, "UserNotFoundError", "User not found: 'nobody'"),
        (SET_OVERRIDE, {"userId": "nobody"}, "UserNotFoundError", "User not found: 'nobody'"),
        (CREATE_TOP_UP, {"featureId": "x"}, "FeatureNotFoundError", "Feature not found: 'x'"),
        (SET_OVERRIDE, {"featureId": "x"}, "FeatureNotFoundError", "Feature not found: 'x'"),
        (CREATE_TOP_UP, {"userId": ""}, "InvalidValueError", "userId must be"),
        (SET_OVERRIDE, {"featureId": "a\0b"}, "InvalidValueError", "featureId must"),
        (CREATE_TOP_UP, {"reason": " "}, "InvalidValueError", "reason must be 1 to 500 characters and not blank"),
        (SET_OVERRIDE, {"reason": "x" * 501}, "InvalidValueError", "reason must be 1 to 500 characters"),
        (CREATE_TOP_UP, {"reason": "a\0b"}, "InvalidValueError", "reason must not contain NUL"),
        (CREATE_TOP_UP, {"featureId": "support"}, "InvalidValueError", "featureId must name a CONSUMABLE feature"),
        (SET_OVERRIDE, {"featureId": "support"}, "InvalidValueError", "limit is for CONSUMABLE features"),
        (SET_OVERRIDE, {"denied": True}, "InvalidValueError", "denied must not be true together with a limit"),
        (CREATE_TOP_UP, {"expiresAt": NOON}, "InvalidValueError", "expiresAt must be after"),
        (SET_OVERRIDE, {"endsAt": NOON}, "InvalidValueError", "endsAt must be after"),
        (CREATE_TOP_UP, {"idempotencyKey": "a b"}, "InvalidValueError", "idempotencyKey must be"),
    ],
)
def test_each_mistake_is_named_and_gives_nothing(
    shared: Served, query: str, given: dict[str, object], name: str, message: str
) -> None:
    """With the field, the value and what is allowed."""
    before = state(shared)
    amount = {"amount": 5} if query == CREATE_TOP_UP else {"limit": 5}
    error = shared.error(query, {"input": {**GIVEN, **amount, **given}})
    assert (name_of(error), error["message"][: len(message)]) == (("BAD_USER_INPUT", name), message)
    assert (state(shared), listed(shared, TOP_UPS), listed(shared, OVERRIDES)) == (before, [], [])


@pytest.mark.parametrize("number", ["1", "x", "", "-1"])
@pytest.mark.parametrize(("query", "noun"), [(END_TOP_UP, "Top-up"), (END_OVERRIDE, "Override")])
def test_what_is_not_there_cannot_be_ended(shared: Served, query: str, noun: str, number: str) -> None:
    """Whatever the id looks like."""
    error = shared.error(query, {"id": number})
    assert (name_of(error)[1], error["message"]) == ("GivenNotFoundError", f"{noun} not found: '{number}'")


def test_lists_are_paged_and_bounded(served: Served) -> None:
    """The oldest first, from the one after an id; the other kind is not among them, and the user must exist."""
    ids = [top_up(served)["id"] for _ in range(3)]
    other = override(served, limit=1)["id"]
    assert [row["id"] for row in listed(served, TOP_UPS, first=2, after=ids[0])] == ids[1:]
    assert [row["id"] for row in listed(served, OVERRIDES, first=1)] == [other]
    for query in (TOP_UPS, OVERRIDES):
        assert served.error(query, {"userId": "ada", "first": 10_001})["message"].startswith("first must be 1 to")
        assert name_of(served.error(query, {"userId": "ada", "after": "x"}))[1] == "GivenNotFoundError"
        assert name_of(served.error(query, {"userId": "nobody"}))[1] == "UserNotFoundError"


def test_what_was_given_goes_with_a_renamed_user(served: Served) -> None:
    """It is ended by its id alone, whatever the user is called now."""
    given, stands = top_up(served), override(served, limit=1)
    served.ask(UPDATE_USER, {"id": "ada", "input": {"id": "ada2"}})
    assert served.ask(END_TOP_UP, {"id": given["id"]})["endTopUp"]["userId"] == "ada2"
    assert served.ask(END_OVERRIDE, {"id": stands["id"]})["endOverride"]["userId"] == "ada2"


def test_who_gave_what_is_in_the_log(served: Served) -> None:
    """A line for each that was given and ended, with the reason, by the key; a refused one has none."""
    given = top_up(served)
    override(served, limit=20)
    served.ask(END_TOP_UP, {"id": given["id"]})
    served.error(CREATE_TOP_UP, {"input": {**GIVEN, "amount": 0}})
    log = '{ adminLog(subject: "ada") { actorKind actorName action subjectKind after } }'
    lines = served.ask(log)["adminLog"]
    assert [(line["action"], line["subjectKind"]) for line in lines] == [
        ("updated", "top-up"), ("created", "override"), ("created", "top-up"),
    ]  # fmt: skip
    assert {(line["actorKind"], line["actorName"], line["after"]["reason"]) for line in lines} == {
        ("key", given["givenBy"], "asked")
    }


def test_an_addon_of_500_more_messages_gives_500_more(served: Served) -> None:
    """The documented example: its limit is added to the package's 10, and every one of the 510 can be used."""
    entitlement = {"limit": 500, "resetPeriod": "MONTH", "combine": "ADD"}
    more = {"id": "more", "isAddon": True, "features": [{"id": "message", "entitlement": entitlement}]}
    served.ask(CREATE_PACKAGE, {"input": more})
    served.ask(PUBLISH, {"id": "more"})
    assert budget(served) == 10
    served.ask(SUBSCRIBE, {"userId": "ada", "packageIds": ["more"]})
    assert budget(served) == 510
    answers = [record(served, delta) for delta in (9, 501, 1)]
    assert [answer["recorded"] for answer in answers] == [True, True, False]
    assert answers[2]["consumption"] == {"used": 510, "budget": 510, "overageEnabled": False}
