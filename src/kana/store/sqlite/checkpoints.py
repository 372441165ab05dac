"""Bringing the write-ahead log into the file beside the writer, so that no commit waits for it.

Left to itself SQLite has the commit that fills the log copy it: in a file of a million users to thousands of
places, while everybody waits. What was committed is on disk before and after; a checkpoint only moves it.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import apsw

from kana.store.sqlite.connection import StorageLost, translated
from kana.store.sqlite.files import Files

CHECKPOINT_PAGES = 4000
"""How long the log grows before it is copied beside the writer: 16 MB."""

LOG_PAGES_MAX = 16_000
"""At this length, 64 MB, the writer copies what is left itself, so that the log begins anew however busy it is."""

_PASSES = 4
_LEFT = 50  # Pages that the next pass would hardly be quicker for.


class Checkpointer:
    """Watches the commits of ``writer`` and copies on ``connection``, which is its own.

    ``on_lost`` is told when the storage fails for good.
    """

    def __init__(self, connection: apsw.Connection, *, writer: apsw.Connection, on_lost: Callable[[str], None]) -> None:
        self._connection = connection
        self._on_lost = on_lost
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="kana-checkpoint")
        self._under_way = False
        self._is_rescued = False
        self._due = CHECKPOINT_PAGES
        writer.set_wal_hook(self._committed)

    def _committed(self, writer: apsw.Connection, _name: str, pages: int) -> int:
        """SQLite has committed, on whatever thread that was, and its log is so long now."""
        if pages < CHECKPOINT_PAGES:
            self._due = CHECKPOINT_PAGES  # It has begun anew.
        elif pages >= LOG_PAGES_MAX:
            self._guarded(writer.wal_checkpoint)
        elif pages >= self._due and not self._under_way:
            self._under_way = True
            self._thread.submit(self._guarded, self._copy)
        return apsw.SQLITE_OK

    def _copy(self) -> None:
        """Copy the log, and what came meanwhile, until so little is left that the writer can begin it anew."""
        try:
            for _ in range(_PASSES):
                pages, copied = self._connection.wal_checkpoint()
                self._due = pages + CHECKPOINT_PAGES
                if pages - copied <= _LEFT:
                    return
        finally:
            self._under_way = False

    def _guarded(self, step: Callable[[], object]) -> None:
        try:
            step()
        except apsw.Error as error:
            reason = translated(error)
            if isinstance(reason, StorageLost):  # All else, another process's checkpoint above all, passes.
                self._on_lost(reason.message)

    def rescue(self, files: Files) -> None:
        """Bring into the file what the log still holds, through what is open of both, if that can be done.

        For files that were taken away: what was acknowledged before would be gone with this process.
        """
        if not self._is_rescued:
            self._is_rescued = True
            self._thread.submit(self._guarded, lambda: files.is_log_ours() and self._connection.wal_checkpoint())

    def finish(self) -> None:
        """Return when what is under way is done; no commit may follow."""
        self._thread.shutdown()
