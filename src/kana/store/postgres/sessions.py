"""Sessions with the settings that Kana needs, even behind a pooler; refused if that is impossible.

What matters is set by statements and read back, on each new connection: a pooler refuses or drops what is requested
while connecting. A pooler that gives each transaction another connection cannot keep a session at all. It is detected
by marks: every session gets a mark, and none may see another's or lose its own.
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
    "synchronous_commit": "on",  # An answer means that the entry is on disk, whatever the server's own setting.
    "statement_timeout": "1500ms",
    "lock_timeout": "1200ms",  # Less than a statement may take, so that the error names the lock.
    "idle_in_transaction_session_timeout": "3s",  # A process that vanished does not keep its locks longer.
    "jit": "off",
}
"""The settings of every session. Each must be read back exactly as written here."""

SHORT_PLANS = {
    # Every statement of the hot path finds a few rows by their whole key. A plan made while a table was
    # small must not read the whole table when it has grown.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}
"""More settings, on a database that is not sharded."""

PATIENT = {"search_path": "kana", "synchronous_commit": "on", "statement_timeout": "0", "lock_timeout": "0"}
"""The settings while setting up, without time limits."""

_WIRE = {
    "tcp_user_timeout": "3000",  # ms
    "tcp_keepalives_idle": "5",  # s
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
}
"""TCP settings of the server's end. They are read back as 0 on a local socket."""

_MARK = "kana.session"

_POOLED = frozenset({"26000", "42P05", "08P01"})
"""Errors for statements that were prepared on another connection of a pooler, and of a pooler itself."""

_NO_TRANSACTIONS = "not allowed in statement pooling mode"


class Sessions:
    """Opens connections to one database, each with its session set up and checked."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._marks: set[str] = set()

    async def open(self, settings: Mapping[str, str]) -> Connection:
        """Return a connection to the server that accepts writes; the URL may name several servers.

        Raises:
            DatabaseRefused: a pooler in between does not keep a session.
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
        async with connection.transaction():  # Within a transaction every pooler uses one connection.
            seen = await connection.fetchval(SESSION["load_setting"], _MARK)
            await connection.fetch(SESSION["set_settings"], list(wanted), list(wanted.values()))
        found = await self._settings_of(connection, list(settings))
        if seen in self._marks or found.pop(_MARK) != mark:
            raise _pooled()
        if different := [name for name in settings if found[name] != settings[name]]:
            name = different[0]
            raise DatabaseRefused(
                f"PostgreSQL keeps {name} at {found[name]!r} and not at {settings[name]!r}; without that no answer"
                " would be reliable"
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
        command_timeout=None,  # The limit is for a whole call; see Database.
        statement_cache_size=200,
        max_cached_statement_lifetime=0,
        **options,
    )


def _pooled() -> DatabaseRefused:
    return DatabaseRefused(
        "KANA_DATABASE_URL leads to a pooler that gives each transaction another connection (pool_mode=transaction"
        " or statement); Kana needs sessions for prepared statements and for synchronous_commit: set"
        " pool_mode=session for its database, or connect to PostgreSQL directly"
    )
