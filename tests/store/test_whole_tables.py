"""What looks at everything that is kept reads it once: twice as much takes twice the work, on either database."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import asyncpg

from kana.store.postgres import PostgresStore
from kana.store.postgres.statements import SESSION
from kana.store.postgres.statements import SQL as POSTGRES
from kana.store.sqlite.statements import SQL as SQLITE
from tests.support.postgres import Postgres
from tests.support.stores import SqlitePlace

FILL = """
with recursive numbers(n) as (select 1 union all select n + 1 from numbers where n < {users})
insert into users (bucket, user_key, environment, id, billing_id, name, email, metadata, created_at)
    select n % 1024, n, 'test', 'user-' || n, null, null, null, '{{}}', 0 from numbers;
with recursive numbers(n) as (select 1 union all select n + 1 from numbers where n < {users})
insert into subscriptions (bucket, user_key, id, environment, package_id, status, started_at, ends_at)
    select n % 1024, n, n, 'test', 'basic', 'ACTIVE', 0, null from numbers;
with recursive numbers(n) as (select 1 union all select n + 1 from numbers where n < {users})
insert into counters (bucket, subscription_id, feature_id, reset_period, period_start, used)
    select n % 1024, n, 'message', 'MONTH', 0, 1 from numbers;
with recursive numbers(n) as (select 1 union all select n + 1 from numbers where n < {users})
insert into entries (bucket, user_key, id, environment, feature_id, action, delta, outcome, reason, change,
        subscription_id, reset_period, period_start, used, budget, overage_enabled, key, timestamp, metadata,
        recorded_at)
    select n % 1024, n, n, 'test', 'message', 'ADD', 1, 'RECORDED', null, 1, n, 'MONTH', 0, 1, 10, 0, null, null,
        null, n from numbers;
with recursive numbers(n) as (select 1 union all select n + 1 from numbers where n < {users})
insert into usage_days (bucket, user_key, feature_id, day, package_id, environment, units, entries, refusals)
    select n % 1024, n, 'message', 0, 'basic', 'test', 1, 1, 0 from numbers;
insert into usage_hours (environment, feature_id, package_id, hour, bucket, units, entries, refusals)
    values ('test', 'message', 'basic', 0, 0, {users}, {users}, 0);
"""
"""So many users with a subscription, a counter, a line and a day each. Both databases understand it."""

DAY = 86_400_000
WHOLE: dict[str, tuple[object, ...]] = {
    "count_entries": (),
    "count_counters": (),
    "audit": (),
    "audit_days": (),
    "audit_hours": (),
    "count_subscribers": ("test", 1),
    "load_totals_over": ("test", "basic", 1, "message", "MONTH", 0, -DAY),
    "load_adoption": ("test", "message", '["basic"]', 0, DAY),
    "load_top_users": ("test", "message", 0, DAY, 20),
    "load_near_limits": ("test", '[["basic", "message", "MONTH", -86400000, 1]]', 1),
    "load_refusals": ("test", 0, DAY, None, None, None, 20, 0),
}
"""The statements that look at all users, counters or lines, with what they are asked."""

QUADRATIC = """
select c.subscription_id from counters as c left join (select subscription_id + 0 as id, change from entries) as l
where l.id = c.subscription_id + ?1
"""
"""The control: each counter held against every line."""


async def filled(folder: Path, users: int) -> apsw.Connection:
    """A database with so many users."""
    path = folder / f"{users}.db"
    await (await SqlitePlace(path).open()).close()
    connection = apsw.Connection(str(path))
    connection.execute(FILL.format(users=users))
    return connection


def work(connection: apsw.Connection, sql: str, bindings: tuple[object, ...]) -> int:
    """How many steps SQLite's machine takes for a statement."""
    steps: list[int] = []

    def profile(event: dict[str, Any]) -> None:
        steps.append(int(event["stmt_status"]["SQLITE_STMTSTATUS_VM_STEP"]))

    connection.trace_v2(apsw.SQLITE_TRACE_PROFILE, profile)
    connection.execute(sql, bindings).fetchall()
    connection.trace_v2(0)
    [taken] = steps
    return taken


async def test_sqlite_takes_work_in_proportion(tmp_path: Path) -> None:
    """Four times as many users take less than five times the steps; a join without an index takes sixteen times."""
    small, large = await filled(tmp_path, 400), await filled(tmp_path, 1600)

    growth = {
        name: work(large, SQLITE[name], bindings) / work(small, SQLITE[name], bindings)
        for name, bindings in WHOLE.items()
    }
    control = work(large, QUADRATIC, (0,)) / work(small, QUADRATIC, (0,))
    for connection in (small, large):
        connection.close()

    assert {name: factor for name, factor in growth.items() if factor > 5} == {}
    assert max(growth.values()) > 3.5, "the statements saw the users"
    assert control > 10


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every node of a plan."""
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def again_and_again(plan: dict[str, Any]) -> list[str]:
    """The tables that are read as a whole once for each row of something else."""
    return [
        each["Relation Name"]
        for node in nodes(plan)
        if node["Node Type"] == "Nested Loop"
        for inner in node["Plans"][1:]
        for each in nodes(inner)
        if each["Node Type"] == "Seq Scan" and each["Relation Name"] != "usage_hours"
    ]


async def plan_of(connection: asyncpg.Connection[asyncpg.Record], sql: str) -> dict[str, Any]:
    """What PostgreSQL would do, whatever the bindings."""
    unbound = re.sub(r"\$\d+", "null", sql)
    found = await connection.fetchval(f"explain (format json) {unbound}")
    plan: dict[str, Any] = json.loads(found)[0]["Plan"]
    return plan


async def test_postgres_reads_no_table_again_and_again(postgres_server: Postgres) -> None:
    """Of 5,000 users nothing is read as a whole inside of a loop; the control does so."""
    url = postgres_server.create_database()
    await (await PostgresStore.open(url)).close()
    connection = await asyncpg.connect(url, server_settings={"search_path": "kana"})
    await connection.execute(FILL.format(users=5000))
    await connection.execute("analyze")
    async with connection.transaction():
        await connection.execute(SESSION["take_time"])
        found = {name: again_and_again(await plan_of(connection, POSTGRES[name])) for name in WHOLE}
        await connection.execute("set local enable_hashjoin = off; set local enable_mergejoin = off")
        control = "select 1 from counters as c join entries as e on e.subscription_id + 0 = c.subscription_id + 0"
        seen = again_and_again(await plan_of(connection, control))
    await connection.close()

    assert {name: tables for name, tables in found.items() if tables} == {}
    assert seen
