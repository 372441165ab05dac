"""Looks for texts in every column of every table of a database, so that no table that is added is forgotten."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import apsw
import asyncpg

from tests.support.stores import Place, PostgresPlace, SqlitePlace


async def places_of(place: Place, texts: Iterable[str]) -> list[str]:
    """Return the tables and columns that contain one of the texts, in capitals or not."""
    looked_for = [text.lower() for text in texts]
    columns = await _on_postgres(place) if isinstance(place, PostgresPlace) else _on_sqlite(place)
    return [name for name, values in columns if any(text in value for text in looked_for for value in values)]


def _on_sqlite(place: Place) -> list[tuple[str, list[str]]]:
    """Return each column of each table, and the bytes of the file and its log themselves."""
    assert isinstance(place, SqlitePlace)
    connection = apsw.Connection(str(place.path))
    tables = connection.execute("select name from sqlite_schema where type = 'table'").fetchall()
    found = []
    for (table,) in tables:
        for _, column, *_ in connection.execute(f"pragma table_info({table})").fetchall():
            rows = connection.execute(f"select {column} from {table} where {column} is not null")
            found.append((f"{table}.{column}", _lower(rows.fetchall())))
    connection.close()
    files = [path for path in (place.path, Path(f"{place.path}-wal")) if path.exists()]
    return [*found, *((path.name, [path.read_bytes().decode("utf-8", "replace").lower()]) for path in files)]


async def _on_postgres(place: PostgresPlace) -> list[tuple[str, list[str]]]:
    connection = await asyncpg.connect(place.url, server_settings={"search_path": "kana"})
    columns = await connection.fetch(
        "select table_name, column_name from information_schema.columns where table_schema = 'kana'"
    )
    found = []
    for table, column in columns:
        rows = await connection.fetch(f'select "{column}"::text from {table} where "{column}" is not null')
        found.append((f"{table}.{column}", _lower(rows)))
    await connection.close()
    return found


def _lower(rows: Iterable[Any]) -> list[str]:
    return [str(row[0]).lower() for row in rows]
