"""The hot path finds rows by their whole key, whatever PostgreSQL knows or does not know of the tables."""

from __future__ import annotations

import re

import asyncpg
import pytest

from kana.store.postgres import PostgresStore
from kana.store.postgres.sessions import SETTINGS, SHORT_PLANS
from kana.store.postgres.statements import SQL
from tests.support.postgres import Postgres
from tests.support.stores import furnish_workspace
from tests.support.world import World, a_package, a_usage, allows

EXPECTED = {
    "lock_accounts": ("user_ids_pkey", ["bucket", "environment", "id"]),
    "load_accounts": ("user_ids_pkey", ["bucket", "environment", "id"]),
    "load_held_subscriptions": ("subscriptions_pkey", ["bucket", "user_key"]),
    "load_totals": (
        "counters_pkey",
        ["bucket", "subscription_id", "feature_id", "reset_period", "period_start"],
    ),
    "load_entries_by_key": ("entries_by_key", ["bucket", "key"]),
}
"""The index that each statement uses, and by which of its columns."""

MORE = """
insert into user_ids select n % 1024, 'test', 'user-' || n, n % 1024, n from generate_series(1, 5000) as n;
insert into users select n % 1024, n, 'test', 'user-' || n, null, null, null, '{}', 0
    from generate_series(1, 5000) as n;
insert into subscriptions select n % 1024, n, n, 'test', 'basic', 'ACTIVE', 0, null from generate_series(1, 5000) as n;
insert into counters select n % 1024, n, 'message', 'MONTH', 0, 1 from generate_series(1, 5000) as n;
"""


KNOW_NOTHING = """
do $$ declare found record; begin
    for found in select tablename from pg_tables where schemaname = 'kana' loop
        execute format('alter table kana.%I set (autovacuum_enabled = false)', found.tablename);
    end loop;
end $$;
"""
"""Keeps PostgreSQL from looking at the tables by itself, as it does after a minute or so."""


@pytest.fixture(params=["fresh", "analysed"])
async def url(postgres_server: Postgres, request: pytest.FixtureRequest) -> str:
    """A database whose users have hundreds of entries each, of which PostgreSQL knows nothing or all."""
    url = postgres_server.create_database()
    store = await PostgresStore.open(url)
    connection = await asyncpg.connect(url, server_settings={"search_path": "kana"})
    await connection.execute(KNOW_NOTHING)
    await furnish_workspace(store)
    world = World(store)
    await world.furnish(a_package("basic", allows(None)))
    for user in ("ada", "bob"):
        await world.subscribed_user(user)
        for number in range(400):
            await world.usage.record(a_usage(user_id=user, key=f"{number}"))
    await store.close()
    if request.param == "analysed":
        await connection.execute(MORE)
        await connection.execute("analyze")
    await connection.close()
    return url


async def test_no_statement_of_the_hot_path_reads_more_than_it_needs(url: str) -> None:
    """The plan that is kept for any batch goes through one index by all the columns that are known."""
    connection = await asyncpg.connect(url, server_settings={**SETTINGS, **SHORT_PLANS})
    try:
        found = {name: await _plan_of(connection, name) for name in EXPECTED}
    finally:
        await connection.close()
    assert found == EXPECTED


async def _plan_of(connection: asyncpg.Connection, name: str) -> tuple[str, list[str]]:
    """Return the one index that a statement goes through, and the columns it is asked by."""
    types = re.findall(r"\$\d::(text)::\w+\[\]", SQL[name])
    await connection.execute(f"prepare {name}_plan ({', '.join(types)}) as {SQL[name]}")
    nothing = ", ".join("'{}'" for _ in types)
    lines = await connection.fetch(f"explain (costs off) execute {name}_plan ({nothing})")
    plan = "\n".join(line for (line,) in lines)
    index = re.search(r"Index Scan using (\w+)", plan)
    condition = re.search(r"Index Cond: (.*)", plan)
    assert index, plan
    assert condition, plan
    assert "Seq Scan" not in plan
    return index[1], re.findall(r"\((\w+) = ", condition[1])
