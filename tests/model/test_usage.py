"""Usage: what is let in, and the one rule that decides."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kana.errors import InvalidValue
from kana.model.allowance import Allowance
from kana.model.counting import Origin
from kana.model.entitlement import Consumption, Entitlement, Outcome, Standing
from kana.model.grant import CounterKey, Posting
from kana.model.subscription import SubscriptionStatus
from kana.model.text import UNITS_MAX, key_digest
from kana.model.usage import Action, Entry, Usage, check_time, entry_for
from tests.support.world import (
    MILLISECOND,
    MONTH,
    NOON,
    ONE_DAY,
    TEST,
    a_feature,
    a_ref,
    a_subscription,
    a_usage,
    an_account,
    examples,
)

ADD, SET = Action.ADD, Action.SET
TEN = Allowance(limit=10, reset_period=MONTH)


def entitled(allowance: Allowance = TEN, *, binary: bool = False) -> Entitlement:
    return Entitlement(a_feature(binary=binary), a_subscription(), allowance)


def judged(usage: Usage, entitlement: Entitlement, *, used: int) -> tuple[Outcome, str | None, int]:
    """What the entry of a usage says: what became of it, why it was refused, and what the total moved by."""
    entry = entry_for(usage, a_ref(), standing(entitlement, used=used), entry_id=1, now=NOON)
    return entry.outcome, entry.reason, entry.change


def standing(entitlement: Entitlement | None = None, *, used: int = 0) -> Standing:
    entitlement = entitlement or entitled()
    return Standing(entitlement, entitlement.counter_at(NOON), used)


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"delta": 0}, "delta", "delta must not be 0 with ADD: there is nothing to record"),
        ({"delta": -1, "action": SET}, "delta", "delta must be 0 or more with SET, got -1"),
        ({"delta": UNITS_MAX + 1}, "delta", f"delta must be at most {UNITS_MAX} either way, got {UNITS_MAX + 1}"),
        ({"delta": -UNITS_MAX - 1}, "delta", f"delta must be at most {UNITS_MAX} either way, got {-UNITS_MAX - 1}"),
        (
            {"key": ""},
            "idempotencyKey",
            "idempotencyKey must be 1 to 255 printable ASCII characters without spaces, got ''",
        ),
        ({"metadata": "\0"}, "metadata", "metadata must not contain NUL or lone surrogates, got '\\x00'"),
    ],
)
def test_usage_that_says_nothing_sensible_is_refused(changes: dict[str, Any], field: str, message: str) -> None:
    """The message names the field and what is allowed."""
    with pytest.raises(InvalidValue) as raised:
        a_usage(**changes)
    assert (raised.value.field, raised.value.message) == (field, message)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"delta": -1},
        {"delta": 0, "action": SET},
        {"delta": UNITS_MAX},
        {"delta": -UNITS_MAX},
        {"key": "k", "metadata": {}},
    ],
)
def test_usage_that_is_let_in(changes: dict[str, Any]) -> None:
    """ADD either way, SET from 0 on, amounts to 2^53-1."""
    usage = a_usage(**changes)
    assert {name: getattr(usage, name) for name in changes} == changes


@pytest.mark.parametrize("ahead", [timedelta(minutes=5), timedelta(0), timedelta(days=-400)])
def test_timestamps_may_be_late_or_a_little_ahead(ahead: timedelta) -> None:
    """Clocks differ by up to five minutes; of somebody who never was subscribed any earlier time is let in."""
    check_time(NOON + ahead, an_account(), now=NOON)
    check_time(NOON + ahead, an_account(a_subscription(start=NOON - timedelta(days=400))), now=NOON)


def test_timestamps_too_far_ahead_are_refused() -> None:
    """A millisecond past five minutes names both times."""
    with pytest.raises(InvalidValue) as raised:
        check_time(NOON + timedelta(minutes=5) + MILLISECOND, an_account(), now=NOON)
    assert raised.value.message == (
        "timestamp must be at most 5 minutes ahead of 2026-03-10T12:00:00+00:00, got 2026-03-10T12:05:00.001000+00:00"
    )


def test_timestamps_before_anything_was_subscribed_to_are_refused() -> None:
    """Five minutes before the first subscription, ended or not, are its start; a millisecond more says since when."""
    first = a_subscription(1, start=NOON, ends_at=NOON + ONE_DAY, status=SubscriptionStatus.CANCELLED)
    account = an_account(first, a_subscription(2, start=NOON + 9 * ONE_DAY))
    check_time(NOON - timedelta(minutes=5), account, now=NOON)
    with pytest.raises(InvalidValue) as raised:
        check_time(NOON - timedelta(minutes=5) - MILLISECOND, account, now=NOON)
    assert raised.value.message == (
        "timestamp must not be before 2026-03-10T12:00:00+00:00, since when the user has been subscribed,"
        " got 2026-03-10T11:54:59.999000+00:00"
    )


def test_a_start_that_is_to_come_does_not_make_a_timestamp_too_early() -> None:
    """Who has only a scheduled subscription is refused for having none yet."""
    account = an_account(a_subscription(start=NOON + ONE_DAY, scheduled=True))
    check_time(NOON - ONE_DAY, account, now=NOON)
    with pytest.raises(InvalidValue, match="timestamp must not be before"):
        check_time(NOON - ONE_DAY, account, now=NOON + ONE_DAY)


def test_a_usage_is_never_recorded_before_its_subscription_began() -> None:
    """Where another machine's clock was ahead when it subscribed the user, that moment is when it is recorded."""
    for now in (NOON - timedelta(seconds=2), NOON, NOON + timedelta(seconds=2)):
        entry = entry_for(a_usage(), a_ref(), standing(used=0), entry_id=1, now=now)
        assert (entry.recorded_at, entry.occurred_at) == (max(now, NOON), max(now, NOON))


