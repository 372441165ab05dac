"""Bulk against the raw limit: batches as `recordUsageBatch` records them, and the same rows from the bare driver.

Both write one batch after another. The bare driver reads nothing and decides nothing: its rows stand
ready, and go into the same four tables in one transaction for each batch.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import apsw
import asyncpg
from prometheus_client import CollectorRegistry

from benchmarks.figures import Part, Ratio
from benchmarks.seeding import ENVIRONMENT, seed
from kana.api.metrics import Metrics
from kana.app import open_store, spare_collector, system_clock
from kana.engine.ids import IdMaker
from kana.engine.ports.usage import Ledger
from kana.engine.usage.batch import Batch
from kana.engine.usage.recorder import Recorder
from kana.errors import KanaError
from kana.model.environment import Environment
from kana.model.usage import Usage
from kana.settings import Settings
from kana.store.entries import counter_row, day_rows, entry_row, hour_rows
from kana.store.session import Row
from kana.store.sqlite.connection import connect
from kana.store.sqlite.statements import SQL
from tests.support.postgres import Postgres

USERS = 1000
BATCH = 1000
BATCHES = 20

_STATEMENTS = {
    "entries": "add_entry",
    "counters": "put_total",
    "usage_days": "add_usage_day",
    "usage_hours": "add_usage_hour",
}
"""The tables that a batch writes, and SQLite's statement for a row of each."""

_Rows = dict[str, list[Row]]
"""The rows of one batch, by table."""


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


class _Witness:
    """The ledger of a store, which keeps what is written to it."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.written: list[Batch] = []

    def lane(self, environment: Environment, user_id: str) -> int:
        return self._ledger.lane(environment, user_id)

    async def append(self, batch: Batch) -> None:
        await self._ledger.append(batch)
        self.written.append(batch)


def _usages(number: int) -> list[Usage]:
    return [
        Usage(
            environment=ENVIRONMENT, user_id=f"u{(number * 7 + at) % USERS}", feature_id="calls", key=f"{number}-{at}"
        )
        for at in range(BATCH)
    ]


async def _record(url: str) -> tuple[float, list[_Rows]]:
    """Return how many entries a second are recorded, and what each batch wrote."""
    store = await open_store(Settings(database_url=url))
    witness = _Witness(store.ledger)
    recorder = Recorder(
        witness,  # type: ignore[arg-type]  # All that a recorder asks of a ledger.
        clock=system_clock,
        ids=IdMaker(system_clock),
        meter=Metrics(CollectorRegistry()),
    )
    batches: list[Sequence[Batch]] = []
    started = time.perf_counter()
    for number in range(BATCHES):
        answers = await recorder.record_many(_usages(number))
        assert not any(isinstance(answer, KanaError) for answer in answers), answers
        batches.append(witness.written)
        witness.written = []
    seconds = time.perf_counter() - started
    await store.close()
    return BATCH * BATCHES / seconds, [_rows_of(parts) for parts in batches]


def _rows_of(parts: Sequence[Batch]) -> _Rows:
    """Return the rows of one call, which a store may have written in several parts."""
    return {
        "entries": [entry_row(entry) for part in parts for entry in part.entries],
        "counters": [(*counter_row(key), used) for part in parts for key, used in part.totals.items()],
        "usage_days": [row for part in parts for row in day_rows(part.tallies)],
        "usage_hours": [row for bucket, part in enumerate(parts) for row in hour_rows(part.tallies, bucket=bucket)],
    }


def _sqlite_round() -> tuple[float, float]:
    with tempfile.TemporaryDirectory(prefix="kana-bulk-") as folder:
        ours, twin = Path(folder, "ours.db"), Path(folder, "twin.db")
        for path in (ours, twin):
            seed(f"sqlite:///{path}", users=USERS)
        rate, batches = asyncio.run(_record(f"sqlite:///{ours}"))
        return rate, _write_bare_sqlite(twin, batches)


def _write_bare_sqlite(path: Path, batches: Sequence[_Rows]) -> float:
    connection: apsw.Connection = connect(str(path))
    started = time.perf_counter()
    for batch in batches:
        connection.execute("begin immediate")
        for table, statement in _STATEMENTS.items():
            connection.executemany(SQL[statement], batch[table])
        connection.execute("commit")
    seconds = time.perf_counter() - started
    connection.close()
    return BATCH * BATCHES / seconds


def _postgres_round(postgres: Postgres) -> tuple[float, float]:
    ours, twin = postgres.create_database(), postgres.create_database()
    for url in (ours, twin):
        seed(url, users=USERS)
    rate, batches = asyncio.run(_record(ours))
    return rate, asyncio.run(_write_bare_postgres(twin, batches))


async def _write_bare_postgres(url: str, batches: Sequence[_Rows]) -> float:
    connection = await asyncpg.connect(url, server_settings={"search_path": "kana"})
    for table in _MERGES:
        await connection.execute(f"create temp table staged_{table} (like {table})")
    started = time.perf_counter()
    for batch in batches:
        async with connection.transaction():
            await connection.copy_records_to_table("entries", records=batch["entries"])
            for table, merge in _MERGES.items():
                await connection.execute(f"truncate staged_{table}")
                await connection.copy_records_to_table(f"staged_{table}", records=batch[table])
                await connection.execute(f"insert into {table} as t select * from staged_{table} on conflict {merge}")
    seconds = time.perf_counter() - started
    await connection.close()
    return BATCH * BATCHES / seconds


_ADD = ", ".join(f"{column} = t.{column} + excluded.{column}" for column in ("units", "entries", "refusals"))
_MERGES = {
    "counters": "(bucket, subscription_id, feature_id, reset_period, period_start) do update set used = excluded.used",
    "usage_days": f"(bucket, user_key, feature_id, day, package_id) do update set {_ADD}",
    "usage_hours": f"(environment, feature_id, package_id, hour, bucket) do update set {_ADD}",
}
"""What becomes of a row, copied in beside, whose key is there already."""
