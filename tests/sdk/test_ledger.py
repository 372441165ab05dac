"""The ledger by both clients, against a real server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kana.errors import EntryNotFound, InvalidValue
from kana.sdk import Action, Consumption, Outcome, ResetPeriod
from tests.sdk.people import meter, value


async def test_a_ledger_is_searched_down_to_one_entry(either: Any, user: str) -> None:
    """Newest first, refusals included: all of it, a page of it, or what matches; an entry has all that was answered."""
    whose = {"user_id": user, "feature_id": meter(user)}
    late = datetime.now(UTC).replace(microsecond=0)
    first = await value(either.features.record_usage(**whose, delta=9, metadata={"a": 1}, timestamp=late))
    refused = await value(either.features.record_usage(**whose, delta=2))
    last = await value(either.features.record_usage(**whose, delta=4, action="SET"))

    found = await value(either.users.entries(user_id=user))
    assert [entry.id for entry in found] == [last.id, refused.id, first.id]
    entry = await value(either.users.entry(user_id=user, id=first.id))
    assert entry == found[2]
    assert (entry.action, entry.delta, entry.change, entry.outcome, entry.reason) == (
        Action.ADD, 9, 9, Outcome.RECORDED, None,
    )  # fmt: skip
    assert (entry.timestamp, entry.metadata, entry.has_idempotency_key) == (late, {"a": 1}, True)
    assert entry.consumption == Consumption(used=9, budget=10, overage_enabled=False)
    [posting] = entry.postings
    assert (posting.reset_period, posting.change) == (ResetPeriod.MONTH, 9)
    assert (found[0].change, found[1].postings, found[1].outcome) == (-5, (), Outcome.LIMIT_EXCEEDED)

    for wanted, expected in (
        ({"outcome": Outcome.LIMIT_EXCEEDED}, [refused.id]),
        ({"first": 1, "after": last.id}, [refused.id]),
        ({"feature_id": meter(user), "start": late, "end": late + timedelta(milliseconds=1)}, [first.id]),
    ):
        assert [entry.id for entry in await value(either.users.entries(user_id=user, **wanted))] == expected

    with pytest.raises(EntryNotFound, match="Entry not found: '1'"):
        await value(either.users.entry(user_id=user, id="1"))
    with pytest.raises(InvalidValue, match="to must be after from"):
        await value(either.users.entries(user_id=user, start=late, end=late))
    with pytest.raises(InvalidValue, match="start must have a time zone"):
        await value(either.users.entries(user_id=user, start=late.replace(tzinfo=None)))


async def test_an_entry_is_undone_once(either: Any, user: str) -> None:
    """What it used is free again; calling it again gets the first reversal."""
    recorded = await value(either.features.record_usage(user_id=user, feature_id=meter(user), delta=9))
    undone = await value(either.features.reverse_usage(entry_id=recorded.id, reason="wrong order", user_id=user))
    assert (undone.recorded, undone.outcome, undone.duplicate) == (True, Outcome.RECORDED, False)
    again = await value(either.features.reverse_usage(entry_id=recorded.id, reason="wrong order"))
    assert (again.id, again.duplicate) == (undone.id, True)
    newest, _ = await value(either.users.entries(user_id=user))
    assert (newest.reverses, newest.change) == (recorded.id, -9)
