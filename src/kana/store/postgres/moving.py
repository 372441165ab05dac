"""Copying whole tables in and out of PostgreSQL: a cursor reads them, COPY writes them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from kana.store.moving import ROWS, Put, Rows, refuse_full
from kana.store.postgres.database import Database
from kana.store.postgres.pool import Connection, fetch
from kana.store.postgres.statements import SESSION, SQL
from kana.store.statements import read_statements

_COPY = read_statements("kana.store.postgres", "copy.sql")


class PostgresTables:
    """The tables of a database that a store has opened before, so that they are up to date."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, put: Put) -> None:
        """See the port."""

        async def work(connection: Connection) -> None:
            for (table,) in await fetch(connection, _COPY["list_tables"]):
                cursor = await connection.cursor(_COPY["read_table"].format(table=table))
                while found := await cursor.fetch(ROWS):
                    await put(Rows(table, list(found[0].keys()), [tuple(row) for row in found]))

        await self._database.read_aside(work, unbounded=True)

    async def write(self, fill: Callable[[Put], Awaitable[None]]) -> None:
        """See the port."""

        async def work(connection: Connection) -> None:
            async def put(rows: Rows) -> None:
                await connection.copy_records_to_table(rows.table, columns=rows.columns, records=rows.rows)

            await connection.execute(SESSION["lock_migrations"])
            refuse_full(is_full=bool(await fetch(connection, SQL["load_workspace"])))
            await fill(put)

        await self._database.write_aside(work)
