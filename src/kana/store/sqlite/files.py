"""The files of a database: who may read them, which server has them, and whether they are still the same.

A file is identified by device and inode and never by its name: a name can be given to another file or removed
from an open one, and one file can have several names.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from kana.errors import DatabaseRefused

MODE = 0o600
"""The mode of a new database, for its owner only. SQLite gives its log and its index the same mode."""

Identity: TypeAlias = tuple[int, int]

_LOG, _INDEX = "-wal", "-shm"
_LOG_MAGIC, _LOG_MAGIC_SWAPPED = bytes.fromhex("377f0682"), bytes.fromhex("377f0683")  # sqlite.org/fileformat2.html
_LOCK_BYTE = 1 << 62
"""Far beyond the bytes that SQLite locks, which are at 1 GiB, so its locks and this one never collide."""

_held: set[Identity] = set()
"""Databases that this process serves: closing another descriptor of them would drop SQLite's locks."""


class Files:
    """A database's file, its log and its index, as they were when it was opened."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._main = os.path.realpath(path)
        self._log, self._index = self._main + _LOG, self._main + _INDEX
        self._known = self._look()
        self._open_log = os.open(self._log, os.O_RDONLY | os.O_CLOEXEC)
        self._has_begun = False

    def fault(self) -> str | None:
        """Return a sentence about what happened to the files since they were opened; None while they are the same."""
        now = self._look()
        if now != self._known:
            [path, *_] = (path for path, was in self._known.items() if now[path] != was)
            return f"{self._described(path)} was replaced or removed while open"
        if not self._is_log_whole():
            return f"{self._described(self._log)} was emptied while open"
        return None

    def is_log_ours(self) -> bool:
        """Whether the log can still be copied into its file: it is complete, and nobody created another."""
        now = self._look()
        return self._is_log_whole() and all(now[path] in (None, self._known[path]) for path in (self._log, self._index))

    def room(self) -> int:
        """Return the free space on the disk in bytes."""
        return room(self._main)

    def close(self) -> None:
        """Stop watching."""
        os.close(self._open_log)

    def _look(self) -> dict[str, Identity | None]:
        return {path: identity(path) for path in (self._path, self._main, self._log, self._index)}

    def _is_log_whole(self) -> bool:
        """Whether it begins like a log, is empty as after another program's checkpoint, or nothing was in it yet."""
        head = os.pread(self._open_log, len(_LOG_MAGIC), 0)
        if head in (_LOG_MAGIC, _LOG_MAGIC_SWAPPED):
            self._has_begun = True
            return True
        return head == b"" or not self._has_begun

    def _described(self, path: str) -> str:
        if path == self._log:
            return f"the database's log {path}"
        if path == self._index:
            return f"the log's index {path}"
        return f"the database file {path}"


def identity(path: str) -> Identity | None:
    """Return what identifies a file, whatever its name; None if it does not exist."""
    try:
        status = os.stat(path)  # noqa: PTH116 - for every transaction, and a Path costs more than the call
    except OSError:
        return None
    return status.st_dev, status.st_ino


def room(path: str) -> int:
    """Return the free space on the disk of a file in bytes."""
    disk = os.statvfs(path)
    return disk.f_bavail * disk.f_frsize


def make_private(path: str) -> None:
    """Create the file unless it exists, readable only by its owner from the first byte."""
    try:
        os.close(os.open(os.path.realpath(path), os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, MODE))
    except FileExistsError:
        pass
    except OSError as error:
        raise DatabaseRefused(f"cannot open the database {path}: {error.strerror}") from error


def make_log(path: str, *, size: int) -> None:
    """Create the log in full size before it is needed, unless there is one or the disk has little space.

    Writing within a file takes the disk half as long as extending it. SQLite treats a log of zeros as empty.
    It gets its name only when it is complete, so that nobody opens half of it.
    """
    main = os.path.realpath(path)
    draft = f"{main}{_LOG}-new"
    if Path(main + _LOG).exists() or room(main) < size * 64:
        return
    with suppress(OSError):  # It also works without, slightly slower.
        try:
            made = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _mode(main))
            with os.fdopen(made, "wb") as log:
                log.write(bytes(size))
                log.flush()
                os.fsync(made)
            Path(main + _LOG).hardlink_to(draft)
        finally:
            Path(draft).unlink()


