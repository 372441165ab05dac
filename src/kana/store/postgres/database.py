"""Transactions on one PostgreSQL: limited in time, repeated where that helps, with Kana's errors."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from kana.errors import OutcomeUnknown, Unavailable
from kana.store.postgres.faults import Failure, is_connection_gone, is_worth_another_try, translate
from kana.store.postgres.pool import Connection, Pool
from kana.store.postgres.statements import SESSION

_Result = TypeVar("_Result")
Work = Callable[[Connection], Awaitable[_Result]]

TRANSACTION_S = 1.8
"""How long one call may take, waiting and repeats included; a lost commit is investigated after that."""

CALL_S = 2.5
"""How long one call may take if it loses its connection in COMMIT."""

ASIDE_S = 60.0
"""The same for a list of up to 10,000 rows. An audit has no limit."""

TRIES = 5
"""How often a transaction is tried if it conflicts with another."""

_PAUSE_S = 0.01


class CommitLost(OutcomeUnknown):
    """The connection was lost between COMMIT and its answer."""


class Database:
    """Runs work in transactions on connections of a pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._refuses_writes = False

    async def write(self, work: Work[_Result], *, until: float | None = None) -> _Result:
        """Run work in a transaction; return its result after the commit is on disk.

        Work may run several times, each time on new reads; only the last time is written.
        ``until`` is a time of the loop's clock.

        Raises:
            Unavailable: nothing was written.
            CommitLost: it may have been written.
        """
        try:
            result = await self._write(work, until)
        except Unavailable:
            self._refuses_writes = True
            raise
        self._refuses_writes = False
        return result

    async def _write(self, work: Work[_Result], until: float | None) -> _Result:
        until = until or asyncio.get_running_loop().time() + TRANSACTION_S
        reconnected = False
        for number in range(1, TRIES + 1):
            try:
                return await self._write_once(work, until, fresh=reconnected)
            except Failure as error:
                stale = is_connection_gone(error) and not isinstance(error, TimeoutError)
                if number == TRIES or not (is_worth_another_try(error) or (stale and not reconnected)):
                    raise translate(error) from error
                reconnected = reconnected or stale
                await asyncio.sleep(random.random() * _PAUSE_S * number)  # noqa: S311 - jitter is no secret
        raise AssertionError("every try returns or raises")

    async def _write_once(self, work: Work[_Result], until: float | None, *, fresh: bool) -> _Result:
        committing = False
        try:
            async with asyncio.timeout_at(until), self._pool.connection(fresh=fresh) as connection:
                try:
                    await connection.execute("begin")
                    result = await work(connection)
                    committing = True
                    await connection.execute("commit")
                    return result
                except BaseException as error:
                    await _undo(connection, error)
                    raise
        except Failure as error:
            if is_connection_gone(error):
                self._pool.doubt()
                if committing:
                    raise CommitLost("the connection to PostgreSQL was lost while committing; retry") from error
            raise

    async def write_aside(self, work: Work[_Result]) -> _Result:
        """Run long work in one transaction, once, without a time limit.

        Raises:
            Unavailable: nothing was written.
            CommitLost: it may have been.
        """

        async def patiently(connection: Connection) -> _Result:
            await connection.execute(SESSION["take_time"])
            return await work(connection)

        try:
            return await self._write_once(patiently, None, fresh=False)
        except Failure as error:
            raise translate(error) from error

    async def read(self, work: Work[_Result]) -> _Result:
        """Run reads, all at the same moment, and once more on a new connection if the first one is dead."""
        return await self._read(work, seconds=TRANSACTION_S)

    async def read_aside(self, work: Work[_Result], *, unbounded: bool = False) -> _Result:
        """Run long reads, all at the same moment, with a limit of one minute, or none."""

        async def patiently(connection: Connection) -> _Result:
            await connection.execute(SESSION["take_time"])
            return await work(connection)

        return await self._read(patiently, seconds=None if unbounded else ASIDE_S)

    async def _read(self, work: Work[_Result], *, seconds: float | None) -> _Result:
        for fresh in (False, True):
            try:
                async with asyncio.timeout(seconds), self._pool.connection(fresh=fresh) as connection:
                    try:
                        await connection.execute("begin isolation level repeatable read, read only")
                        result = await work(connection)
                        await connection.execute("commit")
                        return result
                    except BaseException as error:
                        await _undo(connection, error)
                        raise
            except Failure as error:
                gone = is_connection_gone(error)
                if gone:
                    self._pool.doubt()
                if fresh or not gone or isinstance(error, TimeoutError):
                    raise translate(error) from error
        raise AssertionError("every try returns or raises")

    async def probe(self) -> None:
        """Return if the database can be read and, after a refused write, accepts one again.

        Raises:
            Unavailable: it cannot, or does not.
        """

        async def look(connection: Connection) -> None:
            await connection.fetch(SESSION["ping"])

        async def change(connection: Connection) -> None:
            await connection.execute(SESSION["try_to_write"])

        await self.read(look)
        if self._refuses_writes:
            await self.write(change)

    async def close(self) -> None:
        """Finish what is running and close all connections."""
        await self._pool.close()


async def _undo(connection: Connection, error: BaseException) -> None:
    """Roll back the transaction of a connection, or close it."""
    if isinstance(error, Exception) and not is_connection_gone(error) and not connection.is_closed():
        with suppress(*Failure):
            await connection.execute("rollback", timeout=0.5)
            return
    connection.terminate()
