"""What PostgreSQL does for statements over everything: the rows it touches grow as the tables do."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from kana.store.postgres import PostgresStore
from kana.store.postgres.sessions import SETTINGS, SHORT_PLANS
from kana.store.postgres.statements import SESSION, SQL
from tests.store.whole import OVER_ALL, questions, rows
from tests.support.postgres import Postgres

USERS, TIMES = 1000, 4

ROW_BY_ROW = "select (select count(*) from users as o where o.user_key + u.user_key < 0) from users as u"
"""What must be found: all users are read for each user."""

Sizes = list[tuple[int, asyncpg.Connection]]


@pytest.fixture
async def sizes(postgres_server: Postgres) -> AsyncIterator[Sizes]:
    """A database of so many users and one of four times as many, in a transaction over whole tables."""
    found = []
    for users in (USERS, USERS * TIMES):
        url = postgres_server.create_database()
        await (await PostgresStore.open(url)).close()
        connection = await asyncpg.connect(url, server_settings={**SETTINGS, **SHORT_PLANS})
        for table, lines in rows(users).items():
            await connection.copy_records_to_table(table, records=lines)
        await connection.execute("analyze")
        await connection.execute("begin")
        await connection.execute(SESSION["take_time"])
        found.append((users, connection))
    yield found
    for _, connection in found:
        await connection.close()


async def rowstouched(connection: asyncpg.Connection, sql: str, bindings: tuple[Any, ...]) -> int:
    """How many rows all steps of a statement gave or threw away together."""
    [(text,)] = await connection.fetch(f"explain (analyze, timing off, format json) {sql}", *bindings)
    return touched(json.loads(text)[0]["Plan"])


def touched(node: dict[str, Any]) -> int:
    """How many rows a step and those below it gave or threw away."""
    thrown = sum(count for name, count in node.items() if name.startswith("Rows Removed by"))
    mine = int((node["Actual Rows"] + thrown) * node["Actual Loops"])
    return mine + sum(map(touched, node.get("Plans", [])))


async def test_work_grows_as_the_tables_do(sizes: Sizes) -> None:
    """With four times the rows in the tables, four times the rows to touch, whatever is asked of them."""
    growth = {}
    for name in OVER_ALL:
        small, large = [
            await rowstouched(connection, SQL[name], questions(users, array=list).get(name, ()))
            for users, connection in sizes
        ]
        growth[name] = large / small
    assert {name: times for name, times in growth.items() if times > TIMES * 1.5} == {}


async def test_work_that_grows_faster_is_seen(sizes: Sizes) -> None:
    """The control: row by row it grows with the square."""
    small, large = [await rowstouched(connection, ROW_BY_ROW, ()) for _, connection in sizes]
    assert large > small * TIMES * 2
