"""The file with its one writer thread and its readers.

All writes are on one connection, one transaction after another, and commit on the writer thread,
where nobody else waits for the disk. What is small is decided and written on the caller's thread
before: handed over, each of its rows would wait for its turn with the interpreter, which costs more
than writing it. Short reads run on the caller's thread too, on a connection of their own; long ones
on a reader thread, so that nobody waits for them. ``checkpoints.py`` has a thread of its own.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

import apsw

from kana.errors import DatabaseRefused, KanaError, OutcomeUnknown, Unavailable
from kana.store.sqlite.checkpoints import Checkpointer
from kana.store.sqlite.connection import (
    StorageLost,
    begin_at_once,
    commit,
    connect,
    in_transaction,
    number,
    roll_back,
    run_begun,
)
from kana.store.sqlite.migrate import migrate

_Result = TypeVar("_Result")


class Database:
    """One SQLite file, open. ``exclusive`` is for a server: a second one on the same file is refused.

    Raises:
        DatabaseRefused: it is no database of ours, is newer than this program, or has its server already.
    """

    def __init__(
        self,
        path: str,
        *,
        exclusive: bool = False,
        synchronous: str = "FULL",
        on_lost: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._on_lost = on_lost
        self._lost: str | None = None
        self._path = path
        self._lock = _take_lock(path) if exclusive else None
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="kana-writer")
        self._aside = ThreadPoolExecutor(1, thread_name_prefix="kana-reader")
        self._outstanding: deque[None] = deque()  # One for each job that the writer thread has not done.
        self._process = os.getpid()
        self._write_connection = connect(path, synchronous=synchronous)
        migrate(self._write_connection)
        if self._lock is not None:
            _sign(self._lock)
        self._read_connection = connect(path)
        self._aside_connection = connect(path)
        self._copy_connection = connect(path)
        self._checkpointer = Checkpointer(self._copy_connection, writer=self._write_connection, on_lost=self._lose)
        self._file = _identity(path)

    async def write(self, work: Callable[[apsw.Connection], _Result], *, is_small: bool = False) -> _Result:
        """Run work in a write transaction; return its result after the commit is on disk.

        ``is_small`` is for work of some milliseconds at most: it runs here, where it need not wait for another's.

        Raises:
            Unavailable: nothing was written, or the storage failed before and nothing is acknowledged any more.
            OutcomeUnknown: the storage failed under this write.
        """
        self._check_usable()
        connection = self._write_connection
        if is_small and not self._outstanding and begin_at_once(connection):
            return await self._write_here(work)

        def run() -> _Result:
            self._watch_file()
            transaction = partial(in_transaction, connection, work, begin="begin immediate")
            return self._guarded(transaction, answer=OutcomeUnknown)

        return await self._hand_over(run)

    async def _write_here(self, work: Callable[[apsw.Connection], _Result]) -> _Result:
        """Run work in the transaction that has begun, and commit it on the writer thread."""
        connection = self._write_connection
        try:
            self._watch_file()
            result = self._guarded(partial(run_begun, connection, work), answer=OutcomeUnknown)
        except BaseException:
            roll_back(connection)
            raise
        # Whoever goes away must not keep the commit from being made: the transaction would stay open.
        await asyncio.shield(
            self._hand_over(partial(self._guarded, partial(commit, connection), answer=OutcomeUnknown))
        )
        return result

    def _hand_over(self, job: Callable[[], _Result]) -> asyncio.Future[_Result]:
        """Have the writer thread do a job after those it has; until it is done nothing is written elsewhere."""
        self._outstanding.append(None)
        submitted = self._writer.submit(job)
        submitted.add_done_callback(lambda _: self._outstanding.pop())
        return asyncio.wrap_future(submitted)

    def read(self, work: Callable[[apsw.Connection], _Result]) -> _Result:
        """Run a short read of one moment, here and now."""
        return self._guarded(partial(in_transaction, self._read_connection, work, begin="begin"))

    async def read_aside(self, work: Callable[[apsw.Connection], _Result]) -> _Result:
        """Run a long read of one moment on a thread of its own."""
        transaction = partial(in_transaction, self._aside_connection, work, begin="begin")
        return await asyncio.get_running_loop().run_in_executor(self._aside, self._guarded, transaction)

    def _guarded(self, step: Callable[[], _Result], *, answer: type[KanaError] = Unavailable) -> _Result:
        """Take a step; once the storage has failed acknowledge nothing any more: wrong answers are worse than none."""
        self._check_usable()
        try:
            return step()
        except StorageLost as error:
            self._lose(error.message)
            raise answer(error.message) from error

    def _check_usable(self) -> None:
        if self._lost is not None:
            raise Unavailable(f"{self._lost}; nothing is acknowledged until a restart")
        if os.getpid() != self._process:
            raise Unavailable("this process was forked from the one that opened the database")

    def _watch_file(self) -> None:
        """Notice that the file was taken away: what is written to it then is gone with this process."""
        if self._lost is None and _identity(self._path) != self._file:
            self._lose(f"the database file {self._path} was replaced or removed while open")

    def _lose(self, reason: str) -> None:
        self._lost = reason
        self._on_lost(reason)

    def probe(self) -> None:
        """Return when the file can be read and is still the one that was opened.

        Raises:
            Unavailable: it cannot, or is not.
        """
        self._watch_file()
        self.read(lambda connection: number(connection, "schema_version"))

    async def close(self) -> None:
        """Finish what is in flight, bring the log into the file, and let go of it.

        After the storage has failed the file is left as it is: what of the log reached the disk is
        for the next process to find out.
        """
        for pool in (self._writer, self._aside):
            await asyncio.to_thread(pool.shutdown)
        await asyncio.to_thread(self._checkpointer.finish)
        for connection in (
            self._read_connection,
            self._aside_connection,
            self._copy_connection,
            self._write_connection,
        ):
            connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, self._lost is not None)
            connection.close()
        if self._lock is not None:
            os.close(self._lock)


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _take_lock(path: str) -> int:
    """Return the open lock file of a server on this database; ``_sign`` it when the database is there.

    Raises:
        DatabaseRefused: another server has it, the folder cannot be written, or a server kept a database
            here before and it is gone: an empty one in its place would look like data lost.
    """
    try:
        lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise DatabaseRefused(f"cannot open the database {path}: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.read(lock, 32).decode().strip()
        os.close(lock)
        raise DatabaseRefused(
            f"the database {path} is served by process {holder} already; SQLite takes one server,"
            " PostgreSQL many (KANA_DATABASE_URL=postgresql://…)"
        ) from error
    if os.fstat(lock).st_size and not Path(path).exists():
        os.close(lock)
        raise DatabaseRefused(
            f"the database {path} is gone, though a server kept one here; restore it, or begin anew with `kana init`"
        )
    return lock


def _sign(lock: int) -> None:
    """Write into the lock file who serves the database, which is there by now."""
    os.truncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode(), 0)
