"""Small writes on the thread that serves: exact beside writers of other threads and processes, and whoever leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from kana.errors import Conflict
from kana.store.sqlite.connection import connect
from kana.store.sqlite.database import Database


def note(text: str) -> Callable[[apsw.Connection], None]:
    """Work that writes one note."""

    def work(connection: apsw.Connection) -> None:
        connection.execute("insert into notes values (?)", (text,))

    return work


def notes(database: Database) -> list[str]:
    """All that is committed."""
    return [row[0] for row in database.read(lambda connection: list(connection.execute("select text from notes")))]


async def test_small_and_large_writes_take_turns(database: Database) -> None:
    """Whichever thread each begins on, all are written, once."""
    await asyncio.gather(*(database.write(note(str(at)), is_small=at % 2 == 0) for at in range(200)))
    assert sorted(notes(database), key=int) == [str(at) for at in range(200)]


async def test_a_small_write_behind_a_large_one_waits_its_turn(database: Database) -> None:
    """One that is handed over and has not begun comes first: neither waits for the other."""
    for at in range(200):
        large = asyncio.create_task(database.write(note(f"{at} large")))
        small = asyncio.create_task(database.write(note(f"{at} small"), is_small=True))
        await asyncio.gather(large, small)
    assert notes(database) == [f"{at} {size}" for at in range(200) for size in ("large", "small")]


async def test_a_small_write_that_fails_leaves_nothing(database: Database) -> None:
    """Neither its rows nor its lock: the next one is written."""

    def fail(connection: apsw.Connection) -> None:
        connection.execute("insert into notes values ('half')")
        raise Conflict("no")

    with pytest.raises(Conflict):
        await database.write(fail, is_small=True)
    await database.write(note("next"), is_small=True)
    assert notes(database) == ["next"]


async def test_a_caller_who_leaves_keeps_no_lock(database: Database) -> None:
    """What was decided is committed, and the next writes, small or not, go through."""
    leaving = asyncio.create_task(database.write(note("left"), is_small=True))
    await asyncio.sleep(0)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    await database.write(note("small"), is_small=True)
    await database.write(note("large"))
    assert notes(database) == ["left", "small", "large"]


async def test_a_small_write_waits_aside_for_another_process(database: Database, tmp_path: Path) -> None:
    """While another connection writes, the loop goes on, and the write is made when that one ends."""
    other = connect(str(tmp_path / "kana.db"))
    other.execute("begin immediate")
    waiting = asyncio.create_task(database.write(note("after"), is_small=True))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    assert notes(database) == []
    other.execute("insert into notes values ('before')")
    other.execute("commit")
    await waiting
    other.close()
    assert notes(database) == ["before", "after"]
