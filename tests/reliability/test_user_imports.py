"""An import that is killed has imported nothing, or is carried to its end by the next start: never a part for good."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from kana.app import create_engine
from kana.engine.ports.store import Store
from kana.errors import Unavailable
from kana.model.user_import import Row
from kana.store.sqlite import SqliteStore
from tests.support.stores import furnish_workspace
from tests.support.world import TEST, TESTER, NotedMeter, SetClock, World

ROWS = 4_000
KILLS = 10


def rows(word: str) -> Iterator[Row]:
    """Half of them users who are there, the other half new ones."""
    return (Row(number=number + 2, id=f"u{number}", details={"name": word}) for number in range(ROWS))


async def _import(path: Path, word: str) -> None:
    store = SqliteStore(str(path), exclusive=True)
    engine = create_engine(store, clock=SetClock(), meter=NotedMeter())
    print("begun", flush=True)
    await engine.imports.merge(TEST, rows(word), on_rows=lambda _: None, by=TESTER)


async def _killed_import(path: Path, word: str, *, after_s: float) -> None:
    """Import in a process of its own and kill it in the middle."""
    importing = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __spec__.name, str(path), word, stdout=asyncio.subprocess.PIPE
    )
    assert importing.stdout is not None
    await importing.stdout.readline()
    await asyncio.sleep(after_s)
    with suppress(ProcessLookupError):  # It was quicker.
        importing.send_signal(signal.SIGKILL)
    await importing.wait()


async def _names(store: Store) -> list[str | None]:
    """What every user is called, in the order of their ids."""
    found, after = [], None
    while page := await store.users.users(TEST, limit=1000, after=after):
        found += [user.name for user in page]
        after = page[-1].id
    return found


async def test_kills_leave_all_or_nothing(tmp_path: Path) -> None:
    """Whenever it comes: what was not decided is gone, and what was is carried out by the first look of the next."""
    path, moments, met = tmp_path / "kana.db", random.Random(7), {"nothing": 0, "taken up": 0}
    store = SqliteStore(str(path))
    await furnish_workspace(store)
    await World(store).engine.imports.merge(
        TEST, (row for row in rows("0") if row.number % 2), on_rows=lambda _: None, by=TESTER
    )
    before = await _names(store)
    await store.close()
    for number in range(1, KILLS + 1):
        word = str(number)
        await _killed_import(path, word, after_s=moments.uniform(0.0, 1.5))
        store = SqliteStore(str(path))
        left = [each for each in await store.imports.imports() if each.is_decided]
        world = World(store)
        await world.engine.imports.take_up()
        after = await _names(store)
        assert after in (before, [word] * ROWS), f"kill {number}"
        met["taken up" if left else "nothing"] += after != before if left else after == before
        before = after
        world.clock.advance(hours=1)
        await world.engine.imports.take_up()
        assert await store.imports.imports() == []
        await store.close()
    assert met["taken up"] > 0, "no kill met a merge: the harness saw nothing"


async def test_without_the_look_a_part_is_seen(tmp_path: Path) -> None:
    """The control: the same kill, and nobody takes it up, leaves some users merged and others not."""
    store = SqliteStore(str(tmp_path / "kana.db"))
    await furnish_workspace(store)
    world = World(store)
    imports = world.engine.imports
    async with imports.running():
        merging = asyncio.create_task(
            imports.merge(TEST, rows("1"), on_rows=lambda _: setattr(imports._rounds, "is_ending", True), by=TESTER)
        )
        await asyncio.wait({merging})
    assert isinstance(merging.exception(), Unavailable)
    assert 0 < len(await _names(store)) < ROWS
    await store.close()


if __name__ == "__main__":
    asyncio.run(_import(Path(sys.argv[1]), sys.argv[2]))
