"""One connection to the file, as safe as SQLite can be: WAL, ``synchronous=FULL``, and errors in our words."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import apsw

from kana.errors import DatabaseRefused, Internal, KanaError, StorageFull, Unavailable

SQLITE_VERSION_MIN = 3_051_003
"""SQLite 3.7.0 to 3.51.2 can corrupt a WAL database that two connections write or checkpoint.

Source: sqlite.org/wal.html, "WAL-reset bug".
"""

APPLICATION_ID = 0x4B414E41  # "KANA"
"""Stands in the file's header, so that another program's database is not taken for ours."""

BUSY_TIMEOUT_MS = 2000
"""How long a connection waits for another process to finish writing."""

_PAUSE_MS = 10

_CACHE_KIB = 16_384  # For each connection: the system keeps the file too, and memory should not grow with it.

_LOST = (apsw.IOError, apsw.CorruptError, apsw.NotADBError, apsw.CantOpenError, apsw.ReadOnlyError)


_Result = TypeVar("_Result")


class StorageLost(Internal):
    """The storage lied or went away: after this nothing may be acknowledged any more."""


def connect(path: str, *, synchronous: str = "FULL") -> apsw.Connection:
    """Open the file, creating it if it is not there.

    Raises:
        DatabaseRefused: it is no database or another program's, which is left as it is, or the SQLite
            library is too old to be trusted with one.
    """
    if apsw.SQLITE_VERSION_NUMBER < SQLITE_VERSION_MIN:
        raise DatabaseRefused(f"SQLite {apsw.sqlite_lib_version()} can corrupt a database; 3.51.3 or newer is needed")
    try:
        connection = apsw.Connection(path)
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        # Or SQLite would plan a statement anew for each value bound to it: four fifths of the time of a look-up.
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
        if not _is_ours(connection):
            raise DatabaseRefused("the file is another program's database; Kana needs one of its own")
        _keep_a_log(connection)
        connection.execute(f"pragma synchronous = {synchronous}")
        connection.execute(f"pragma cache_size = -{_CACHE_KIB}")
    except apsw.Error as error:
        raise DatabaseRefused(f"cannot open the database {path}: {error}") from error
    return connection


def _keep_a_log(connection: apsw.Connection) -> None:
    """Have the file written by way of a log; of processes that say so of a new one at once, one goes first.

    SQLite does not wait for that one: both hold a lock that the other would have to wait for.
    """
    for _ in range(BUSY_TIMEOUT_MS // _PAUSE_MS):
        with suppress(apsw.BusyError):
            connection.execute("pragma journal_mode = wal")
            return
        time.sleep(_PAUSE_MS / 1000)
    connection.execute("pragma journal_mode = wal")


def _is_ours(connection: apsw.Connection) -> bool:
    # In this order, another process may make our tables while we ask.
    is_new = number(connection, "schema_version") == 0 and number(connection, "user_version") == 0
    return is_new or number(connection, "application_id") == APPLICATION_ID


def number(connection: apsw.Connection, pragma: str) -> int:
    """Return a number of the file's header."""
    [(found,)] = connection.execute(f"pragma {pragma}")
    return int(found)


def in_transaction(connection: apsw.Connection, work: Callable[[apsw.Connection], _Result], *, begin: str) -> _Result:
    """Run work in one transaction: committed and on disk when it ends well, undone when it does not.

    Raises:
        Unavailable, StorageFull: nothing was written; try again.
        StorageLost: nothing is acknowledged, and the store must not go on.
    """
    with UndoneOnError(connection):
        connection.execute(begin)
        result = work(connection)
        connection.execute("commit")
    return result


def begin_at_once(connection: apsw.Connection) -> bool:
    """Begin a write transaction; False, and nothing begun, where that would mean to wait or fails."""
    connection.set_busy_timeout(0)
    try:
        connection.execute("begin immediate")
    except apsw.Error:
        return False
    finally:
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
    return True


def run_begun(connection: apsw.Connection, work: Callable[[apsw.Connection], _Result]) -> _Result:
    """Run work in the transaction that has begun, and leave it open: ``commit`` ends it.

    Raises:
        Unavailable, StorageFull, StorageLost: as ``in_transaction``; the transaction is undone.
    """
    with UndoneOnError(connection):
        return work(connection)


def commit(connection: apsw.Connection) -> None:
    """Bring the open transaction to disk.

    Raises:
        Unavailable, StorageFull, StorageLost: as ``in_transaction``; the transaction is undone.
    """
    with UndoneOnError(connection):
        connection.execute("commit")


def empty_log(connection: apsw.Connection) -> None:
    """Bring the log into the file and give its room back to the disk, unless somebody reads an old moment.

    On a full disk before anything else is written: what the file has to grow by is little, and the next
    commit would take the last room for the log, which then could never be copied.

    Raises:
        StorageFull: there is not even room for that.
        StorageLost: as ``in_transaction``.
    """
    try:
        connection.wal_checkpoint()
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    except apsw.Error as error:
        reason = translated(error)
        if isinstance(reason, StorageFull | StorageLost):
            raise reason from error


class UndoneOnError:
    """Undoes the open transaction when the block does not end well, and says why in our words.

    A class, as a generator would cost as much as a statement.
    """

    __slots__ = ("_connection",)

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            roll_back(self._connection)
            if isinstance(error, apsw.Error):
                raise translated(error) from error


def roll_back(connection: apsw.Connection) -> None:
    """Undo the open transaction, if there is one."""
    with suppress(apsw.Error):  # What fails here has failed before, and that is what is told.
        if connection.in_transaction:
            connection.execute("rollback")


def translated(error: apsw.Error) -> KanaError:
    """Return SQLite's error in our words."""
    if isinstance(error, apsw.BusyError | apsw.LockedError):
        return Unavailable("the database is busy with another process; retry", retry_after_s=1)
    if isinstance(error, apsw.FullError):
        return StorageFull("the disk is full; nothing was recorded", retry_after_s=5)
    if isinstance(error, _LOST):
        return StorageLost(f"the storage failed: {error}")
    return Internal(f"SQLite refused a statement: {error}")
