"""Several allowances that add up: what is taken from which, in one step, on every store."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta

import pytest

from kana.engine.ports.store import Store
from kana.engine.usage.batch import Batch
from kana.errors import KanaError
from kana.model.entitlement import Consumption, Outcome
from kana.model.usage import Receipt, Usage
from tests.support.ledger import entries_of
from tests.support.stores import Place
from tests.support.world import (
    DAY,
    MONTH,
    NOON,
    ONE_DAY,
    TEST,
    World,
    a_package,
    a_usage,
    adds,
    allows,
)


@pytest.fixture(autouse=True)
async def _furnished(world: World) -> None:
    """Ada may use ten messages a month."""
    await world.furnish(a_package("basic", allows(10)))
    await world.subscribed_user("ada")


async def append(world: World, *usages: Usage, store: Store | None = None) -> list[Receipt | KanaError]:
    batch = Batch(usages, clock=world.clock, next_id=world.ids)
    await (store or world.store).ledger.append(batch)
    return [answer for answer in batch.answers if isinstance(answer, Receipt | KanaError)]


def outcome(answer: Receipt | KanaError) -> Outcome:
    assert isinstance(answer, Receipt), answer
    return answer.entry.outcome


async def used(world: World) -> int:
    """What ada has used of messages now."""
    decision = await world.usage.check(TEST, "ada", "message")
    assert decision.consumption is not None
    return decision.consumption.used


async def adding(world: World) -> None:
    """Ada may use 10 + 5 + 3 messages; those of the second end after a day, and those of the third never."""
    await world.furnish(
        a_package("basic", allows(10)),
        a_package("daily", adds(5, DAY), is_addon=True),
        a_package("bonus", adds(3, None), is_addon=True),
    )
    await world.accounts.subscribe(TEST, "ada", ["daily", "bonus"])


async def test_what_adds_is_used_up_in_the_order_in_which_it_ends(world: World, place: Place) -> None:
    """To the last unit of the sum and no further; every part is kept, counted, given back, and read again."""
    await adding(world)
    answers = await append(
        world,
        *(a_usage(4), a_usage(4, key="k"), a_usage(11), a_usage(8), a_usage(1), a_usage(-9), a_usage(15, key="no")),
    )
    entries = [answer.entry for answer in answers if isinstance(answer, Receipt)]
    parts = [[(counter.reset_period, change) for counter, change in entry.postings] for entry in entries]
    assert [outcome(answer) for answer in answers] == [
        *(Outcome.RECORDED, Outcome.RECORDED, Outcome.LIMIT_EXCEEDED),
        *(Outcome.RECORDED, Outcome.RECORDED, Outcome.RECORDED, Outcome.LIMIT_EXCEEDED),
    ]
    assert parts == [
        [(DAY, 4)],
        [(DAY, 1), (MONTH, 3)],
        [],
        [(MONTH, 7), (None, 1)],
        [(None, 1)],
        [(MONTH, -7), (None, -2)],
        [],
    ]
    assert [entry.consumption for entry in entries] == [
        Consumption(used, 18, overage_enabled=False) for used in (4, 8, 8, 16, 17, 8, 8)
    ]
    another = await place.open()
    assert await entries_of(another, "ada") == entries[::-1]
    again = await append(world, a_usage(4, key="k"), a_usage(15, key="no"), store=another)
    assert again == [Receipt(entries[1], duplicate=True), Receipt(entries[6], duplicate=True)]
    audit = await another.audits.audit()
    assert (audit.entries, audit.counters, audit.is_clean) == (7, 3, True)
    await another.close()
    world.clock.advance(days=1)
    assert await used(world) == 3


async def test_a_counter_that_misses_a_part_is_found(world: World, place: Place) -> None:
    """The audit adds up parts and not lines: one counter that says more than its parts is named, and no other."""
    await adding(world)
    [answer] = await append(world, a_usage(7))
    assert isinstance(answer, Receipt)
    await place.tamper("update counters set used = used + 2 where reset_period = 'DAY'")
    [drift] = (await world.store.audits.audit()).drifts
    assert (drift.counter, drift.counted, drift.in_ledger) == (answer.entry.postings[0].counter, 7, 5)


async def test_of_many_at_once_exactly_the_sum_is_granted(world: World) -> None:
    """128 callers for one unit each of 10 + 5 + 3."""
    await adding(world)
    receipts = await asyncio.gather(*(world.usage.record(a_usage()) for _ in range(128)))
    assert Counter(each.entry.outcome for each in receipts) == {Outcome.RECORDED: 18, Outcome.LIMIT_EXCEEDED: 110}
    assert (await world.store.audits.audit()).is_clean


async def test_late_usage_is_taken_from_what_held_then(world: World) -> None:
    """Before the add-ons began from the base package alone, as much as that allowed."""
    world.clock.advance(days=2)
    await adding(world)
    late = NOON + timedelta(hours=1)
    answers = await append(world, a_usage(11, timestamp=late), a_usage(9, timestamp=late), a_usage(8))
    entries = [answer.entry for answer in answers if isinstance(answer, Receipt)]
    assert [(entry.change, entry.consumption and entry.consumption.budget) for entry in entries] == [
        (0, 10), (9, 10), (8, 18),
    ]  # fmt: skip
    assert [change for _, change in entries[2].postings] == [5, 1, 2]


async def test_what_adds_is_shown_as_one_sum_now_and_by_package_before(world: World) -> None:
    """The period is that of what answers, with all that counts now; finished periods are each package's own."""
    await adding(world)
    await append(world, a_usage(8))
    shown = await world.usage.show(TEST, "ada", "message")
    assert shown.current is not None
    assert (shown.current.period.start, shown.current.consumption) == (NOON, Consumption(8, 18, overage_enabled=False))
    assert shown.past == []
    world.clock.advance(days=1)
    shown = await world.usage.show(TEST, "ada", "message")
    assert shown.current is not None
    assert shown.current.consumption == Consumption(3, 18, overage_enabled=False)
    assert [(each.period.end, each.consumption) for each in shown.past] == [
        (NOON + ONE_DAY, Consumption(5, 5, overage_enabled=False))
    ]
