"""A pool of connections to one PostgreSQL: kept open, replaced when they fail, limited in number."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias, cast

import asyncpg

from kana.store.session import Row

CONNECT_S = 1.0
"""How long a new connection may take."""

CONNECT_DOUBTED_S = 0.4
"""The same while the last attempt to reach the server failed."""

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


async def fetch(connection: Connection, sql: str, *bindings: object) -> list[Row]:
    """Return the rows of a statement, as ``rows`` reads them."""
    return cast(list[Row], await connection.fetch(sql, *bindings))


async def fetch_one(connection: Connection, sql: str, *bindings: object) -> Row | None:
    """Return the first row of a statement; None if there is none."""
    return cast(Row | None, await connection.fetchrow(sql, *bindings))


class Pool:
    """Lends connections. If one fails, all idle ones are closed too: a restart of the server ended them as well.

    The driver's own pool resets each connection's state on the server after each use, an extra round trip
    that is significant for such short transactions.
    """

    def __init__(self, connect: Callable[[], Awaitable[Connection]], *, size: int) -> None:
        self._connect = connect
        self._slots = asyncio.Semaphore(size)
        self._size = size
        self._idle: list[Connection] = []
        self._doubted = False

    @asynccontextmanager
    async def connection(self, *, fresh: bool = False) -> AsyncIterator[Connection]:
        """Lend a connection; one that is returned inside a transaction is not used again."""
        async with self._slots:
            connection = await self._take(fresh=fresh)
            try:
                yield connection
            finally:
                self._give_back(connection)

    def doubt(self) -> None:
        """Note that the server failed: close idle connections, and give new ones less time to connect."""
        self._doubted = True
        while self._idle:
            self._idle.pop().terminate()

    async def close(self) -> None:
        """Close all connections, once those in use are returned."""
        for _ in range(self._size):
            await self._slots.acquire()
        while self._idle:
            self._idle.pop().terminate()

    async def _take(self, *, fresh: bool) -> Connection:
        while self._idle and not fresh:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        try:
            async with asyncio.timeout(CONNECT_DOUBTED_S if self._doubted else CONNECT_S):
                connection = await self._connect()
        except BaseException:
            self.doubt()
            raise
        self._doubted = False
        return connection

    def _give_back(self, connection: Connection) -> None:
        if connection.is_closed():
            return
        if connection.is_in_transaction():
            connection.terminate()
        else:
            self._idle.append(connection)
