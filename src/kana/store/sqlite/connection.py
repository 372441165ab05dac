"""One connection to the file, as safe as SQLite can be: WAL, ``synchronous=FULL``, and errors in our words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import apsw

from kana.errors import DatabaseRefused, Internal, StorageFull, Unavailable

SQLITE_VERSION_MIN = 3_051_003
"""SQLite 3.7.0 to 3.51.2 can corrupt a WAL database that two connections write or checkpoint.

Source: sqlite.org/wal.html, "WAL-reset bug".
"""

BUSY_TIMEOUT_MS = 2000
"""How long a connection waits for another process to finish writing."""

_CACHE_KIB = 65_536
_CHECKPOINT_PAGES = 4000  # 16 MB of write-ahead log between two checkpoints.

_LOST = (apsw.IOError, apsw.CorruptError, apsw.NotADBError, apsw.CantOpenError, apsw.ReadOnlyError)


class StorageLost(Internal):
    """The storage lied or went away: after this nothing may be acknowledged any more."""


def connect(path: str, *, synchronous: str = "FULL") -> apsw.Connection:
    """Open the file, creating it if it is not there.

    Raises:
        DatabaseRefused: it is no database, or the SQLite library is too old to be trusted with one.
    """
    if apsw.SQLITE_VERSION_NUMBER < SQLITE_VERSION_MIN:
        raise DatabaseRefused(f"SQLite {apsw.sqlite_lib_version()} can corrupt a database; 3.51.3 or newer is needed")
    try:
        connection = apsw.Connection(path)
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        connection.execute("pragma journal_mode = wal")
        connection.execute(f"pragma synchronous = {synchronous}")
        connection.execute(f"pragma cache_size = -{_CACHE_KIB}")
        connection.execute(f"pragma wal_autocheckpoint = {_CHECKPOINT_PAGES}")
    except apsw.Error as error:
        raise DatabaseRefused(f"cannot open the database {path}: {error}") from error
    return connection


@contextmanager
def transaction(connection: apsw.Connection, *, write: bool = True) -> Iterator[None]:
    """Run a block in one transaction: committed and on disk when it ends well, undone when it does not.

    Raises:
        Unavailable, StorageFull: nothing was written; try again.
        StorageLost: nothing is acknowledged, and the store must not go on.
    """
    with translated():
        connection.execute("begin immediate" if write else "begin")
        try:
            yield
            connection.execute("commit")
        except BaseException:
            with suppress(apsw.Error):
                if connection.in_transaction:
                    connection.execute("rollback")
            raise


@contextmanager
def translated() -> Iterator[None]:
    """Turn SQLite's errors into ours."""
    try:
        yield
    except (apsw.BusyError, apsw.LockedError) as error:
        raise Unavailable("the database is busy with another process; retry", retry_after_s=1) from error
    except apsw.FullError as error:
        raise StorageFull("the disk is full; nothing was recorded", retry_after_s=5) from error
    except _LOST as error:
        raise StorageLost(f"the storage failed: {error}") from error
    except apsw.Error as error:
        raise Internal(f"SQLite refused a statement: {error}") from error
