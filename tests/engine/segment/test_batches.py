"""A long batch is taken in some messages at a time, and what a failure leaves of it is whole when it comes again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kana.engine.ports.segment import SegmentStore
from kana.engine.segment.segment import TOGETHER_MAX
from kana.errors import Unavailable
from kana.model.environment import Environment
from kana.model.segment import SegmentEvent
from tests.engine.segment.test_segment import track, used
from tests.support.world import TEST, World, a_package, allows


class Kept:
    """How many messages each transaction keeps, and which of them fails."""

    def __init__(self, store: SegmentStore, monkeypatch: pytest.MonkeyPatch, *, fails_at: int | None = None) -> None:
        self._fails_at = fails_at
        self._keep = store.keep_events
        self.sizes: list[int] = []
        monkeypatch.setattr(store, "keep_events", self.keep)

    async def keep(self, environment: Environment, read: Any) -> list[SegmentEvent]:
        self.sizes.append(len(read([])))
        if len(self.sizes) == self._fails_at:
            raise Unavailable("later")
        return await self._keep(environment, read)


@pytest.fixture
async def warehouse(world: World) -> World:
    """Ada may send as many as she likes."""
    await world.furnish(a_package("basic", allows(None)))
    await world.subscribed_user("ada")
    return world


async def test_a_long_batch_is_kept_some_at_a_time(warehouse: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages of others have their turn between two transactions, and no two of them wait at once."""
    kept = Kept(warehouse.store.segment, monkeypatch)
    many = [track(number) for number in range(2 * TOGETHER_MAX + 50)]
    await asyncio.gather(
        warehouse.engine.segment.receive(TEST, many), warehouse.engine.segment.receive(TEST, [track(999)])
    )
    assert kept.sizes == [TOGETHER_MAX, 1, TOGETHER_MAX, 50]
    assert await used(warehouse) == len(many) + 1


async def test_what_is_sent_again_after_a_failure_in_the_middle_counts_once(
    warehouse: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was kept before stays and is carried out; the sender is told, and the rest comes with the next try."""
    Kept(warehouse.store.segment, monkeypatch, fails_at=2)
    many = [track(number) for number in range(2 * TOGETHER_MAX)]
    with pytest.raises(Unavailable):
        await warehouse.engine.segment.receive(TEST, many)
    assert await used(warehouse) == TOGETHER_MAX

    await warehouse.engine.segment.receive(TEST, many)

    assert await used(warehouse) == 2 * TOGETHER_MAX
    assert (await warehouse.engine.mapping.counts(TEST)).total == 2 * TOGETHER_MAX


async def test_a_message_that_stands_twice_is_once_in_the_count(warehouse: World) -> None:
    """In one transaction or in two."""
    failing = [track(number, delta="many") for number in range(TOGETHER_MAX)]
    await warehouse.engine.segment.receive(TEST, [failing[0], *failing, failing[0]])
    assert warehouse.meter.events == ["FAILED"] * TOGETHER_MAX