def readable_by_others(path: str) -> str | None:
    """Return a warning about files of the database that other users of the machine may access, or None."""
    main = os.path.realpath(path)
    modes = {each: _mode(each) for each in (main, main + _LOG, main + _INDEX)}
    open_ones = [each for each, mode in modes.items() if mode & 0o077]
    if not open_ones:
        return None
    return (
        f"{open_ones[0]} can be read by other users of this machine (mode {modes[open_ones[0]]:04o}),"
        f" and it contains secrets: chmod 600 {' '.join(open_ones)}"
    )


def _mode(path: str) -> int:
    try:
        return stat.S_IMODE(Path(path).stat().st_mode)
    except OSError:
        return 0


class ServerLock:
    """The lock of the one server of a database, until it is closed: a lock file, and a lock on the file itself.

    The lock file says which process it is and that there was a database here, and protects its creation. The
    lock on the database works whatever name is used for it, and whatever happens to the lock file.

    Raises:
        DatabaseRefused: another server has it, the folder cannot be written, or a server had a database here
            before and it is missing: an empty one in its place would look like lost data.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._main = os.path.realpath(path)
        self._file = self._database = -1
        self._identity: Identity | None = None
        try:
            self._take_database()  # First, so that a refused server leaves no lock file next to another name.
            self._take_file()
            if self._database < 0:
                self._make_database()
        except BaseException:
            self.close()
            raise

    def sign(self) -> None:
        """Write into the lock file which process serves the database, which exists by now.

        Raises:
            DatabaseRefused: the name was given to another file after the lock was taken.
        """
        if identity(self._main) != self._identity:
            raise DatabaseRefused(f"the database {self._path} was replaced while it was opened")
        os.truncate(self._file, 0)
        os.pwrite(self._file, str(os.getpid()).encode(), 0)

    def close(self) -> None:
        """Release the lock. Call it only when no connection to the database is open: SQLite's locks go too."""
        for descriptor in (self._file, self._database):
            if descriptor >= 0:
                os.close(descriptor)
        if self._identity is not None:
            _held.discard(self._identity)
        self._file = self._database = -1
        self._identity = None

    def _take_file(self) -> None:
        try:
            self._file = os.open(f"{self._main}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, MODE)
        except OSError as error:
            raise DatabaseRefused(f"cannot open the database {self._path}: {error.strerror}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise self._served_already() from error

    def _make_database(self) -> None:
        if os.fstat(self._file).st_size and not Path(self._main).exists():
            raise DatabaseRefused(
                f"the database {self._path} is missing, though a server used one here; restore it,"
                " or start over with `kana init`"
            )
        make_private(self._main)
        self._take_database()

    def _take_database(self) -> None:
        found = identity(self._main)
        if found is None:
            return
        if found in _held:
            raise self._served_already()
        try:
            self._database = os.open(self._main, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise DatabaseRefused(f"cannot open the database {self._path}: {error.strerror}") from error
        try:
            _lock_for_itself(self._database)
        except OSError as error:
            raise self._served_already() from error
        status = os.fstat(self._database)
        self._identity = status.st_dev, status.st_ino
        _held.add(self._identity)

    def _served_already(self) -> DatabaseRefused:
        try:
            holder = Path(f"{self._main}.lock").read_text(encoding="ascii").strip()
        except OSError:
            holder = ""
        by = f"process {holder}" if holder else "another process"
        return DatabaseRefused(
            f"the database {self._path} is already served by {by}; SQLite allows one server,"
            " PostgreSQL many (KANA_DATABASE_URL=postgresql://…)"
        )


def _lock_for_itself(descriptor: int) -> None:
    """Lock one byte of the file for this descriptor, if no other has it.

    This lock belongs to the open file and not to the process, as SQLite's do: those end when any descriptor of
    the file is closed. If the system has no such locks, the lock file has to be enough.
    """
    command = getattr(fcntl, "F_OFD_SETLK", None)
    if command is None:
        return
    try:
        fcntl.fcntl(descriptor, command, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, _LOCK_BYTE, 1, 0))
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            raise
