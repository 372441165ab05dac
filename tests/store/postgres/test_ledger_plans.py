"""What a search of a ledger costs on PostgreSQL: it goes through the primary key, and stops at the end of its page."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from kana.model.entitlement import Outcome
from kana.store.postgres import PostgresStore
from kana.store.postgres.sessions import SETTINGS, SHORT_PLANS
from kana.store.postgres.statements import SESSION, SQL
from tests.store.postgres.test_whole_plans import touched
from tests.store.whole import EVER, ledger
from tests.support.postgres import Postgres

LINES, TIMES = 2_000, 4

A_PAGE = (None, list(Outcome), None, None, 26)
OF_NOTHING = ("f0", [Outcome.BELOW_ZERO], None, None, 26)


@pytest.fixture(params=["fresh", "analysed"])
async def connection(postgres_server: Postgres, request: pytest.FixtureRequest) -> AsyncIterator[asyncpg.Connection]:
    """A session as for long reads, where one user has so many entries, and another four times as many."""
    url = postgres_server.create_database()
    await (await PostgresStore.open(url)).close()
    connection = await asyncpg.connect(url, server_settings={**SETTINGS, **SHORT_PLANS})
    for user_key, lines in ((1, LINES), (2, LINES * TIMES)):
        await connection.copy_records_to_table("entries", records=ledger(user_key, lines))
    if request.param == "analysed":
        await connection.execute("analyze")
    await connection.execute("begin")
    await connection.execute(SESSION["take_time"])
    yield connection
    await connection.close()


def looked_at(user_key: int, most: int) -> tuple[Any, ...]:
    """The bindings that say which entries a search looks at."""
    return (7, user_key, EVER, 0, most)


@pytest.mark.parametrize("name", ["search_entries", "find_end_of_search"])
async def test_it_goes_through_the_primary_key(connection: asyncpg.Connection, name: str) -> None:
    """Backwards, by both columns of the user and the bounds of the ids; nothing is sorted."""
    plan = await carried_out(connection, name, looked_at(2, 500) + (A_PAGE if name == "search_entries" else ()))
    steps = list(_steps(plan))
    assert [step for step in steps if step["Node Type"] in ("Sort", "Seq Scan")] == []
    [scan] = [step for step in steps if "Scan" in step["Node Type"] and "Index Name" in step]
    assert (scan["Index Name"], scan["Scan Direction"]) == ("entries_pkey", "Backward")
    assert all(column in scan["Index Cond"] for column in ("bucket", "user_key", "id <", "id >="))


async def carried_out(connection: asyncpg.Connection, name: str, bindings: tuple[Any, ...]) -> dict[str, Any]:
    """The plan that is kept for any bindings, with how many rows each step gave for these."""
    await connection.execute(f"prepare {name}_plan as {SQL[name]}")
    given = ", ".join(map(literal, bindings))
    [(text,)] = await connection.fetch(f"explain (analyze, timing off, format json) execute {name}_plan ({given})")
    await connection.execute(f"deallocate {name}_plan")
    plan: dict[str, Any] = json.loads(text)[0]["Plan"]
    return plan


def literal(value: Any) -> str:
    """A binding as text."""
    if value is None:
        return "null"
    return f"'{{{','.join(value)}}}'" if isinstance(value, list) else f"'{value}'"


async def searched(connection: asyncpg.Connection, *bindings: Any) -> int:
    """How many rows all steps of a search gave or threw away together."""
    return touched(await carried_out(connection, "search_entries", bindings))


def _steps(node: dict[str, Any]) -> list[dict[str, Any]]:
    return [node, *(step for each in node.get("Plans", []) for step in _steps(each))]


async def test_a_page_costs_the_same_in_a_ledger_of_any_length(connection: asyncpg.Connection) -> None:
    """It stops when it is full, whatever is older."""
    small, large = [await searched(connection, *looked_at(user, 100_000), *A_PAGE) for user in (1, 2)]
    assert large == small


async def test_a_search_for_what_is_rare_looks_at_so_many(connection: asyncpg.Connection) -> None:
    """Without a bound it costs what there is; the bound ends it."""
    unbounded = [await searched(connection, *looked_at(user, 100_000), *OF_NOTHING) for user in (1, 2)]
    bounded = [await searched(connection, *looked_at(user, 500), *OF_NOTHING) for user in (1, 2)]
    assert unbounded[1] > unbounded[0] * 2
    assert bounded[0] == bounded[1] == unbounded[1] * 500 // (LINES * TIMES)
