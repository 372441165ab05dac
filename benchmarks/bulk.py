"""Bulk against the raw limit: the engine's batches, and the same rows written by the bare driver in as many."""

from __future__ import annotations

import asyncio
import tempfile
import time
from itertools import count
from pathlib import Path

import apsw
import asyncpg

from benchmarks.figures import Part, Ratio
from benchmarks.seeding import ENVIRONMENT, seed
from kana.app import open_store, spare_collector, system_clock
from kana.engine.batch import Batch
from kana.engine.ids import IdMaker
from kana.model.entitlement import CounterKey
from kana.model.usage import Entry, Usage
from kana.settings import Settings
from kana.store import rows
from kana.store.sqlite.connection import connect
from kana.store.sqlite.statements import SQL
from tests.support.postgres import Postgres

USERS = 1000
BATCH = 1000
BATCHES = 20


def measure(postgres: Postgres, *, rounds: int) -> Part:
    """Return entries a second of both, on both databases."""
    spare_collector()
    part = Part(f"Bulk, {BATCH:,} entries a batch")
    for name, run in (("SQLite", _sqlite_round), ("PostgreSQL", lambda: _postgres_round(postgres))):
        pairs = [run() for _ in range(rounds)]
        part.add(f"{name}, recordUsageBatch's engine", "entries/s", [ours for ours, _ in pairs])
        part.add(f"{name}, the bare driver", "entries/s", [bare for _, bare in pairs])
        ratios = sorted(ours / bare for ours, bare in pairs)
        part.ratios.append(
            Ratio(name=f"bulk entries against the bare driver, {name}", value=ratios[rounds // 2], at_least=0.5)
        )
    return part


def _usages(number: int) -> list[Usage]:
    return [
        Usage(
            environment=ENVIRONMENT, user_id=f"u{(number * 7 + at) % USERS}", feature_id="calls", key=f"{number}-{at}"
        )
        for at in range(BATCH)
    ]


async def _record(url: str) -> tuple[float, list[list[Entry]], list[dict[CounterKey, int]]]:
    """Return how many entries a second the engine writes, and what it wrote."""
    store = await open_store(Settings(database_url=url))
    ids = IdMaker(system_clock)
    written, totals = [], []
    started = time.perf_counter()
    for number in range(BATCHES):
        batch = Batch(_usages(number), now=system_clock(), next_id=count(ids.reserve(BATCH)).__next__)
        await store.append(batch)
        written.append(batch.entries)
        totals.append(batch.totals)
    seconds = time.perf_counter() - started
    await store.close()
    return BATCH * BATCHES / seconds, written, totals


def _sqlite_round() -> tuple[float, float]:
    with tempfile.TemporaryDirectory(prefix="kana-bulk-") as folder:
        ours, twin = Path(folder, "ours.db"), Path(folder, "twin.db")
        for path in (ours, twin):
            seed(f"sqlite:///{path}", users=USERS)
        rate, written, totals = asyncio.run(_record(f"sqlite:///{ours}"))
        return rate, _write_bare_sqlite(twin, written, totals)


def _write_bare_sqlite(path: Path, written: list[list[Entry]], totals: list[dict[CounterKey, int]]) -> float:
    """Write the same rows with the bare driver: they stand ready, and nothing is decided."""
    batches = [
        ([rows.entry_row(entry) for entry in entries], [(*rows.counter_row(key), used) for key, used in total.items()])
        for entries, total in zip(written, totals, strict=True)
    ]
    connection: apsw.Connection = connect(str(path))
    started = time.perf_counter()
    for entries, counters in batches:
        connection.execute("begin immediate")
        connection.executemany(SQL["add_entry"], entries)
        connection.executemany(SQL["put_total"], counters)
        connection.execute("commit")
    seconds = time.perf_counter() - started
    connection.close()
    return BATCH * BATCHES / seconds


def _postgres_round(postgres: Postgres) -> tuple[float, float]:
    ours, twin = postgres.create_database(), postgres.create_database()
    for url in (ours, twin):
        seed(url, users=USERS)
    rate, written, totals = asyncio.run(_record(ours))
    return rate, asyncio.run(_write_bare_postgres(twin, written, totals))


async def _write_bare_postgres(url: str, written: list[list[Entry]], totals: list[dict[CounterKey, int]]) -> float:
    connection = await asyncpg.connect(url)
    schema = await connection.fetchval(
        "select table_schema from information_schema.tables where table_name = 'entries'"
    )
    columns = "bucket, subscription_id, feature_id, reset_period, period_start, used"
    await connection.execute(f"create temp table staged (like {schema}.counters)")
    batches = [
        ([rows.entry_row(entry) for entry in entries], [(*rows.counter_row(key), used) for key, used in total.items()])
        for entries, total in zip(written, totals, strict=True)
    ]
    names = [row["attname"] for row in await connection.fetch(_COLUMNS, f"{schema}.entries")]
    batches = [([_typed(entry, names) for entry in entries], counters) for entries, counters in batches]
    started = time.perf_counter()
    for entries, counters in batches:
        async with connection.transaction():
            await connection.copy_records_to_table("entries", schema_name=schema, records=entries)
            await connection.execute("truncate staged")
            await connection.copy_records_to_table("staged", records=counters)
            await connection.execute(
                f"insert into {schema}.counters ({columns}) select {columns} from staged"
                " on conflict (bucket, subscription_id, feature_id, reset_period, period_start)"
                " do update set used = excluded.used"
            )
    seconds = time.perf_counter() - started
    await connection.close()
    return BATCH * BATCHES / seconds


_COLUMNS = "select attname from pg_attribute where attrelid = $1::regclass and attnum > 0 order by attnum"


def _typed(row: rows.Row, names: list[str]) -> tuple[object, ...]:
    """Return a row with a boolean where PostgreSQL has one."""
    at = names.index("overage_enabled")
    return (*row[:at], None if row[at] is None else bool(row[at]), *row[at + 1 :])
