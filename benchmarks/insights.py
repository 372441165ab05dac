"""Insights: each question about a year of a million entries, from its call to its answer."""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import apsw

from benchmarks.figures import Part, Ratio
from benchmarks.seeding import ENVIRONMENT, fill_tallies, seed
from kana.app import create_engine, open_store, system_clock
from kana.engine.engine import Engine
from kana.model.environment import bucket_of
from kana.model.insights import Step
from kana.model.period import to_milliseconds
from kana.settings import Settings

USERS = 10_000
ENTRIES = 1_000_000
FEATURES = 8
REFUSED_PERCENT = 3
WITHIN_MS = 200.0

Question = Callable[[Engine, datetime], Awaitable[Any]]
_YEAR = timedelta(days=365)


def _range(now: datetime) -> dict[str, Any]:
    return {"start": now - _YEAR, "end": now}


QUESTIONS: dict[str, Question] = {
    "usage by day, all features": lambda engine, now: engine.insights.usage(ENVIRONMENT, step=Step.DAY, **_range(now)),
    "usage by month, all features": lambda engine, now: engine.insights.usage(
        ENVIRONMENT, step=Step.MONTH, **_range(now)
    ),
    "usage by hour, one feature": lambda engine, now: engine.insights.usage(
        ENVIRONMENT, step=Step.HOUR, feature_ids=["calls"], **_range(now)
    ),
    "usage of one user by day": lambda engine, now: engine.insights.usage(
        ENVIRONMENT, step=Step.DAY, user_id="g7", **_range(now)
    ),
    "adoption of one feature": lambda engine, now: engine.insights.adoption(
        ENVIRONMENT, feature_ids=["calls"], **_range(now)
    ),
    "top users of a feature": lambda engine, now: engine.insights.top_users(ENVIRONMENT, "calls", **_range(now)),
    "refusals": lambda engine, now: engine.insights.refusals(ENVIRONMENT, **_range(now)),
    "near the limit now": lambda engine, _: engine.insights.near_limit(ENVIRONMENT),
}


def measure(*, rounds: int) -> Part:
    """Return milliseconds a question, on a SQLite file of 10,000 users."""
    part = Part(f"Insights on SQLite: a year of {ENTRIES:,} entries, {USERS:,} users, {FEATURES} features")
    with tempfile.TemporaryDirectory(prefix="kana-insights-") as folder:
        path = Path(folder, "kana.db")
        seed(f"sqlite:///{path}", users=0, features=FEATURES)
        now = system_clock()
        fill(path, now)
        taken = asyncio.run(_run(path, now, rounds))
    slowest = max(part.add(name, "ms", values).median for name, values in taken.items())
    part.ratios.append(Ratio(name="the slowest question, ms", value=slowest, at_most=WITHIN_MS))
    return part


async def _run(path: Path, now: datetime, rounds: int) -> dict[str, list[float]]:
    store = await open_store(Settings(database_url=f"sqlite:///{path}"))
    engine = create_engine(store, clock=lambda: now)
    taken: dict[str, list[float]] = {name: [] for name in QUESTIONS}
    for number in range(rounds + 1):
        for name, question in QUESTIONS.items():
            started = time.perf_counter()
            await question(engine, now)
            if number:  # The first time warms the cache.
                taken[name].append((time.perf_counter() - started) * 1000)
    await store.close()
    return taken


_COLUMNS = (
    "bucket, user_key, id, environment, feature_id, action, delta, outcome, reason, change, subscription_id,"
    " reset_period, period_start, used, budget, overage_enabled, key, timestamp, metadata, recorded_at"
)
"""Of entries, in the order of ``_entries``."""


def fill(path: Path, now: datetime) -> None:
    """Write users, subscriptions, entries and totals straight into the tables."""
    connection = apsw.Connection(str(path))
    connection.execute("pragma synchronous = off")
    connection.execute("begin immediate")
    start = to_milliseconds(now - _YEAR)
    people = sorted((bucket_of(ENVIRONMENT, f"g{number}"), number + 1, number) for number in range(USERS))
    for statement, rows in (
        ("insert into users (bucket, user_key, id, created_at, environment, metadata)"
         " values (?, ?, ?, ?, 'test', '{}')",
         ((bucket, key, f"g{number}", start) for bucket, key, number in people)),
        ("insert into user_ids (bucket, environment, id, home_bucket, user_key) values (?, 'test', ?, ?, ?)",
         ((bucket, f"g{number}", bucket, key) for bucket, key, number in people)),
        ("insert into subscriptions (bucket, user_key, id, environment, package_id, status, started_at)"
         " values (?, ?, ?, 'test', 'pro', 'ACTIVE', ?)",
         ((bucket, key, _subscription(bucket, key), start) for bucket, key, _ in people)),
        (f"insert into entries ({_COLUMNS}) values ({', '.join('?' * 20)})", _entries(people, start)),
    ):  # fmt: skip
        connection.executemany(statement, rows)
    connection.execute(
        "insert into counters select bucket, subscription_id, feature_id, reset_period, period_start, sum(change)"
        " from entries where outcome = 'RECORDED' group by 1, 2, 3, 4, 5"
    )
    fill_tallies(connection)
    connection.execute("commit")
    connection.close()


def _subscription(bucket: int, key: int) -> int:
    return key * 1024 + bucket


def _entries(people: list[tuple[int, int, int]], start: int) -> Iterator[tuple[Any, ...]]:
    draw = random.Random(1)
    span = _YEAR // timedelta(milliseconds=1)
    names = ["calls", *(f"feature-{number}" for number in range(1, FEATURES))]
    for bucket, key, _ in people:
        for number in range(ENTRIES // len(people)):
            refused = draw.randrange(100) < REFUSED_PERCENT
            yield (
                bucket, key, number + 1, "test", names[int(FEATURES * draw.random() ** 1.5)], "ADD", 1,
                "LIMIT_EXCEEDED" if refused else "RECORDED", "Refused." if refused else None, 0 if refused else 1,
                _subscription(bucket, key), "MONTH", start, 1, 100, 0, None, None, None, start + draw.randrange(span),
            )  # fmt: skip
