"""An import is merged wholly or not at all, whatever fails or ends in between."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from kana.engine.users import imports as module
from kana.engine.users.directory import CHUNK
from kana.engine.users.imports import LEFT_BEHIND, ImportEngine
from kana.errors import Conflict, InvalidValue, OutcomeUnknown, Unavailable
from kana.model.user_import import Row, WrongRow
from tests.support.world import TEST, TESTER, World

COUNT = 2 * CHUNK + 1


def rows(count: int = COUNT) -> Iterator[Row | WrongRow]:
    """So many new users."""
    return (Row(number=number + 2, id=f"n{number:04}", details={"name": "N"}) for number in range(count))


async def count(world: World) -> int:
    """How many users there are."""
    return len(await world.accounts.users(TEST, first=1000))


async def until_none_is_left(world: World) -> None:
    """Wait for those who work in the background."""
    async with asyncio.timeout(60):
        while await world.store.imports.imports():  # noqa: ASYNC110 - the store tells nobody
            await asyncio.sleep(0.001)


class Failing:
    """A store whose calls fail when told so: an error for each of the first calls of a name, None for none."""

    def __init__(self, world: World, **errors: Sequence[Exception | None]) -> None:
        self._store = world.store.imports
        self._errors = {name: list(each) for name, each in errors.items()}

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._store, name)

        async def failing(*arguments: Any, **named: Any) -> Any:
            errors = self._errors.get(name)
            if errors and (error := errors.pop(0)) is not None:
                raise error
            return await call(*arguments, **named)

        return failing


def engine_over(world: World, **errors: Sequence[Exception | None]) -> ImportEngine:
    """Another process on the same database, which fails when told so."""
    return ImportEngine(Failing(world, **errors), clock=world.clock, ids=world.ids)


async def merge(engine: ImportEngine, given: Iterator[Row | WrongRow] | None = None, **more: Any) -> list[int]:
    """Merge, and return how many rows were told to be merged after each page."""
    told: list[int] = []
    await engine.merge(TEST, rows() if given is None else given, on_rows=told.append, by=TESTER, **more)
    return told


async def test_all_is_merged_in_pages(world: World) -> None:
    """It is told page by page; again it changes nothing; the log's line has the name without what no database keeps."""
    assert await merge(world.engine.imports, source="a\x00\ud800\tb.csv") == [CHUNK, 2 * CHUNK, COUNT]
    assert await count(world) == COUNT
    await merge(world.engine.imports)
    assert await count(world) == COUNT
    lines = await world.engine.insights.log(TEST)
    assert [(line.subject_id, line.after) for line in lines] == [
        ("", {"made": 0, "changed": 0}),
        ("ab.csv", {"made": COUNT, "changed": 0}),
    ]


async def test_one_wrong_row_and_nothing_is_merged(world: World) -> None:
    """Whether it cannot be read or breaks a rule; what came before it is not kept either, nor is the journal."""
    bad = Row(number=3, id="bad", details={"name": ""})
    for wrong, says in ((WrongRow(3, "w", "no user"), "^row 3: no user$"), (bad, "^name must be")):

        def given(wrong: Row | WrongRow = wrong) -> Iterator[Row | WrongRow]:
            yield from rows()
            yield wrong

        with pytest.raises(InvalidValue, match=says):
            await merge(world.engine.imports, given())
        assert await count(world) == 0
        assert await world.store.imports.imports() == []


async def test_a_failure_before_the_decision_leaves_nothing(world: World) -> None:
    """The journal is dropped; where even that fails, by a later look, and nobody has seen any of it."""
    lost = Unavailable("away")
    with pytest.raises(Unavailable, match="away"):
        await merge(engine_over(world, keep_page=[None, lost], drop_page=[lost]))
    assert [each.is_decided for each in await world.store.imports.imports()] == [False]
    other = engine_over(world)
    await other.take_up()
    assert len(await world.store.imports.imports()) == 1, "it may still be under way"
    world.clock.advance(seconds=LEFT_BEHIND.total_seconds())
    await other.take_up()
    assert (await world.store.imports.imports(), await count(world)) == ([], 0)


async def test_a_failure_after_the_decision_is_only_a_delay(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever the store answers, the page is tried again, each row counts once, and the log says why, once."""
    monkeypatch.setattr(module, "_AGAIN_S", 0)
    errors = [None, Unavailable("full"), Unavailable("full"), Conflict("met"), OutcomeUnknown("lost"), None]
    assert (await merge(engine_over(world, merge_page=errors)))[-1] == COUNT
    assert await count(world) == COUNT
    assert [record.getMessage().rpartition(": ")[2] for record in caplog.records] == ["full", "met", "lost"]


async def test_what_was_decided_goes_on_after_a_crash(world: World) -> None:
    """At the first look of whoever starts next; later looks leave a moving one alone until it stands still."""
    crash = RuntimeError("killed")
    for _ in range(2):
        with pytest.raises(RuntimeError):
            await merge(engine_over(world, merge_page=[None, crash]))
    assert await count(world) == CHUNK
    await engine_over(world).take_up()
    assert (await count(world), await world.store.imports.imports()) == (COUNT, [])

    with pytest.raises(RuntimeError):
        await merge(engine_over(world, merge_page=[crash]))
    other = engine_over(world)
    other._is_first_look = False
    await other.take_up()
    assert len(await world.store.imports.imports()) == 1
    world.clock.advance(seconds=LEFT_BEHIND.total_seconds())
    await other.take_up()
    assert await world.store.imports.imports() == []


async def test_what_a_process_merges_itself_it_does_not_take_up(world: World) -> None:
    """A look beside a merge leaves it alone; the merge ends as if nobody had looked."""
    engine = world.engine.imports
    looked = 0

    def clock() -> datetime:
        return world.clock() + timedelta(hours=1)

    async def look() -> None:
        nonlocal looked
        while not merging.done():
            await engine.take_up()
            await asyncio.sleep(0)
            looked += 1

    engine._clock = clock
    merging = asyncio.create_task(merge(engine))
    await asyncio.gather(merging, look())
    assert looked > 0
    assert merging.result()[-1] == COUNT


async def test_a_server_that_stops_goes_on_when_it_starts_again(world: World) -> None:
    """A merge ends between two pages and says so; before the decision nothing was merged, after it all will be."""
    engine = engine_over(world)
    stopping = asyncio.Event()

    def stop(done: int) -> None:
        stopping.set()

    async with engine.running():
        merging = asyncio.create_task(engine.merge(TEST, rows(), on_rows=stop, by=TESTER))
        await stopping.wait()
    assert merging.done(), "it was waited for"
    with pytest.raises(Unavailable, match="continues automatically"):
        await merging
    assert 0 < await count(world) < COUNT
    with pytest.raises(Unavailable, match="nothing was imported"):
        await merge(engine, rows(1))

    after = engine_over(world)
    async with after.running():
        await until_none_is_left(world)
    assert await count(world) == COUNT


async def test_looks_go_on_after_one_that_failed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it failed with."""
    monkeypatch.setattr(module, "PAUSE_S", 0.001)
    with pytest.raises(RuntimeError):
        await merge(engine_over(world, merge_page=[RuntimeError("killed")]))
    engine = engine_over(world, imports=[Unavailable("away"), RuntimeError("broken")])
    async with engine.running():
        world.clock.advance(seconds=LEFT_BEHIND.total_seconds())
        await until_none_is_left(world)
    assert await count(world) == COUNT
