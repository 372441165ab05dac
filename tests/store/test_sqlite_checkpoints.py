"""The log is brought into the file beside the writer, begins anew, and a disk that fails is noticed."""

from __future__ import annotations

import asyncio
import threading
from contextlib import nullcontext, suppress
from pathlib import Path

import apsw
import pytest

from kana.errors import StorageFull, Unavailable
from kana.store.sqlite import checkpoints
from kana.store.sqlite.connection import connect
from kana.store.sqlite.database import Database
from tests.reliability.machine import small_disk

PAGES, PAGES_MAX = 40, 200
_PAGE_BYTES = 4096 + 24


@pytest.fixture(autouse=True)
def _short_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "CHECKPOINT_PAGES", PAGES)
    monkeypatch.setattr(checkpoints, "LOG_PAGES_MAX", PAGES_MAX)


async def add(database: Database, number: int) -> None:
    """Commit one note."""
    await database.write(lambda connection: connection.execute("insert into notes values (?)", (str(number),)))


def pages_of(tmp_path: Path) -> int:
    """How many pages the log has ever held at once."""
    return (tmp_path / "kana.db-wal").stat().st_size // _PAGE_BYTES


async def test_the_log_is_copied_on_a_thread_of_its_own(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much is written, the log stays short, and what it held is in the file."""
    copied_on = set()
    copy = checkpoints.Checkpointer._copy

    def noted(self: checkpoints.Checkpointer) -> None:
        copied_on.add(threading.current_thread().name)
        copy(self)

    monkeypatch.setattr(checkpoints.Checkpointer, "_copy", noted)
    for number in range(500):
        await add(database, number)
    assert copied_on == {"kana-checkpoint_0"}
    assert pages_of(tmp_path) <= PAGES_MAX + PAGES
    assert database.read(lambda connection: connection.execute("select count(*) from notes").get) == 500


async def test_a_log_that_nobody_could_copy_begins_anew_once_somebody_can(database: Database, tmp_path: Path) -> None:
    """A reader of an old moment keeps it from being copied, however long it grows; afterwards the writer does it."""
    reader = connect(str(tmp_path / "kana.db"))
    reader.execute("begin")
    assert reader.execute("select count(*) from notes").get == 0
    for number in range(3 * PAGES_MAX):
        await add(database, number)
    longest = pages_of(tmp_path)
    assert longest > 2 * PAGES_MAX
    assert reader.execute("select count(*) from notes").get == 0
    reader.execute("commit")
    reader.close()
    for number in range(longest):
        await add(database, number)
    assert pages_of(tmp_path) <= longest + PAGES


@pytest.mark.parametrize(("error", "is_lost"), [(apsw.IOError, True), (apsw.BusyError, False)])
async def test_a_disk_that_fails_while_the_log_is_copied_ends_everything(
    database: Database, monkeypatch: pytest.MonkeyPatch, error: type[apsw.Error], *, is_lost: bool
) -> None:
    """Nothing is acknowledged after it. Another process that copies at the moment, the control, harms nothing."""
    failed = threading.Event()

    def fail(_: checkpoints.Checkpointer) -> None:
        failed.set()
        raise error

    monkeypatch.setattr(checkpoints.Checkpointer, "_copy", fail)
    with pytest.raises(Unavailable, match="storage failed") if is_lost else nullcontext():
        for number in range(3 * PAGES_MAX):
            await add(database, number)
    assert failed.is_set()


async def test_a_log_that_fills_the_disk_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the disk is full, the log is brought into the file and gives its room back: later writes go through."""
    monkeypatch.setattr(checkpoints, "CHECKPOINT_PAGES", 100_000)  # Nothing else copies it.
    monkeypatch.setattr(checkpoints, "TIGHT_BYTES", 0)
    with small_disk(tmp_path, megabytes=4) as folder:
        database = Database(str(folder / "kana.db"))
        try:
            await database.write(lambda connection: connection.execute("create table notes (text)"))
            await fill_and_give_room(database, folder)
        finally:
            await database.close()


async def fill_and_give_room(database: Database, folder: Path) -> None:
    """Fill the disk with the log, take away something else, and look what becomes of the log."""
    log, ballast = folder / "kana.db-wal", folder / "ballast"
    ballast.write_bytes(bytes(600_000))
    await until_full(database)
    full = log.stat().st_size
    assert full > 2_500_000, "the log did not fill the disk, so this proves nothing"
    ballast.unlink()  # Far less than the log took; what it holds is less still.
    written = await until_full(database)
    assert log.stat().st_size < full / 2
    assert await until_full(database) > written


async def until_full(database: Database) -> int:
    """Write until the disk is full, or long enough to see that it is not; return how many notes there are."""
    with suppress(StorageFull):
        for number in range(1000):
            await add(database, number)
    return int(database.read(lambda connection: connection.execute("select count(*) from notes").get))


@pytest.mark.parametrize("begins_anew", [True, False])
async def test_the_log_begins_anew_beside_a_busy_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, begins_anew: bool
) -> None:
    """It stays near the length at which it is copied, far below that at which the writer must wait for all of it.

    The control never copies the last pages between two commits: then its log holds every page that was written.
    """
    monkeypatch.setattr(checkpoints, "LOG_PAGES_MAX", 100_000)
    if not begins_anew:
        monkeypatch.setattr(Database, "_run_between", lambda *_: None)
    database = Database(str(tmp_path / "kana.db"), synchronous="OFF")
    await database.write(lambda connection: connection.execute("create table notes (text)"))
    for number in range(3000):
        await add(database, number)
    longest = pages_of(tmp_path)
    await database.close()
    assert (longest < 1500) is begins_anew


