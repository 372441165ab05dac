"""A deletion is finished, whatever fails or ends in between, and no caller has to wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from kana.engine.users import deletions as module
from kana.engine.users.deletions import LEFT_BEHIND, DeletionEngine
from kana.errors import OutcomeUnknown, Unavailable, UserNotFound
from tests.support.world import TEST, TESTER, World, a_package, a_usage, allows


class Failing:
    """A store whose calls fail when told so: an error for each of the first calls of a name, None for none."""

    def __init__(self, world: World, **errors: Sequence[Exception | None]) -> None:
        self._store = world.store.deletions
        self._errors = {name: list(each) for name, each in errors.items()}
        self.entered, self.goes_on = asyncio.Event(), asyncio.Event()
        self.goes_on.set()

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._store, name)

        async def failing(*arguments: Any, **named: Any) -> Any:
            if name == "clear_page":
                self.entered.set()
                await self.goes_on.wait()
            errors = self._errors.get(name)
            if errors and (error := errors.pop(0)) is not None:
                raise error
            return await call(*arguments, **named)

        return failing


@pytest.fixture
async def shop(world: World) -> World:
    """A user who used something."""
    await world.furnish(a_package("basic", allows(9)))
    await world.subscribed_user("ada")
    await world.usage.record(a_usage(1, metadata={"a": 1}))
    return world


def engine_over(store: Failing, world: World) -> DeletionEngine:
    """Another process on the same database, which fails when told so."""
    return DeletionEngine(store, clock=world.clock)


async def unfinished(world: World) -> int:
    """How many deletions are not finished."""
    return len(await world.store.deletions.deletions(TEST))


async def until_none_is_left(world: World) -> None:
    """Wait for those who work in the background."""
    async with asyncio.timeout(60):
        while await unfinished(world):  # noqa: ASYNC110 - the store tells nobody
            await asyncio.sleep(0.001)


async def test_a_deleted_user_is_gone(shop: World) -> None:
    """The answer has the surrogate, which the log has too; a second time there is nobody."""
    deleted = await shop.engine.deletions.delete(TEST, "ada", by=TESTER)
    assert deleted.is_cleared
    [line, *_] = await shop.engine.insights.log(TEST)
    assert (line.action, line.subject_kind, line.subject_id, line.actor) == ("deleted", "user", deleted.id, TESTER)
    with pytest.raises(UserNotFound):
        await shop.engine.deletions.delete(TEST, "ada", by=TESTER)


async def test_nobody_waits_for_what_takes_long(shop: World) -> None:
    """The answer says that it goes on, and the background finishes it; looks leave it alone meanwhile."""
    store = Failing(shop)
    store.goes_on.clear()
    engine = engine_over(store, shop)
    deleted = await engine.delete(TEST, "ada", by=TESTER, wait_s=0)
    assert not deleted.is_cleared
    await store.entered.wait()
    shop.clock.advance(seconds=LEFT_BEHIND.total_seconds())
    await engine.take_up()
    assert await unfinished(shop) == 1
    store.goes_on.set()
    await until_none_is_left(shop)


async def test_a_failure_is_only_a_delay(
    shop: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever the store answers, the page is tried again, and the log says why, once."""
    monkeypatch.setattr(module, "_AGAIN_S", 0)
    errors = [None, Unavailable("full"), Unavailable("full"), OutcomeUnknown("lost"), None]
    engine = engine_over(Failing(shop, clear_page=errors), shop)
    assert (await engine.delete(TEST, "ada", by=TESTER, wait_s=None)).is_cleared
    assert await unfinished(shop) == 0
    assert [record.getMessage().rpartition(": ")[2] for record in caplog.records] == ["full", "lost"]


async def test_what_was_decided_goes_on_after_a_crash(shop: World, caplog: pytest.LogCaptureFixture) -> None:
    """At the first look of whoever starts next; later looks leave it alone for a while."""
    crashed = engine_over(Failing(shop, clear_page=[None, RuntimeError("killed")]), shop)
    assert not (await crashed.delete(TEST, "ada", by=TESTER)).is_cleared
    assert caplog.records[-1].getMessage().endswith("not cleared yet: killed")
    other = engine_over(Failing(shop), shop)
    other._is_first_look = False
    await other.take_up()
    assert await unfinished(shop) == 1
    shop.clock.advance(seconds=(LEFT_BEHIND - timedelta(seconds=1)).total_seconds())
    await other.take_up()
    assert await unfinished(shop) == 1
    await engine_over(Failing(shop), shop).take_up()
    assert await unfinished(shop) == 0


async def test_a_server_that_stops_goes_on_when_it_starts_again(shop: World) -> None:
    """It ends between two pages, and is waited for."""
    store = Failing(shop)
    store.goes_on.clear()
    engine = engine_over(store, shop)
    async with engine.running():
        await engine.delete(TEST, "ada", by=TESTER, wait_s=0)
        await store.entered.wait()
        asyncio.get_running_loop().call_later(0.01, store.goes_on.set)
    assert await unfinished(shop) == 1
    assert not engine._ours

    after = engine_over(Failing(shop), shop)
    async with after.running():
        await until_none_is_left(shop)


async def test_looks_go_on_after_one_that_failed(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it failed with."""
    monkeypatch.setattr(module, "PAUSE_S", 0.001)
    crashed = engine_over(Failing(shop, clear_page=[RuntimeError("killed")]), shop)
    await crashed.delete(TEST, "ada", by=TESTER)
    store = Failing(shop, deletions=[Unavailable("away"), RuntimeError("broken")])
    async with engine_over(store, shop).running():
        shop.clock.advance(seconds=LEFT_BEHIND.total_seconds())
        await until_none_is_left(shop)


async def test_an_end_is_no_error(shop: World) -> None:
    """A task that is cancelled, with the loop that it runs on, says nothing."""
    store = Failing(shop)
    store.goes_on.clear()
    engine = engine_over(store, shop)
    await engine.delete(TEST, "ada", by=TESTER, wait_s=0)
    [task] = engine._ours.values()
    task.cancel()
    await asyncio.wait({task})
    await asyncio.sleep(0)
    assert not engine._ours
