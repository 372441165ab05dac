"""When keys were last used: noted at once, written once a minute and at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import pytest

from kana.engine.access import key_uses
from kana.engine.access.access import AccessEngine
from kana.engine.access.key_uses import WRITTEN_EVERY
from kana.errors import Unauthenticated, Unavailable
from kana.model.key import KeyKind, hash_key
from kana.store.sqlite import SqliteStore
from tests.support.stores import SqlitePlace
from tests.support.world import NOON, TEST, TESTER, SetClock

SECOND = timedelta(seconds=1)


class Counted:
    """Counts what is written to a store, can have it fail, and something happen meanwhile."""

    def __init__(self, store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
        self.writes: list[Mapping[bytes, datetime]] = []
        self.fails: Exception | None = None
        self.failed = 0
        self.meanwhile: Callable[[], None] = lambda: None
        use_keys = store.keys.use_keys

        async def counted(uses: Mapping[bytes, datetime]) -> None:
            if self.fails is not None:
                self.failed += 1
                raise self.fails
            self.writes.append(uses)
            await use_keys(uses)
            self.meanwhile()

        monkeypatch.setattr(store.keys, "use_keys", counted)


class Door:
    """A workspace, somebody who comes in by its private key, and what is written of it."""

    def __init__(self, access: AccessEngine, key: str, clock: SetClock, counted: Counted) -> None:
        self.access, self.key, self.clock, self.counted = access, key, clock, counted

    async def come_in(self, *, at: datetime) -> None:
        self.clock.now = at
        await self.access.keys()  # Has the keyring read anew, whose age tells the time.
        await self.access.authenticate(self.key, KeyKind.PRIVATE)

    async def uses(self) -> dict[bytes, datetime]:
        return {key.hash: key.used_at for key in await self.access.keys() if key.used_at is not None}


@pytest.fixture
async def door(place: SqlitePlace, monkeypatch: pytest.MonkeyPatch) -> object:
    store, clock = await place.open(), SetClock()
    assert isinstance(store, SqliteStore)
    counted = Counted(store, monkeypatch)
    access = AccessEngine(store.keys, clock=clock)
    made = await access.initialise("workspace", by=TESTER)
    assert made is not None
    yield Door(access, made.keys[TEST][KeyKind.PRIVATE], clock, counted)
    await store.close()


async def test_a_use_is_known_before_it_is_written(door: Door) -> None:
    """In the process that let the key in; a key that was never used, or was turned away, has no use."""
    await door.come_in(at=NOON)
    with pytest.raises(Unauthenticated):
        await door.access.authenticate(door.key, KeyKind.PUBLIC)
    assert await door.uses() == {hash_key(door.key): NOON}
    assert door.counted.writes == []


async def test_at_most_one_write_a_minute(door: Door) -> None:
    """Uses of a minute are one write with the latest of them, and without a use nothing is written."""
    hashed, later = hash_key(door.key), NOON + WRITTEN_EVERY
    for at in (NOON, NOON + SECOND, later - SECOND, later):
        await door.come_in(at=at)
        await door.access.uses.write_due()
    assert door.counted.writes == [{hashed: NOON}, {hashed: later}]
    door.clock.now = later + 2 * WRITTEN_EVERY
    await door.access.uses.write_due()
    assert len(door.counted.writes) == 2
    assert await door.uses() == {hashed: later}


async def test_what_could_not_be_written_is_written_later(door: Door) -> None:
    """A store that is away loses no use."""
    await door.come_in(at=NOON)
    door.counted.fails = Unavailable("the store is away")
    with pytest.raises(Unavailable):
        await door.access.uses.write_due()
    door.counted.fails, door.clock.now = None, NOON + WRITTEN_EVERY
    await door.access.uses.write_due()
    assert door.counted.writes == [{hash_key(door.key): NOON}]


async def test_a_use_noted_during_a_write_is_written_by_the_next(door: Door) -> None:
    """What a write took along is forgotten, and nothing else."""
    hashed = hash_key(door.key)
    await door.come_in(at=NOON)
    door.counted.meanwhile = lambda: door.access.uses.note(hashed, NOON + SECOND)
    await door.access.uses.write()
    door.counted.meanwhile = lambda: None
    await door.access.uses.write()
    await door.access.uses.write()
    assert door.counted.writes == [{hashed: NOON}, {hashed: NOON + SECOND}]


@pytest.mark.parametrize("error", [Unavailable("the store is away"), RuntimeError("a defect")], ids=repr)
async def test_writing_in_the_background_outlives_errors(
    door: Door, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Whatever went wrong once, the use is written when another minute is over."""
    monkeypatch.setattr(key_uses, "PAUSE_S", 0.001)
    await door.come_in(at=NOON)
    door.counted.fails = error
    async with door.access.uses.running():
        await until(lambda: door.counted.failed > 0)
        door.counted.fails, door.clock.now = None, NOON + WRITTEN_EVERY
        await until(lambda: door.counted.writes != [])
    assert door.counted.writes == [{hash_key(door.key): NOON}]


async def test_the_end_writes_what_is_left(door: Door) -> None:
    """However soon after the last write."""
    hashed = hash_key(door.key)
    await door.come_in(at=NOON)
    async with door.access.uses.running():
        await until(lambda: door.counted.writes != [])
        await door.come_in(at=NOON + SECOND)
    assert door.counted.writes == [{hashed: NOON}, {hashed: NOON + SECOND}]


async def until(happened: Callable[[], bool]) -> None:
    """Let others go on until something has happened; the test's own time limit ends what never does."""
    while not happened():  # noqa: ASYNC110 - nobody here could set an event
        await asyncio.sleep(0.001)