@pytest.mark.parametrize(("delta", "posted"), [(3, 3), (11, None)])
def test_an_entry_names_the_subscription_and_what_it_moves(delta: int, posted: int | None) -> None:
    """Where one goes on with another one's counters: its own id, and the other one's counter."""
    place = standing(Entitlement(a_feature(), a_subscription(9, origin=Origin(4, NOON - ONE_DAY)), TEN))
    entry = entry_for(a_usage(delta), a_ref(), place, entry_id=1, now=NOON)
    counter = CounterKey(7, 4, "message", MONTH, NOON - ONE_DAY)
    assert place.counter == counter
    assert entry.counter == counter._replace(source_id=9)
    assert entry.postings == (() if posted is None else (Posting(counter, posted),))


def test_what_was_carried_over_is_named_so() -> None:
    """With the sign of its counter."""
    counter = CounterKey(7, -4, "message", MONTH, NOON)
    assert counter.told_of(9) == counter._replace(source_id=-9)
    assert counter.told_of(4) is counter


FREE = Allowance()
OVERAGE = Allowance(limit=10, overage_enabled=True)


@pytest.mark.parametrize(
    ("allowance", "used", "action", "delta", "outcome", "change"),
    [
        (TEN, 0, ADD, 1, Outcome.RECORDED, 1),
        (TEN, 9, ADD, 1, Outcome.RECORDED, 1),
        (TEN, 9, ADD, 2, Outcome.LIMIT_EXCEEDED, 0),
        (TEN, 10, ADD, 1, Outcome.LIMIT_EXCEEDED, 0),
        (OVERAGE, 10, ADD, 1, Outcome.RECORDED, 1),
        (FREE, 10**9, ADD, 1, Outcome.RECORDED, 1),
        (TEN, 3, ADD, -3, Outcome.RECORDED, -3),
        (TEN, 3, ADD, -4, Outcome.BELOW_ZERO, 0),
        (FREE, 0, ADD, -1, Outcome.BELOW_ZERO, 0),
        (OVERAGE, 3, ADD, -4, Outcome.BELOW_ZERO, 0),
        (TEN, 20, ADD, -1, Outcome.RECORDED, -1),
        (TEN, 20, SET, 15, Outcome.RECORDED, -5),
        (TEN, 20, SET, 20, Outcome.RECORDED, 0),
        (TEN, 20, SET, 21, Outcome.LIMIT_EXCEEDED, 0),
        (TEN, 3, SET, 10, Outcome.RECORDED, 7),
        (TEN, 3, SET, 11, Outcome.LIMIT_EXCEEDED, 0),
        (OVERAGE, 3, SET, 11, Outcome.RECORDED, 8),
        (TEN, 3, SET, 0, Outcome.RECORDED, -3),
        (FREE, 0, ADD, UNITS_MAX, Outcome.RECORDED, UNITS_MAX),
        (FREE, 1, ADD, UNITS_MAX, Outcome.TOTAL_TOO_LARGE, 0),
        (OVERAGE, UNITS_MAX, ADD, 1, Outcome.TOTAL_TOO_LARGE, 0),
        (FREE, 1, SET, UNITS_MAX, Outcome.RECORDED, UNITS_MAX - 1),
    ],
)
def test_the_rule(allowance: Allowance, used: int, action: Action, delta: int, outcome: Outcome, change: int) -> None:
    """All of it or nothing of it: to the limit, not below zero, not past 2^53-1; corrections downward always fit."""
    found, reason, moved = judged(a_usage(delta, action=action), entitled(allowance), used=used)
    assert (found, moved) == (outcome, change)
    assert (reason is None) == (outcome is Outcome.RECORDED)


