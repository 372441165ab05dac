"""Bringing the write-ahead log into the file beside the writer, so that no commit waits for it.

Left to itself SQLite has the commit that fills the log copy it: in a file of a million users to thousands of
places, while everybody waits. What was committed is on disk before and after; a checkpoint only moves it.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import apsw

from kana.store.sqlite.connection import StorageLost, connect, translated

CHECKPOINT_PAGES = 4000
"""How long the log grows before it is copied beside the writer: 16 MB."""

LOG_PAGES_MAX = 16_000
"""At this length, 64 MB, the writer copies what is left itself, so that the log begins anew however busy it is."""

_PASSES = 4
_LEFT = 50  # Pages that the next pass would hardly be quicker for.


class Checkpointer:
    """Watches the commits of one connection. ``on_lost`` is told when the storage fails for good."""

    def __init__(self, path: str, writer: apsw.Connection, *, on_lost: Callable[[str], None]) -> None:
        self._path = path
        self._on_lost = on_lost
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="kana-checkpoint")
        self._connection: apsw.Connection | None = None
        self._under_way = False
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
            if self._connection is None:
                self._connection = connect(self._path)
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

    def close(self, *, keep_log: bool) -> None:
        """Finish what is under way and let go of the file; with ``keep_log`` its log is left as it is."""
        self._thread.shutdown()
        if self._connection is not None:
            self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keep_log)
            self._connection.close()
