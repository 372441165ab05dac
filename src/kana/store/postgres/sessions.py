"""Sessions that are as Kana needs them, whatever stands between it and PostgreSQL, and refused where they cannot be.

What matters is set by statements and read back, on each new connection: a pooler refuses or forgets what is asked
for while connecting. One that gives each transaction another of its connections cannot keep a session at all. It
is found out by marks: every session of ours is marked, and none may see another's, or miss its own.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import asyncpg

from kana.errors import DatabaseRefused
from kana.store.postgres.pool import Connection
from kana.store.postgres.statements import SESSION

SETTINGS = {
    "search_path": "kana",
    "synchronous_commit": "on",  # An answer stands for what is on disk, whatever the server's own setting.
    "statement_timeout": "1500ms",
    "lock_timeout": "1200ms",  # Less than a statement may take, so that who waits is told for what.
    "idle_in_transaction_session_timeout": "3s",  # A process that vanished holds its locks no longer.
    "jit": "off",
}
"""What every session is set to. Each is read back as it is written here."""

SHORT_PLANS = {
    # Every statement of the hot path finds some rows by their whole key. A plan made while a table was
    # small must not read all of it when it has grown.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}
"""The same, on a database that is not sharded."""

PATIENT = {"search_path": "kana", "synchronous_commit": "on", "statement_timeout": "0", "lock_timeout": "0"}
"""For setting up: nothing is limited in time."""

_WIRE = {
    "tcp_user_timeout": "3000",  # ms
    "tcp_keepalives_idle": "5",  # s
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
}
"""The server's end of the wire. Read back as 0 where there is none, as on a socket of the machine's own."""

_MARK = "kana.session"

_POOLED = frozenset({"26000", "42P05", "08P01"})
"""What a pooler's other connection says to statements that were prepared on the first, and a pooler by itself."""

_NO_TRANSACTIONS = "not allowed in statement pooling mode"


class Sessions:
    """Opens connections to one database, each with its session set up and seen to hold."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._marks: set[str] = set()

    async def open(self, settings: Mapping[str, str]) -> Connection:
        """Return a connection to the server that takes writes, of several that the URL may name.

        Raises:
            DatabaseRefused: what stands between does not keep a session.
        """
        connection = await _connect(self._url)
        try:
            await self._set_up(connection, settings)
        except asyncpg.PostgresError as error:
            connection.terminate()
            if error.sqlstate in _POOLED or _NO_TRANSACTIONS in str(error):
                raise _pooled() from error
            raise
        except BaseException:
            connection.terminate()
            raise
        return connection

    async def _set_up(self, connection: Connection, settings: Mapping[str, str]) -> None:
        mark = secrets.token_hex(8)
        wanted = {**_WIRE, **settings, _MARK: mark}
        async with connection.transaction():  # Within which every pooler stays with one connection.
            seen = await connection.fetchval(SESSION["load_setting"], _MARK)
            await connection.fetch(SESSION["set_settings"], list(wanted), list(wanted.values()))
        found = await self._settings_of(connection, list(settings))
        if seen in self._marks or found.pop(_MARK) != mark:
            raise _pooled()
        if different := [name for name in settings if found[name] != settings[name]]:
            name = different[0]
            raise DatabaseRefused(
                f"PostgreSQL keeps {name} at {found[name]!r} for us, not {settings[name]!r}; without that nothing"
                " that is answered would be sure"
            )
        self._marks.add(mark)
        connection.add_termination_listener(lambda _: self._marks.discard(mark))

    async def _settings_of(self, connection: Connection, names: list[str]) -> dict[str, str]:
        async with connection.transaction():
            rows = await connection.fetch(SESSION["load_settings"], [_MARK, *names])
        return {str(name): str(value) for name, value in rows}


async def _connect(url: str) -> Connection:
    options: dict[str, Any] = {} if "target_session_attrs" in url else {"target_session_attrs": "read-write"}
    return await asyncpg.connect(
        url,
        server_settings={"application_name": "kana"},
        command_timeout=None,  # A whole call has a limit; see Database.
        statement_cache_size=200,
        max_cached_statement_lifetime=0,
        **options,
    )


def _pooled() -> DatabaseRefused:
    return DatabaseRefused(
        "KANA_DATABASE_URL leads to a pooler that gives each transaction another connection (pool_mode=transaction"
        " or statement); Kana needs its sessions, for prepared statements and for synchronous_commit: set"
        " pool_mode=session for its database, or connect to PostgreSQL itself"
    )
