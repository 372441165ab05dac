"""A connection to the file, as safe as SQLite can be: WAL, ``synchronous=FULL``, and Kana's errors."""

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
"""A number in the file's header, so that another program's database is not mistaken for Kana's."""

BUSY_TIMEOUT_MS = 2000
"""How long a connection waits for another process to finish writing."""

_PAUSE_MS = 10

_CACHE_KIB = 16_384  # For each connection; the system caches the file too, and memory should not grow with it.

_LOST = (apsw.IOError, apsw.CorruptError, apsw.NotADBError, apsw.CantOpenError, apsw.ReadOnlyError)


_Result = TypeVar("_Result")


class StorageLost(Internal):
    """The storage failed or is gone: after this nothing more may be acknowledged."""


def connect(path: str, *, synchronous: str = "FULL") -> apsw.Connection:
    """Open the file, creating it if it does not exist.

    Raises:
        DatabaseRefused: it is not a database or is another program's, which is left unchanged, or the SQLite
            library is too old to be safe.
    """
    if apsw.SQLITE_VERSION_NUMBER < SQLITE_VERSION_MIN:
        raise DatabaseRefused(f"SQLite {apsw.sqlite_lib_version()} can corrupt a database; 3.51.3 or newer is needed")
    try:
        connection = apsw.Connection(path)
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        # Otherwise SQLite plans a statement again for each bound value: four fifths of the time of a look-up.
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
        if not _is_ours(connection):
            raise DatabaseRefused("the file is another program's database; Kana needs its own file")
        _keep_a_log(connection)
        connection.execute(f"pragma synchronous = {synchronous}")
        connection.execute(f"pragma cache_size = -{_CACHE_KIB}")
    except apsw.Error as error:
        raise DatabaseRefused(f"cannot open the database {path}: {error}") from error
    return connection


def _keep_a_log(connection: apsw.Connection) -> None:
    """Switch the file to a write-ahead log; if several processes do so at the same time, one goes first.

    SQLite does not wait for that one, since both hold a lock that the other would have to wait for.
    """
    for _ in range(BUSY_TIMEOUT_MS // _PAUSE_MS):
        with suppress(apsw.BusyError):
            connection.execute("pragma journal_mode = wal")
            return
        time.sleep(_PAUSE_MS / 1000)
    connection.execute("pragma journal_mode = wal")


def _is_ours(connection: apsw.Connection) -> bool:
    # In this order, since another process may create the tables meanwhile.
    is_new = number(connection, "schema_version") == 0 and number(connection, "user_version") == 0
    return is_new or number(connection, "application_id") == APPLICATION_ID


def number(connection: apsw.Connection, pragma: str) -> int:
    """Return a number of the file's header."""
    [(found,)] = connection.execute(f"pragma {pragma}")
    return int(found)


def in_transaction(connection: apsw.Connection, work: Callable[[apsw.Connection], _Result], *, begin: str) -> _Result:
    """Run work in one transaction: committed and on disk if it succeeds, rolled back if it does not.

    Raises:
        Unavailable, StorageFull: nothing was written; try again.
        StorageLost: nothing is acknowledged, and the store must not continue.
    """
    with UndoneOnError(connection):
        connection.execute(begin)
        result = work(connection)
        connection.execute("commit")
    return result


def begin_at_once(connection: apsw.Connection) -> bool:
    """Begin a write transaction; return False, with nothing begun, if that would have to wait or fails."""
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
    """Commit the open transaction to disk.

    Raises:
        Unavailable, StorageFull, StorageLost: as ``in_transaction``; the transaction is undone.
    """
    with UndoneOnError(connection):
        connection.execute("commit")


def empty_log(connection: apsw.Connection) -> None:
    """Copy the log into the file and free its space on the disk, unless somebody reads an old state.

    On a full disk this comes before any other write: the file grows only a little, and the next commit
    would use the last space for the log, which then could never be copied.

    Raises:
        StorageFull: there is not even space for that.
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
    """Rolls back the open transaction if the block fails, and raises Kana's error for it.

    A class, because a generator would cost as much as a statement.
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
    with suppress(apsw.Error):  # What fails here has failed before, and that error is reported.
        if connection.in_transaction:
            connection.execute("rollback")


def translated(error: apsw.Error) -> KanaError:
    """Return Kana's error for one of SQLite's."""
    if isinstance(error, apsw.BusyError | apsw.LockedError):
        return Unavailable("the database is busy with another process; retry", retry_after_s=1)
    if isinstance(error, apsw.FullError):
        return StorageFull("the disk is full; nothing was recorded", retry_after_s=5)
    if isinstance(error, _LOST):
        return StorageLost(f"the storage failed: {error}")
    return Internal(f"SQLite refused a statement: {error}")
