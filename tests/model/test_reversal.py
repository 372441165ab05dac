"""Reversing one entry: exactly where it was posted, and only what counts."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from kana.errors import InvalidValue
from kana.model.entitlement import Outcome
from kana.model.grant import CounterKey, Posting
from kana.model.line import DecisionLine
from kana.model.reversal import Reversal, check_reversible, reverse
from kana.model.text import UNITS_MAX, key_digest
from kana.model.usage import Action, Entry
from tests.support.world import MONTH, NOON, TEST, an_entry

FREE, EXTRA = CounterKey(7, 1, "message", MONTH, NOON), CounterKey(7, 2, "message", MONTH, NOON)
LATER = NOON + timedelta(days=40)
REVERSAL = Reversal(environment=TEST, user_id="ada", entry_id=5, reason="wrong order", by="eve")
SPLIT = (Posting(FREE, 3), Posting(EXTRA, 4))


def undone(entry: Entry, used: dict[CounterKey, int]) -> Entry:
    check_reversible(entry)
    return reverse(REVERSAL, entry, used, entry_id=9, now=LATER)


def test_a_reversal_moves_the_same_counter_the_other_way() -> None:
    """When the other happened; it says which entry it undoes, by whom and why."""
    entry = an_entry(5, change=3, counter=FREE)
    found = undone(entry, {FREE: 4})
    assert (found.id, found.reverses, found.delta, found.change, found.action) == (9, 5, -3, -3, Action.ADD)
    assert found.postings == (Posting(FREE, -3),)
    assert (found.occurred_at, found.timestamp, found.recorded_at) == (NOON, NOON, LATER)
    assert (found.metadata, found.consumption) == ({"reason": "wrong order", "by": "eve"}, None)
    assert (found.outcome, found.reason) == (Outcome.RECORDED, None)


@pytest.mark.parametrize(
    ("cost_of", "expected"), [("image", DecisionLine(decision_id=9, size=1, cost_of="image")), (None, None)]
)
def test_what_a_feature_cost_is_given_back_for_the_same_feature(
    cost_of: str | None, expected: DecisionLine | None
) -> None:
    """So that it is no longer spent on it; of other lines of a decision nothing is kept."""
    line = DecisionLine(decision_id=4, size=2, cost_of=cost_of)
    entry = replace(an_entry(5, change=3, counter=FREE), line=line)
    assert undone(entry, {FREE: 4}).line == expected


def test_all_counters_are_moved_back() -> None:
    """Of an entry that moved several, each by as much."""
    found = undone(an_entry(5, change=7, counter=FREE, split=SPLIT), {FREE: 3, EXTRA: 10})
    assert found.postings == (Posting(FREE, -3), Posting(EXTRA, -4))


def test_what_was_given_back_is_used_again() -> None:
    """Whatever the limits are: it is as if it had never been given back."""
    assert undone(an_entry(5, change=-3, counter=FREE), {FREE: 0}).change == 3


@pytest.mark.parametrize(
    ("entry", "used", "outcome", "reason"),
    [
        (
            an_entry(5, change=3, counter=FREE),
            {FREE: 2},
            Outcome.BELOW_ZERO,
            "Of 3 units only 2 can be taken back: the rest is no longer used there.",
        ),
        (
            an_entry(5, change=7, counter=FREE, split=SPLIT),
            {FREE: 3, EXTRA: 0},
            Outcome.BELOW_ZERO,
            "Of 4 units only 0 can be taken back: the rest is no longer used there.",
        ),
        (
            an_entry(5, change=-3, counter=FREE),
            {FREE: UNITS_MAX - 2},
            Outcome.TOTAL_TOO_LARGE,
            "The total would pass 9007199254740991: 9007199254740989 used, 3 more.",
        ),
    ],
)
def test_what_is_no_longer_there_is_refused(
    entry: Entry, used: dict[CounterKey, int], outcome: Outcome, reason: str
) -> None:
    """All of it or nothing; it may be tried again later, so the refusal has no key."""
    found = undone(entry, used)
    assert (found.outcome, found.reason, found.change, found.postings, found.key) == (outcome, reason, 0, (), None)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (replace(an_entry(5, change=1, counter=FREE), reverses=4), "entryId must not name a reversal; 5 reverses 4"),
        (an_entry(5, change=0, counter=FREE), "entryId must name an entry that counts; 5 moved nothing"),
        (
            replace(an_entry(5, change=0, counter=FREE), outcome=Outcome.LIMIT_EXCEEDED),
            "entryId must name an entry that counts; 5 moved nothing",
        ),
    ],
)
def test_what_cannot_be_reversed(entry: Entry, message: str) -> None:
    """A reversal, and what moved nothing."""
    with pytest.raises(InvalidValue) as raised:
        undone(entry, {})
    assert (raised.value.message, raised.value.field) == (message, "entryId")


@pytest.mark.parametrize("reason", ["", " ", "x" * 501])
def test_a_reason_is_needed(reason: str) -> None:
    """Of 1 to 500 characters."""
    with pytest.raises(InvalidValue, match=r"^reason must be 1 to 500 characters and not blank, got "):
        replace(REVERSAL, reason=reason)


def test_no_caller_can_send_its_key() -> None:
    """It contains blanks, which keys must not: each entry is reversed once, whoever asks."""
    assert replace(REVERSAL, reason="another", by="bob").key_digest == REVERSAL.key_digest
    assert replace(REVERSAL, entry_id=6).key_digest != REVERSAL.key_digest
    assert REVERSAL.key_digest == key_digest("reversal of 5")
