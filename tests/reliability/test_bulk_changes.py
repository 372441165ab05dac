"""A job that moves many users and is killed goes on at the next start: each user is moved once, and none is left."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from kana.app import create_engine
from kana.engine.ports.store import Store
from kana.model.bulk_change import BulkOutcome, BulkState, Move
from kana.model.user_import import Row
from kana.store.sqlite import SqliteStore
from tests.support.stores import furnish_workspace
from tests.support.world import TEST, TESTER, NotedMeter, SetClock, World, a_package, allows

USERS = 600
KILLS = 6


async def _make(path: Path) -> None:
    """A shop whose users all have basic."""
    store = SqliteStore(str(path))
    await furnish_workspace(store)
    world = World(store)
    await world.furnish(a_package("basic", allows(9)), a_package("pro", allows(9)))
    rows = (Row(number=number + 2, id=f"u{number:03}", details={}) for number in range(USERS))
    await world.engine.imports.merge(TEST, rows, on_rows=lambda _: None, by=TESTER)
    await asyncio.gather(*(world.accounts.subscribe(TEST, f"u{number:03}", ["basic"]) for number in range(USERS)))
    await store.close()


async def _move(path: Path) -> None:
    store = SqliteStore(str(path), exclusive=True)
    engine = create_engine(store, clock=SetClock(), meter=NotedMeter())
    await engine.bulk_changes.start(TEST, Move(package_id="pro", from_package_id="basic"), by=TESTER, key="job")
    print("begun", flush=True)
    await engine.bulk_changes.take_up()


async def _killed_move(path: Path, *, after_s: float) -> None:
    """Move users in a process of its own and kill it in the middle."""
    moving = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __spec__.name, str(path), stdout=asyncio.subprocess.PIPE
    )
    assert moving.stdout is not None
    await moving.stdout.readline()
    await asyncio.sleep(after_s)
    with suppress(ProcessLookupError):  # It was quicker.
        moving.send_signal(signal.SIGKILL)
    await moving.wait()


async def _waiting(store: Store) -> int:
    """How many users of the job still wait for their turn."""
    [change] = await store.bulk_changes.bulk_changes(TEST, limit=9)
    return (await store.bulk_changes.progress(change)).there[BulkOutcome.WAITING]


async def test_kills_move_each_user_once(tmp_path: Path) -> None:
    """Whenever they come: the next start does the rest, and nobody has been moved twice."""
    path, moments, met = tmp_path / "kana.db", random.Random(7), 0
    await _make(path)
    for _ in range(KILLS):
        await _killed_move(path, after_s=moments.uniform(0.0, 0.15))
        store = SqliteStore(str(path))
        met += 0 < await _waiting(store) < USERS
        await store.close()
    assert met > 0, "no kill met a job in the middle: the harness saw nothing"
    store = SqliteStore(str(path))
    world = World(store)
    await world.engine.bulk_changes.take_up()
    [change] = await world.engine.bulk_changes.latest(TEST)
    progress = await world.engine.bulk_changes.progress(change)
    assert (change.state, progress.there[BulkOutcome.CHANGED], progress.users) == (BulkState.DONE, USERS, USERS)
    assert len(await world.accounts.subscriptions(TEST)) == 2 * USERS
    await store.close()


async def test_without_the_look_a_part_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: the same job, ended in the middle, and nobody takes it up, leaves users who wait."""
    path = tmp_path / "kana.db"
    await _make(path)
    store = SqliteStore(str(path))
    engine = World(store).engine.bulk_changes
    real = store.bulk_changes.move_page

    async def last(*arguments: object, **more: object) -> int:
        engine._rounds.is_ending = True
        return await real(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(store.bulk_changes, "move_page", last)
    await engine.start(TEST, Move(package_id="pro", from_package_id="basic"), by=TESTER)
    await engine.take_up()
    assert 0 < await _waiting(store) < USERS
    await store.close()


if __name__ == "__main__":
    asyncio.run(_move(Path(sys.argv[1])))