def test_refusals_say_why_in_numbers() -> None:
    """Each reason names what is used, what was asked for, and the bound that stands in the way."""
    reasons = [
        judged(a_usage(2), entitled(), used=9)[1],
        judged(a_usage(-4), entitled(), used=3)[1],
        judged(a_usage(5), entitled(FREE), used=UNITS_MAX)[1],
    ]
    assert reasons == [
        "The limit of 10 is reached for this period: 9 used, 2 more would exceed it, and overage is not enabled.",
        "Only 3 used in this period: 4 cannot be given back.",
        "The total would pass 9007199254740991: 9007199254740991 used, 5 more.",
    ]


amounts = st.integers(0, 30) | st.integers(UNITS_MAX - 30, UNITS_MAX)


@examples(500)
@given(
    used=amounts,
    delta=st.integers(1, 30) | st.integers(UNITS_MAX - 30, UNITS_MAX),
    limit=st.none() | amounts,
    overage=st.booleans(),
    binary=st.booleans(),
)
@example(used=UNITS_MAX, delta=1, limit=None, overage=False, binary=False)
@example(used=UNITS_MAX, delta=1, limit=None, overage=False, binary=True)
@example(used=UNITS_MAX - 1, delta=1, limit=None, overage=False, binary=False)
def test_a_check_says_what_a_record_would(
    used: int, delta: int, limit: int | None, overage: bool, binary: bool
) -> None:
    """The same outcome for the same amount on the same total, and of a refusal the same words and consumption."""
    allowance = Allowance() if binary else Allowance(limit=limit, overage_enabled=overage)
    entitlement = entitled(allowance, binary=binary)
    check = entitlement.decide(delta, used=used)
    entry = entry_for(a_usage(delta), a_ref(), standing(entitlement, used=used), entry_id=1, now=NOON)
    assert (check.outcome, check.access) == (entry.outcome, entry.recorded)
    assert check.consumption == entitlement.consumption(used)
    if not entry.recorded:
        assert (check.reason, check.consumption) == (entry.reason, entry.consumption)


@examples(500)
@given(
    used=amounts,
    delta=st.integers(-30, 30) | amounts,
    action=st.sampled_from(Action),
    limit=st.none() | amounts,
    overage=st.booleans(),
)
def test_no_total_leaves_its_bounds(used: int, delta: int, action: Action, limit: int | None, overage: bool) -> None:
    """Whatever is recorded leaves a total from 0 to 2^53-1, and grows past a hard limit never."""
    try:
        usage = a_usage(delta, action=action)
    except InvalidValue:
        return
    outcome, _, change = judged(usage, entitled(Allowance(limit=limit, overage_enabled=overage)), used=used)
    total = used + change
    assert 0 <= total <= UNITS_MAX
    if outcome is not Outcome.RECORDED:
        assert change == 0
    elif action is SET:
        assert total == delta
    else:
        assert change == delta
    if limit is not None and not overage:
        assert total <= max(limit, used)


@pytest.mark.parametrize(
    ("delta", "used", "overage", "in_grace"),
    [(10, 0, False, False), (11, 0, False, True), (1, 11, False, True), (1, 12, False, False), (-1, 12, False, False),
     (11, 0, True, False), (1, 10**6, True, False)],
)  # fmt: skip
def test_an_entry_in_grace_says_so(delta: int, used: int, *, overage: bool, in_grace: bool) -> None:
    """As the decision does, and by nothing but what is kept of it, so that a repeated key says it again."""
    allowance = replace(TEN, grace_percent=20, overage_enabled=overage)
    state = standing(entitled(allowance), used=used)
    entry = entry_for(a_usage(delta), a_ref(), state, entry_id=1, now=NOON)
    assert (entry.in_grace, state.decide(delta, moves=True).in_grace) == (in_grace, in_grace)


