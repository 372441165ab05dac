"""Copying whole tables in and out of a SQLite file, on a separate connection."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import islice
from typing import TypeVar

import apsw

from kana.store.moving import ROWS, Put, Rows, refuse_full
from kana.store.sqlite.connection import connect, translated
from kana.store.sqlite.statements import SQL
from kana.store.statements import read_statements

_COPY = read_statements("kana.store.sqlite", "copy.sql")
_Result = TypeVar("_Result")


class SqliteTables:
    """The tables of a file that a store has opened before, so that they are up to date."""

    def __init__(self, path: str) -> None:
        self._path = path

    async def read(self, put: Put) -> None:
        """See the port."""
        connection = await asyncio.to_thread(connect, self._path)
        try:
            await _aside(lambda: connection.execute("begin"))
            for (table,) in connection.execute(_COPY["list_tables"]).fetchall():
                await _read_table(connection, str(table), put)
        finally:
            connection.close(force=True)

    async def write(self, fill: Callable[[Put], Awaitable[None]]) -> None:
        """See the port."""
        connection = await asyncio.to_thread(connect, self._path)

        async def put(rows: Rows) -> None:
            columns, marks = ", ".join(rows.columns), ", ".join("?" * len(rows.columns))
            statement = _COPY["write_rows"].format(table=rows.table, columns=columns, marks=marks)
            await _aside(lambda: connection.executemany(statement, rows.rows))

        try:
            await _aside(lambda: connection.execute("begin immediate"))
            refuse_full(is_full=bool(connection.execute(SQL["load_workspace"]).fetchall()))
            await fill(put)
            await _aside(lambda: connection.execute("commit"))
        finally:
            connection.close(force=True)


async def _read_table(connection: apsw.Connection, table: str, put: Put) -> None:
    columns = [str(name) for (name,) in connection.execute(_COPY["list_columns"], (table,))]
    cursor = await _aside(lambda: connection.execute(_COPY["read_table"].format(table=table)))
    while found := await _aside(lambda: list(islice(cursor, ROWS))):
        await put(Rows(table, columns, found))


async def _aside(work: Callable[[], _Result]) -> _Result:
    """Run work on another thread, so that nobody waits for the disk."""
    try:
        return await asyncio.to_thread(work)
    except apsw.Error as error:
        raise translated(error) from error
