"""The whole store on one PostgreSQL, sharded by Citus or not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Self

from kana.errors import DatabaseRefused
from kana.store.accounts import Accounts
from kana.store.audit import Audits
from kana.store.bulk_changes import BulkChanges
from kana.store.catalogs import Catalogs
from kana.store.colleagues import Colleagues
from kana.store.deletions import Deletions
from kana.store.exports import Exports
from kana.store.insights import Insights
from kana.store.keys import Keys
from kana.store.merges import Merges
from kana.store.notifications import Notifications
from kana.store.postgres.database import TRANSACTION_S, Database
from kana.store.postgres.faults import Failure, refuse_for_good, translate
from kana.store.postgres.ledger import PostgresLedger
from kana.store.postgres.migrate import check_server, migrate, read_lanes
from kana.store.postgres.moving import PostgresTables
from kana.store.postgres.pool import CONNECT_S, Connection, Pool
from kana.store.postgres.session import PostgresTransactions
from kana.store.postgres.sessions import PATIENT, SETTINGS, SHORT_PLANS, Sessions
from kana.store.reservations import Reservations
from kana.store.sealing import UNSEALED, Seal
from kana.store.segment import Segment
from kana.store.user_imports import UserImports
from kana.store.webhooks import Webhooks

POOL_SIZE = 10
"""Most connections of one process."""


class PostgresStore:
    """All of the engine's ports, on one PostgreSQL that many processes share."""

    def __init__(self, pool: Pool, *, lanes: Sequence[int] | None = None, seal: Seal = UNSEALED) -> None:
        self._database = database = Database(pool)
        transactions = PostgresTransactions(database)
        self.catalogs = catalogs = Catalogs(transactions, turns=asyncio.Lock)
        self.users = Accounts(transactions, catalogs)
        self.ledger = PostgresLedger(database, catalogs, lanes=lanes)
        self.insights = Insights(transactions)
        self.reservations = Reservations(transactions)
        self.notifications = Notifications(transactions)
        self.webhooks = Webhooks(transactions, seal)
        self.audits = Audits(transactions)
        self.keys = Keys(transactions, seal)
        self.colleagues = Colleagues(transactions)
        self.bulk_changes = BulkChanges(transactions, catalogs)
        self.imports = UserImports(transactions)
        self.merges = Merges(transactions, catalogs)
        self.exports = Exports(transactions)
        self.deletions = Deletions(transactions)
        self.segment = Segment(transactions)

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        wait_s: float = 0.0,
        on_wait: Callable[[str], None] = lambda _: None,
        size: int = POOL_SIZE,
        seal: Seal = UNSEALED,
    ) -> Self:
        """Return the store on a database, after updating its tables to this release.

        If the server is down, wait at most ``wait_s`` and call ``on_wait`` once for each reason.

        Raises:
            DatabaseRefused: it cannot be opened, is another program's, or is newer than this one.
            Unavailable: the server cannot be reached.
        """
        sessions = Sessions(url)
        connection = await _first(sessions, wait_s=wait_s, on_wait=on_wait)
        try:
            another = await sessions.open(PATIENT)  # Beside the first, whose mark it would see behind a pooler.
            await another.close()
            sharded = await check_server(connection)
            await migrate(connection, sharded=sharded)
            lanes = await read_lanes(connection) if sharded else None
        except Failure as error:
            raise refuse_for_good(error) or translate(error) from error
        finally:
            await connection.close()
        settings = SETTINGS if sharded else {**SETTINGS, **SHORT_PLANS}
        return cls(Pool(lambda: sessions.open(settings), size=size), lanes=lanes, seal=seal)

    @property
    def tables(self) -> PostgresTables:
        """All tables, to be copied as a whole."""
        return PostgresTables(self._database)

    async def probe(self) -> None:
        """See the port."""
        await self._database.probe()

    async def close(self) -> None:
        """See the port."""
        await self._database.close()


async def _first(sessions: Sessions, *, wait_s: float, on_wait: Callable[[str], None]) -> Connection:
    """Return a connection for setting up, without limits of time, once the server answers."""
    loop = asyncio.get_running_loop()
    until, pause, told = loop.time() + wait_s, 0.1, ""
    while True:
        try:
            async with asyncio.timeout(CONNECT_S + TRANSACTION_S):
                return await sessions.open(PATIENT)
        except Failure as error:
            if (refused := refuse_for_good(error)) is not None:
                raise refused from error
            failed = translate(error)
            if loop.time() + pause > until:
                raise failed if wait_s else DatabaseRefused(failed.message) from error
        if failed.message != told:
            told = failed.message
            on_wait(told)
        await asyncio.sleep(pause)
        pause = min(pause * 2, 2.0)
