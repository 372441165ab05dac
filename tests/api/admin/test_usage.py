"""Usage over HTTP: check, record, give back, show; every refusal is an answer that counts nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from kana.model.environment import Environment
from kana.model.key import KeyKind
from tests.api.admin.calls import (
    CHANGE,
    CHECK,
    CHECK_MANY,
    RECORD,
    SHOW,
    SUBSCRIBE,
    furnish,
    name_of,
    record,
)
from tests.support.ledger import entries_of
from tests.support.serving import Served
from tests.support.world import a_usage

NO_SUBSCRIPTION = "The user has no active subscription to a package with this feature."
ALLOWED = (
    "The user has a subcription to a package with this consumable feature"
    " and either has an allowance remaining or overage is enabled."
)
BINARY = "The user has a subscription to a package with this binary feature."


def check(served: Served, user_id: str = "ada", feature_id: str = "message", **given: Any) -> dict[str, Any]:
    data = served.ask(CHECK, {"userId": user_id, "featureId": feature_id, **given})
    return dict(data["canUseFeature"])


def used(served: Served, user_id: str = "ada") -> int:
    current = served.ask(SHOW, {"userId": user_id, "featureId": "message"})["showUsage"]["current"]
    return int(current["consumption"]["used"])


def entries(served: Served, user_id: str = "ada") -> list[Any]:
    return served.run(entries_of(served.store, user_id))


def of_ten(units: int, *, overage: bool = False) -> dict[str, Any]:
    return {"used": units, "budget": 10, "overageEnabled": overage}


def test_recording_counts_and_answers_what_is_used(served: Served) -> None:
    """One unit unless another delta is given; the answer says what is used after it."""
    answer = served.ask(RECORD, {"input": {"userId": "ada", "featureId": "message"}})["recordUsage"]
    assert answer.pop("id").isdigit()
    assert answer == {
        "recorded": True,
        "reason": None,
        "outcome": "RECORDED",
        "duplicate": False,
        "consumption": of_ten(1),
    }
    assert record(served, 9)["consumption"] == of_ten(10)
    assert check(served) == {
        "access": False,
        "reason": "The limit of 10 is reached for this period: 10 used, 1 more would exceed it,"
        " and overage is not enabled.",
        "outcome": "LIMIT_EXCEEDED",
        "consumption": of_ten(10),
    }


def test_null_means_the_default(served: Served) -> None:
    """An explicit null is as good as leaving a field out, but for the amount: JavaScript writes NaN so."""
    nulls = {"userId": "ada", "featureId": "message", "action": None, "idempotencyKey": None}
    answer = served.ask(RECORD, {"input": {**nulls, "timestamp": None, "metadata": None}})["recordUsage"]
    assert answer["consumption"] == of_ten(1)
    for document, variables in (
        (RECORD, {"input": {**nulls, "delta": None}}),
        (CHECK, {"userId": "ada", "featureId": "message", "delta": None}),
        (CHECK_MANY, {"userIds": ["ada"], "featureIds": ["message"], "delta": None}),
    ):
        assert served.error(document, variables)["message"].startswith("delta must be a whole number")
    assert used(served) == 1


@pytest.mark.parametrize(
    ("before", "given", "reason", "after"),
    [
        (8, {"delta": 3}, "The limit of 10 is reached for this period: 8 used, 3 more would exceed it,", 8),
        (8, {"delta": -9}, "Only 8 used in this period: 9 cannot be given back.", 8),
        (8, {"delta": 11, "action": "SET"}, "The limit of 10 is reached for this period: 8 used, 3 more", 8),
    ],
)
def test_a_refusal_counts_nothing_and_is_kept(
    served: Served, before: int, given: dict[str, Any], reason: str, after: int
) -> None:
    """Never a part of it; who was refused what, and why, stays in the ledger."""
    record(served, before)
    answer = record(served, **given)
    assert answer["recorded"] is False
    assert answer["reason"].startswith(reason)
    assert answer["consumption"] == of_ten(after)
    assert used(served) == after
    refused, counted = entries(served)
    assert (refused.delta, refused.change, refused.reason) == (given["delta"], 0, answer["reason"])
    assert counted.change == before


@pytest.mark.parametrize(
    ("given", "after"),
    [({"delta": 10, "action": "SET"}, 10), ({"delta": 0, "action": "SET"}, 0), ({"delta": -8}, 0), ({"delta": 2}, 10)],
)
def test_what_fits_is_counted(served: Served, given: dict[str, Any], after: int) -> None:
    """SET makes the total what it says, a negative ADD gives back, and the limit itself is allowed."""
    record(served, 8)
    assert record(served, **given)["consumption"] == of_ten(after)
    assert used(served) == after


def test_overage_passes_the_limit(served: Served) -> None:
    """With overage enabled nothing is refused, by ADD or by SET."""
    assert record(served, 25, userId="eve")["consumption"] == of_ten(25, overage=True)
    assert record(served, 40, userId="eve", action="SET")["consumption"] == of_ten(40, overage=True)
    assert check(served, "eve", delta=100) == {
        "access": True,
        "reason": ALLOWED,
        "outcome": "RECORDED",
        "consumption": of_ten(40, overage=True),
    }


def test_a_total_leaves_32_bits_and_ends_at_2_to_the_53(served: Served) -> None:
    """Counters are 64 bit; beyond what JSON carries everywhere a usage is refused in words."""
    served.ask(SUBSCRIBE, {"userId": "bob", "packageIds": ["endless"]})
    for count in (1, 2, 3):
        total = record(served, 2_147_483_647, userId="bob")["consumption"]
        assert total == {"used": 2_147_483_647 * count, "budget": None, "overageEnabled": False}
    entitled = served.run(served.engine.usage.record(a_usage(2**53 - 1 - 3 * 2_147_483_647, user_id="bob")))
    assert entitled.entry.recorded
    assert used(served, "bob") == 2**53 - 1
    answer = record(served, 1, userId="bob")
    assert (answer["recorded"], answer["reason"]) == (
        False,
        "The total would pass 9007199254740991: 9007199254740991 used, 1 more.",
    )
    assert used(served, "bob") == 2**53 - 1


def test_binary_features_are_recorded_while_there_is_access(served: Served) -> None:
    """For insight into adoption: without consumption, and refused without access."""
    assert check(served, feature_id="support") == {
        "access": True,
        "reason": BINARY,
        "outcome": "RECORDED",
        "consumption": None,
    }
    answer = record(served, 3, featureId="support")
    assert (answer["recorded"], answer["reason"], answer["consumption"]) == (True, None, None)
    refused = record(served, 1, featureId="support", userId="eve")
    assert (refused["recorded"], refused["reason"], refused["consumption"]) == (False, NO_SUBSCRIPTION, None)
    shown = served.ask(SHOW, {"userId": "ada", "featureId": "support"})["showUsage"]
    assert shown == {"current": None, "past": []}


def test_without_a_subscription_the_answer_is_no(served: Served) -> None:
    """Neither check nor record nor show is an error for a user who holds nothing."""
    refusal = {"access": False, "reason": NO_SUBSCRIPTION, "outcome": "NO_SUBSCRIPTION", "consumption": None}
    assert check(served, "bob") == refusal
    answer = record(served, userId="bob")
    assert (answer["recorded"], answer["reason"], answer["consumption"]) == (False, NO_SUBSCRIPTION, None)
    assert served.ask(SHOW, {"userId": "bob", "featureId": "message"})["showUsage"] == {"current": None, "past": []}


def test_checking_many_is_checking_each(served: Served) -> None:
    """Rows in the order of the users, lists in the order of the features, with what each check alone answers."""
    record(served, 10)
    record(served, 12, userId="eve")
    user_ids, feature_ids = ["eve", "bob", "ada"], ["support", "message"]
    rows = served.ask(CHECK_MANY, {"userIds": user_ids, "featureIds": feature_ids, "delta": 2})["canUseFeatures"]
    assert [row["userId"] for row in rows] == user_ids
    for row in rows:
        singles = [check(served, row["userId"], feature_id, delta=2) for feature_id in feature_ids]
        consumptions = [single["consumption"] or {} for single in singles]
        assert row == {
            "userId": row["userId"],
            "access": [single["access"] for single in singles],
            "reason": [single["reason"] for single in singles],
            "outcome": [single["outcome"] for single in singles],
            "used": [each.get("used") for each in consumptions],
            "budget": [each.get("budget") for each in consumptions],
            "overageEnabled": [each.get("overageEnabled") for each in consumptions],
        }


@pytest.mark.parametrize(
    ("given", "name", "message"),
    [
        ({"userIds": ["ada", "x"]}, "UserNotFoundError", "User not found: 'x'"),
        ({"featureIds": ["x"]}, "FeatureNotFoundError", "Feature not found: 'x'"),
        ({"userIds": []}, "InvalidValueError", "userIds must contain 1 to 100 ids, got 0"),
        (
            {"featureIds": ["message", "message"]},
            "InvalidValueError",
            "featureIds must name each id once, got 'message' more than once",
        ),
        ({"delta": 0}, "InvalidValueError", "delta must be 1 to 9007199254740991 in a check, got 0"),
        (
            {"userIds": [str(i) for i in range(101)]},
            "QueryTooComplexError",
            "items of $userIds is 101, at most 100 allowed",
        ),
    ],
)
def test_mistakes_in_checking_many(shared: Served, given: dict[str, Any], name: str, message: str) -> None:
    """One unknown id is an error and never a no."""
    error = shared.error(CHECK_MANY, {"userIds": ["ada"], "featureIds": ["message"], **given})
    assert (name_of(error)[1], error["message"]) == (name, message)


def test_periods_follow_the_subscription(served: Served) -> None:
    """Anchored at its start; the newest finished one first, unused ones as zero; as many as are asked for."""
    record(served, 4)
    served.clock.advance(days=85)
    record(served, 1)
    shown = served.ask(SHOW, {"userId": "ada", "featureId": "message"})["showUsage"]
    assert shown["current"] == {
        "periodStart": "2026-05-10T12:00:00.000Z",
        "periodEnd": "2026-06-10T12:00:00.000Z",
        "consumption": of_ten(1),
    }
    assert [(period["periodStart"][:10], period["consumption"]["used"]) for period in shown["past"]] == [
        ("2026-04-10", 0),
        ("2026-03-10", 4),
    ]
    one = served.ask(SHOW, {"userId": "ada", "featureId": "message", "past": 1})["showUsage"]["past"]
    assert one == shown["past"][:1]
    assert served.ask(SHOW, {"userId": "ada", "featureId": "message", "past": 0})["showUsage"]["past"] == []


def test_a_period_without_an_end_says_so(served: Served) -> None:
    """A feature without an entitlement never resets: the end of its period is null."""
    served.ask(CHANGE, {"userId": "ada", "packageId": "endless"})
    record(served, 5)
    served.clock.advance(days=4000)
    assert served.ask(SHOW, {"userId": "ada", "featureId": "message"})["showUsage"]["current"] == {
        "periodStart": "2026-03-10T12:00:00.000Z",
        "periodEnd": None,
        "consumption": {"used": 5, "budget": None, "overageEnabled": False},
    }


def test_a_subscription_on_the_31st_keeps_its_anchor(served: Served) -> None:
    """January 31st, February 28th, March 31st: the end of a month is never carried on."""
    served.clock.advance(days=-38)
    served.ask(SUBSCRIBE, {"userId": "bob", "packageIds": ["basic"]})
    served.clock.advance(days=80)
    shown = served.ask(SHOW, {"userId": "bob", "featureId": "message"})["showUsage"]
    starts = [period["periodStart"] for period in (shown["current"], *shown["past"])]
    assert starts == ["2026-03-31T12:00:00.000Z", "2026-02-28T12:00:00.000Z", "2026-01-31T12:00:00.000Z"]


def test_late_usage_belongs_to_its_own_period(served: Served) -> None:
    """A timestamp decides the period, at its boundaries too, and the limit of that period."""
    served.clock.advance(days=40)
    boundary = "2026-04-10T12:00:00Z"
    assert record(served, 10, timestamp="2026-04-10T13:59:59.999+02:00")["consumption"] == of_ten(10)
    assert record(served, 1, timestamp="2026-04-10T11:59:59.999Z")["recorded"] is False
    assert record(served, 2, timestamp=boundary)["consumption"] == of_ten(2)
    assert record(served, 1, timestamp="2026-04-19T12:05:00Z")["consumption"] == of_ten(3)
    shown = served.ask(SHOW, {"userId": "ada", "featureId": "message"})["showUsage"]
    assert [period["consumption"]["used"] for period in (shown["current"], *shown["past"])] == [3, 10]


def test_a_clock_that_goes_back_resets_nothing_twice(served: Served) -> None:
    """What was counted before the clock went back still counts in its period."""
    served.clock.advance(days=31)
    record(served, 7)
    served.clock.advance(days=-1)
    assert record(served, 1)["consumption"] == of_ten(1)
    served.clock.advance(days=1)
    assert record(served, 1)["consumption"] == of_ten(8)


def test_the_same_key_gets_the_first_answer_again(served: Served) -> None:
    """Word for word, whatever was used since, a month later too; only ``duplicate`` differs."""
    first = record(served, 4, idempotencyKey="k1", metadata={"a": 1}, timestamp="2026-03-10T12:00:00Z")
    record(served, 5)
    served.clock.advance(days=40)
    again = record(served, 4, idempotencyKey="k1", metadata={"a": 1}, timestamp="2026-03-10T13:00:00+01:00")
    assert again == {**first, "duplicate": True}
    assert len(entries(served)) == 2


def test_the_key_of_a_refusal_stays_refused(served: Served) -> None:
    """Also when there is room later: the first answer stands."""
    record(served, 10)
    refused = record(served, 1, idempotencyKey="k1")
    record(served, -5)
    assert record(served, 1, idempotencyKey="k1") == {**refused, "duplicate": True}
    assert refused["recorded"] is False
    assert used(served) == 5


@pytest.mark.parametrize(
    ("changed", "differing"),
    [
        ({"delta": 2}, "delta"),
        ({"featureId": "support"}, "featureId"),
        ({"action": "SET"}, "action"),
        ({"metadata": {"a": 2}}, "metadata"),
        ({"timestamp": "2026-03-10T12:00:00Z"}, "timestamp"),
        ({"delta": 2, "action": "SET"}, "delta, action"),
    ],
)
def test_the_same_key_with_other_content_is_refused(served: Served, changed: dict[str, Any], differing: str) -> None:
    """The error names what differs, and nothing is recorded."""
    given = {"userId": "ada", "featureId": "message", "delta": 1, "idempotencyKey": "k1", "metadata": {"a": 1}}
    served.ask(RECORD, {"input": given})
    error = served.error(RECORD, {"input": {**given, **changed}})
    assert name_of(error) == ("IDEMPOTENCY_KEY_REUSED", "IdempotencyKeyReusedError")
    assert f"other content: {differing} differ; nothing was recorded" in error["message"]
    assert len(entries(served)) == 1


def test_a_key_belongs_to_one_user_of_one_environment(served: Served) -> None:
    """The same key of another user, or in the other environment, is another key."""
    live = served.keys[Environment.LIVE][KeyKind.PRIVATE]
    furnish(served, Environment.LIVE)
    answers = [
        record(served, 1, idempotencyKey="k1"),
        record(served, 2, idempotencyKey="k1", userId="eve"),
        record(served, 3, idempotencyKey="k1", key=live),
    ]
    assert [(answer["duplicate"], answer["consumption"]["used"]) for answer in answers] == [
        (False, 1), (False, 2), (False, 3),
    ]  # fmt: skip
    assert used(served) == 1


def test_a_call_that_fails_binds_no_key(served: Served) -> None:
    """The key of a call that was wrong is free for the call that is right."""
    error = served.error(RECORD, {"input": {"userId": "ada", "featureId": "x", "idempotencyKey": "k1"}})
    assert name_of(error)[1] == "FeatureNotFoundError"
    served.error(RECORD, {"input": {"userId": "ada", "featureId": "message", "delta": 0, "idempotencyKey": "k1"}})
    assert record(served, 1, idempotencyKey="k1")["duplicate"] is False


def test_thirty_two_at_once_with_one_key_count_once(served: Served) -> None:
    """One is the original, all others get its answer."""
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda _: record(served, 2, idempotencyKey="k1"), range(32)))
    assert sorted(answer.pop("duplicate") for answer in answers) == [False] + [True] * 31
    assert all(answer == answers[0] for answer in answers)
    assert len(entries(served)) == 1
    assert used(served) == 2


def test_the_same_key_twice_in_one_document_counts_once(served: Served) -> None:
    """The mutations of a document run in order; the second is a duplicate of the first."""
    one = 'recordUsage(input: {userId: "ada", featureId: "message", idempotencyKey: "k1"}) { recorded duplicate }'
    data = served.ask(f"mutation {{ first: {one} second: {one} }}")
    assert data == {
        "first": {"recorded": True, "duplicate": False},
        "second": {"recorded": True, "duplicate": True},
    }
    assert used(served) == 1
