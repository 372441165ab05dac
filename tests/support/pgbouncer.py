"""A real pgbouncer before a PostgreSQL, in whichever mode."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit, urlunsplit

from tests.support.postgres import POLL_S, START_TIMEOUT_S, Postgres, _account, _free_port
from tests.support.programs import pgbouncer


class PgBouncer:
    """Runs while its context does. ``settings`` are lines of its own configuration."""

    def __init__(self, postgres: Postgres, *, pool_mode: str, **settings: str) -> None:
        self._port = _free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="kana-pgbouncer-"))
        behind = urlsplit(postgres.admin_url)
        user = behind.username or "postgres"
        lines = {
            "listen_addr": "127.0.0.1",
            "listen_port": str(self._port),
            "unix_socket_dir": "",
            "auth_type": "trust",
            "auth_file": str(self._folder / "users"),
            "pool_mode": pool_mode,
            **settings,
        }
        secret = f" password={behind.password}" if behind.password else ""
        database = f"* = host={behind.hostname} port={behind.port or 5432} user={user}{secret}"
        configuration = "\n".join(f"{name} = {value}" for name, value in lines.items())
        (self._folder / "users").write_text(f'"{user}" ""\n')
        (self._folder / "pgbouncer.ini").write_text(f"[databases]\n{database}\n[pgbouncer]\n{configuration}\n")

    def __enter__(self) -> Self:
        account = _account()
        if account is not None:  # It refuses to run as root.
            for path in (self._folder, *self._folder.iterdir()):
                os.chown(path, account.pw_uid, account.pw_gid)
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [str(pgbouncer()), str(self._folder / "pgbouncer.ini")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                user=account.pw_uid if account else None,
                group=account.pw_gid if account else None,
                extra_groups=[] if account else None,
            )
        self._wait_until_it_answers()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(START_TIMEOUT_S)
        shutil.rmtree(self._folder, ignore_errors=True)

    def url(self, database_url: str) -> str:
        """Return the way to a database by way of this."""
        behind = urlsplit(database_url)
        return urlunsplit(behind._replace(netloc=f"{behind.username or 'postgres'}@127.0.0.1:{self._port}"))

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self._port)).close()
            except OSError:
                time.sleep(POLL_S)
            else:
                return
        raise RuntimeError(f"pgbouncer does not run:\n{(self._folder / 'log').read_text()}")
