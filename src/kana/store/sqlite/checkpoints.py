"""Checkpoints: copying the write-ahead log into the file on another thread, so that no commit waits for it.

By default SQLite lets the commit that fills the log copy it: in a file of a million users to thousands of
places, while everybody waits. What was committed is on disk before and after; a checkpoint only moves it.

SQLite starts the log over only when a transaction begins and nothing is left to copy. With a busy writer
something always is. So the last few pages are copied between two commits.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import apsw

from kana.store.sqlite.connection import StorageLost, translated
from kana.store.sqlite.files import Files, room

CHECKPOINT_PAGES = 4000
"""At which length the log is copied, while the writer goes on: 16 MB."""

LOG_BYTES = (CHECKPOINT_PAGES + 200) * (4096 + 24)
"""How large a log becomes, with what is written while it is copied; each page has a header of 24 bytes."""

TIGHT_PAGES = 100
"""The same on a nearly full disk: the log must not fill it, as copying the log needs space too."""

TIGHT_BYTES = 64 * 1024 * 1024
"""A disk with less free space than this is nearly full."""

LOG_PAGES_MAX = 16_000
"""From this length on, 64 MB, the writer waits until everything is copied."""

LEFT_MAX = 100
"""Most pages that the writer waits for, a few milliseconds."""

_PASSES = 8
_TRIES = 8  # Per doubling of the log, if a reader of an old state prevents it from starting over.

Between = Callable[[Callable[[], None]], None]
"""Runs a job between two commits, when no transaction is open."""


class Checkpointer:
    """Watches the commits of ``writer`` and copies on its own ``connection``.

    ``between`` runs a job between two commits; ``on_lost`` is called if the storage fails permanently.
    """

    def __init__(
        self, connection: apsw.Connection, *, writer: apsw.Connection, between: Between, on_lost: Callable[[str], None]
    ) -> None:
        self._connection = connection
        self._path = connection.filename
        self._between = between
        self._on_lost = on_lost
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="kana-checkpoint")
        self._under_way = False
        self._is_rescued = False
        self._pages = 0
        self._due = self._length = self._length_now()
        writer.set_wal_hook(self._committed)

    def _committed(self, _writer: apsw.Connection, _name: str, pages: int) -> int:
        """Handle a commit of SQLite, on any thread; the log now has ``pages``."""
        if pages <= self._pages:  # It has started over.
            self._due = self._length = self._length_now()
        self._pages = pages
        if pages >= self._due and not self._under_way:
            self._start(self._copy)
        return apsw.SQLITE_OK

    def _length_now(self) -> int:
        return TIGHT_PAGES if room(self._path) < TIGHT_BYTES else CHECKPOINT_PAGES

    def _start(self, copy: Callable[[], None]) -> None:
        self._under_way = True
        self._thread.submit(self._guarded, copy)

    def _copy(self) -> None:
        """Copy the log, and what was added meanwhile, until so little is left that the writer can wait for it."""
        for _ in range(_PASSES):
            pages, copied = self._connection.wal_checkpoint()
            if pages - copied <= LEFT_MAX or pages >= LOG_PAGES_MAX:
                self._between(lambda: self._guarded(self._copy_rest))
                return
        self._end(pages)

    def _copy_rest(self) -> None:
        pages, _ = self._connection.wal_checkpoint()
        self._end(pages)

    def _end(self, pages: int) -> None:
        self._due = pages + self._length // _TRIES
        self._under_way = False

    def _guarded(self, step: Callable[[], object]) -> None:
        try:
            step()
        except apsw.Error as error:
            self._under_way = False
            reason = translated(error)
            if isinstance(reason, StorageLost):  # Anything else, mostly another process's checkpoint, is temporary.
                self._on_lost(reason.message)

    def rescue(self, files: Files) -> None:
        """Copy what is still in the log into the file, through the open descriptors, if that is possible.

        For files that were removed: what was acknowledged before would be lost with this process.
        """
        if not self._is_rescued:
            self._is_rescued = True
            self._thread.submit(self._guarded, lambda: files.is_log_ours() and self._connection.wal_checkpoint())

    def finish(self) -> None:
        """Wait until the running checkpoint is done; no commit may follow."""
        self._thread.shutdown()
