"""The database file with its one writer thread and its readers.

All writes use one connection, one transaction after another, and commit on the writer thread, so that
nobody else waits for the disk. Small batches are decided and written on the caller's thread first: on the
writer thread each row would have to wait for the interpreter, which costs more than writing it. Short
reads run on the caller's thread too, on their own connection; long ones on a reader thread, so that nobody
waits for them. ``checkpoints.py`` has another thread.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from threading import Event, Thread
from typing import TypeVar

import apsw

from kana.errors import KanaError, OutcomeUnknown, StorageFull, Unavailable
from kana.store.sqlite.checkpoints import LOG_BYTES, Checkpointer
from kana.store.sqlite.connection import (
    StorageLost,
    begin_at_once,
    commit,
    connect,
    empty_log,
    in_transaction,
    number,
    roll_back,
    run_begun,
)
from kana.store.sqlite.files import Files, ServerLock, make_log, make_private
from kana.store.sqlite.migrate import migrate

WATCH_S = 0.5
"""How often a server checks whether its files are still the same while nobody writes."""

ROOM_BYTES = 1024 * 1024
"""How much free space a disk that was full needs before the server is ready again."""

_PAUSE_S = 0.0005

_Result = TypeVar("_Result")


class Database:
    """One SQLite file, open. ``exclusive`` is for a server: a second one on the same file is refused.

    Raises:
        DatabaseRefused: it is not Kana's, is newer than this program, or already has a server.
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
        self._is_moved = False
        self._refuses_writes = self._is_full = False
        self._lock = ServerLock(path) if exclusive else None
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="kana-writer")
        self._aside = ThreadPoolExecutor(1, thread_name_prefix="kana-reader")
        self._outstanding: deque[None] = deque()  # One for each job that the writer thread has not finished.
        self._process = os.getpid()
        try:
            self._open(path, synchronous)
        except BaseException:
            if self._lock is not None:
                self._lock.close()
            raise
        self._ending = Event()
        self._watch = Thread(target=self._keep_watch, name="kana-watch", daemon=True)
        if exclusive:
            self._watch.start()

    def _open(self, path: str, synchronous: str) -> None:
        make_private(path)
        if self._lock is not None:
            self._prepare(path, synchronous)
        self._write_connection = connect(path, synchronous=synchronous)
        self._write_connection.execute("pragma secure_delete = on")  # Deleted data is overwritten.
        migrate(self._write_connection)
        if self._lock is not None:
            self._lock.sign()
        self._read_connection = connect(path)
        self._aside_connection = connect(path)
        self._copy_connection = connect(path)
        self._checkpointer = Checkpointer(
            self._copy_connection, writer=self._write_connection, between=self._run_between, on_lost=self._lose
        )
        self._files = Files(path)

    def _prepare(self, path: str, synchronous: str) -> None:
        """Copy what an earlier server left in its log into the file, and create a new log in full size."""
        connection = connect(path, synchronous=synchronous)
        try:
            migrate(connection)
        finally:
            connection.close()
        make_log(path, size=LOG_BYTES)

    async def write(self, work: Callable[[apsw.Connection], _Result], *, is_small: bool = False) -> _Result:
        """Run work in a write transaction; return its result after the commit is on disk.

        ``is_small`` is for work of a few milliseconds at most: it runs here, where it does not wait for other work.

        Raises:
            Unavailable: nothing was written, or the storage has failed and nothing more is acknowledged.
            OutcomeUnknown: the storage failed during this write.
        """
        try:
            result = await self._write(work, is_small=is_small)
        except Unavailable as error:
            self._refuses_writes = True
            self._is_full = isinstance(error, StorageFull)
            raise
        self._refuses_writes = False
        return result

    async def _write(self, work: Callable[[apsw.Connection], _Result], *, is_small: bool) -> _Result:
        self._check_usable()
        connection = self._write_connection
        if is_small and not self._outstanding and not self._is_full and begin_at_once(connection):
            return await self._write_here(work)

        def run() -> _Result:
            self._check_files()
            if self._is_full:
                self._guarded(partial(empty_log, connection))
            transaction = partial(in_transaction, connection, work, begin="begin immediate")
            result = self._guarded(transaction, answer=OutcomeUnknown)
            self._check_files(answer=OutcomeUnknown)
            return result

        return await self._hand_over(run)

    async def _write_here(self, work: Callable[[apsw.Connection], _Result]) -> _Result:
        """Run work in the transaction that has begun, and commit it on the writer thread."""
        connection = self._write_connection
        try:
            self._check_files()
            result = self._guarded(partial(run_begun, connection, work), answer=OutcomeUnknown)
        except BaseException:
            roll_back(connection)
            raise

        def end() -> None:
            self._guarded(partial(commit, connection), answer=OutcomeUnknown)
            self._check_files(answer=OutcomeUnknown)

        # A caller that disconnects must not prevent the commit, or the transaction would stay open.
        await asyncio.shield(self._hand_over(end))
        return result

    def _hand_over(self, job: Callable[[], _Result]) -> asyncio.Future[_Result]:
        """Queue a job for the writer thread; until it is done nothing is written elsewhere."""
        return asyncio.wrap_future(self._queue(job))

    def _queue(self, job: Callable[[], _Result]) -> Future[_Result]:
        self._outstanding.append(None)
        submitted = self._writer.submit(job)
        submitted.add_done_callback(lambda _: self._outstanding.pop())
        return submitted

    def _run_between(self, job: Callable[[], None]) -> None:
        """Run a job on the writer thread when no transaction is open; none begins until it is done."""

        def run() -> None:
            if self._is_writing():  # It began on the serving thread, which passes it on next.
                time.sleep(_PAUSE_S)
                self._run_between(job)
            else:
                job()

        with suppress(RuntimeError):  # At the end the writer takes no more, and the file is closed in order.
            self._queue(run)

    def _is_writing(self) -> bool:
        try:
            return self._write_connection.in_transaction
        except apsw.ThreadingViolationError:  # The thread that serves is at a statement of it this very moment.
            return True

    def read(self, work: Callable[[apsw.Connection], _Result]) -> _Result:
        """Run a short read, all at the same moment, on this thread."""
        return self._guarded(partial(in_transaction, self._read_connection, work, begin="begin"))

    async def read_aside(self, work: Callable[[apsw.Connection], _Result]) -> _Result:
        """Run a long read, all at the same moment, on the reader thread."""
        transaction = partial(in_transaction, self._aside_connection, work, begin="begin")
        return await asyncio.get_running_loop().run_in_executor(self._aside, self._guarded, transaction)

    def _guarded(self, step: Callable[[], _Result], *, answer: type[KanaError] = Unavailable) -> _Result:
        """Run a step; once the storage has failed acknowledge nothing more: a wrong answer is worse than none."""
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

    def _check_files(self, *, answer: type[KanaError] = Unavailable) -> None:
        """Detect that a file was removed: what is written to it is then lost with this process.

        This is checked before a transaction and again before its answer, which must not confirm what is lost.
        """
        fault = None if self._is_moved else self._files.fault()
        if fault is not None:
            self._is_moved = True
            self._checkpointer.rescue(self._files)
            self._lose(fault)
        if self._is_moved:
            raise answer(f"{self._lost}; nothing is acknowledged until a restart")

    def _keep_watch(self) -> None:
        """Check the files while nobody writes: what was acknowledged is in the log, and can still be saved."""
        while not self._ending.wait(WATCH_S):
            with suppress(KanaError):
                self._check_files()

    def _lose(self, reason: str) -> None:
        self._lost = reason
        self._on_lost(reason)

    async def probe(self) -> None:
        """Return if the file can be read, is still the one that was opened, and can be written.

        Writing is tried only after a write was refused: until one succeeds, callers should not send any.

        Raises:
            Unavailable: it cannot, or is not.
        """
        self._check_files()
        self.read(lambda connection: number(connection, "schema_version"))
        if self._refuses_writes:
            await self.write(_write_a_page)
            if self._files.room() < ROOM_BYTES:  # There may be space for a page but not for a usage.
                self._refuses_writes = True
                raise StorageFull("the disk is full; nothing was recorded", retry_after_s=5)

    async def empty_log(self) -> None:
        """Copy the log into the file and truncate it, unless it is in use, so that no old data is left in it."""
        await self._hand_over(partial(self._guarded, partial(empty_log, self._write_connection)))

    async def close(self) -> None:
        """Finish what is running, copy the log into the file, and close it.

        After the storage has failed the file is left as it is: the next process finds out what reached the
        disk. If files were removed or renamed, the log is copied into the file it belongs to, whatever its name
        is now; it must not be applied to another file.
        """
        self._ending.set()
        if self._watch.ident is not None:
            await asyncio.to_thread(self._watch.join)
        for pool in (self._writer, self._aside):
            await asyncio.to_thread(pool.shutdown)
        await asyncio.to_thread(self._checkpointer.finish)
        for connection in (self._read_connection, self._aside_connection, self._copy_connection):
            connection.close()
        if self._is_moved and self._files.is_log_ours():
            with suppress(KanaError):
                empty_log(self._write_connection)
        self._write_connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, self._lost is not None)
        self._write_connection.close()
        self._files.close()
        if self._lock is not None:
            self._lock.close()


def _write_a_page(connection: apsw.Connection) -> None:
    """Write the present value: a statement that changes nothing would not write."""
    connection.execute(f"pragma user_version = {number(connection, 'user_version')}")