async def test_the_log_begins_anew_beside_small_writes_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They run on the thread that serves, which may be at a statement just when the writer's thread looks for a gap.

    How many writes fit between two gaps is the machine's affair: on a busy one the other thread has its turn seldom.
    """
    monkeypatch.setattr(checkpoints, "CHECKPOINT_PAGES", 100)
    database = Database(str(tmp_path / "kana.db"), synchronous="OFF")
    await database.write(lambda connection: connection.execute("create table notes (text)"))
    pages, began_anew, written = 0, 0, 0
    while began_anew < 20 and written < 200_000:
        await database.write(
            lambda connection: connection.execute(
                "replace into notes (rowid, text) values (abs(random()) % 1000, randomblob(3000))"
            ).fetchall(),
            is_small=True,
        )
        before, pages, written = pages, database._checkpointer._pages, written + 1
        began_anew += pages < before
    await database.close()
    assert began_anew == 20


async def test_the_writer_waits_for_a_few_pages_only(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left for between two commits is bounded, and never copied while a transaction is open."""
    left, open_ones = list[int](), list[bool]()
    copy_rest = checkpoints.Checkpointer._copy_rest

    def noted(self: checkpoints.Checkpointer) -> None:
        open_ones.append(database._write_connection.in_transaction)
        copy_rest(self)

    class Counting:
        def __init__(self, connection: apsw.Connection) -> None:
            self._connection = connection

        def wal_checkpoint(self) -> tuple[int, int]:
            pages, copied = self._connection.wal_checkpoint()
            if threading.current_thread().name == "kana-checkpoint_0":
                left.append(pages - copied)
            return pages, copied

    monkeypatch.setattr(checkpoints.Checkpointer, "_copy_rest", noted)
    monkeypatch.setattr(database._checkpointer, "_connection", Counting(database._copy_connection))
    for number in range(1000):
        await database.write(
            lambda connection, text=str(number): connection.execute("insert into notes values (?)", (text,)),  # type: ignore[misc]
            is_small=number % 2 == 0,
        )
    assert len(open_ones) > 3
    assert not any(open_ones)
    assert min(left) <= checkpoints.LEFT_MAX


async def test_a_gap_is_looked_for_again_where_the_connection_cannot_be_asked(database: Database) -> None:
    """At a statement of the other thread SQLite answers with an error, and that is no reason to give up for good."""
    asked: list[bool] = []
    done = threading.Event()

    class Asked:
        @property
        def in_transaction(self) -> bool:
            asked.append(True)
            if len(asked) == 1:
                raise apsw.ThreadingViolationError("busy")
            return len(asked) < 5

    connection, database._write_connection = database._write_connection, Asked()  # type: ignore[assignment]
    database._run_between(done.set)
    found = await asyncio.to_thread(done.wait, 10)
    database._write_connection = connection
    assert found
    assert len(asked) >= 5