def test_an_entry_holds_all_that_a_store_writes() -> None:
    """What was said, what was decided, where it counts, and the answer."""
    usage = a_usage(4, key="k", metadata={"a": 1}, timestamp=NOON)
    now = NOON + timedelta(days=40)
    assert entry_for(usage, a_ref(), standing(used=5), entry_id=99, now=now) == Entry(
        id=99,
        environment=TEST,
        bucket=7,
        user_key=1,
        feature_id="message",
        action=ADD,
        delta=4,
        outcome=Outcome.RECORDED,
        reason=None,
        change=4,
        counter=CounterKey(7, 1, "message", MONTH, NOON),
        consumption=Consumption(9, 10, overage_enabled=False),
        key=key_digest("k"),
        timestamp=NOON,
        metadata={"a": 1},
        occurred_at=NOON,
        recorded_at=now,
    )


def test_a_refusal_is_an_entry_that_moves_nothing() -> None:
    """It shows what is used and names the total that it would have gone to."""
    entry = entry_for(a_usage(6), a_ref(), standing(used=5), entry_id=99, now=NOON)
    assert (entry.recorded, entry.outcome, entry.change) == (False, Outcome.LIMIT_EXCEEDED, 0)
    assert entry.consumption == Consumption(5, 10, overage_enabled=False)
    assert (entry.key, entry.occurred_at) == (None, NOON)


def test_without_a_subscription_there_is_no_total_and_no_consumption() -> None:
    """It is kept as a refusal that belongs to the user alone."""
    entry = entry_for(a_usage(), a_ref(), None, entry_id=99, now=NOON)
    assert (entry.recorded, entry.outcome, entry.counter, entry.consumption) == (
        False,
        Outcome.NO_SUBSCRIPTION,
        None,
        None,
    )
    assert entry.reason == "The user has no active subscription to a package with this feature."


def test_a_binary_feature_is_recorded_without_consumption() -> None:
    """Its use counts, for insight into adoption, and nobody is shown a budget."""
    entry = entry_for(a_usage(3), a_ref(), standing(entitled(FREE, binary=True), used=1), entry_id=99, now=NOON)
    assert (entry.recorded, entry.change, entry.consumption) == (True, 3, None)
    assert entry.counter is not None


@pytest.mark.parametrize(
    ("changes", "differing"),
    [
        ({}, []),
        ({"key": "other"}, []),
        ({"feature_id": "chat"}, ["featureId"]),
        ({"delta": 2}, ["delta"]),
        ({"action": SET}, ["action"]),
        ({"timestamp": NOON}, ["timestamp"]),
        ({"metadata": {"b": [2], "a": 1}}, []),
        ({"metadata": {"a": 1}}, ["metadata"]),
        ({"metadata": {"a": True, "b": [2]}}, ["metadata"]),
        ({"metadata": None}, ["metadata"]),
        (
            {"feature_id": "chat", "delta": 2, "action": SET, "timestamp": NOON, "metadata": None},
            ["featureId", "delta", "action", "timestamp", "metadata"],
        ),
    ],
)
def test_what_differs_from_an_earlier_usage_is_named(changes: dict[str, Any], differing: list[str]) -> None:
    """Content is feature, delta, action, timestamp and metadata; the order of a JSON object's names is not."""
    usage = a_usage(1, metadata={"a": 1, "b": [2]})
    entry = entry_for(usage, a_ref(), standing(used=0), entry_id=99, now=NOON)
    assert entry.differing_fields(replace(usage, **changes)) == differing


def test_now_does_not_make_a_retry_differ() -> None:
    """A usage without a timestamp equals itself however much later it is said again."""
    usage = Usage(environment=TEST, user_id="ada", feature_id="message")
    entry = entry_for(usage, a_ref(), standing(used=0), entry_id=99, now=datetime.fromisoformat("2026-03-11T00:00Z"))
    assert entry.differing_fields(usage) == []
