"""Growth: the same request on a thousand users and on a million, with ten million entries behind it."""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from pathlib import Path

from prometheus_client import CollectorRegistry

from benchmarks.figures import Part, Ratio
from benchmarks.seeding import ENVIRONMENT, grow, seed
from kana.api.metrics import Metrics
from kana.app import open_store, system_clock
from kana.engine.engine import Engine
from kana.model.usage import Usage
from kana.settings import Settings

SIZES = ((1_000, 10_000), (30_000, 300_000), (1_000_000, 10_000_000))
CHECKS = 5_000
RECORDS = 6_400
AT_ONCE = 64


def measure(*, rounds: int) -> Part:
    """Return microseconds a check and a record, 64 at once, for each size, and what the file weighs."""
    part = Part("Growth on SQLite")
    checks: dict[int, float] = {}
    records: dict[int, float] = {}
    with tempfile.TemporaryDirectory(prefix="kana-growth-") as folder:
        files = {}
        for users, entries in SIZES:
            path = files[users] = Path(folder, f"{users}.db")
            seed(f"sqlite:///{path}", users=0)
            grow(path, first=0, users=users, entries=entries)
        taken: dict[int, list[tuple[float, float]]] = {users: [] for users, _ in SIZES}
        for turn in range(rounds):
            for users, path in files.items():
                taken[users].append(asyncio.run(_run(path, users, turn)))
        for users, entries in SIZES:
            size = f"{users:,} users, {entries:,} entries"
            checks[users] = part.add(f"{size}: a check", "us", [check for check, _ in taken[users]]).median
            records[users] = part.add(f"{size}: a record", "us", [record for _, record in taken[users]]).median
            part.add(f"{size}: the file", "MB", [files[users].stat().st_size / 1e6])
    small, large = SIZES[0][0], SIZES[-1][0]
    for name, figures in (("record", records), ("check", checks)):
        part.ratios.append(
            Ratio(
                name=f"time per {name}, {large:,} users against {small:,}",
                value=figures[large] / figures[small],
                at_most=1.3,
            )
        )
    return part


async def _run(path: Path, users: int, turn: int) -> tuple[float, float]:
    store = await open_store(Settings(database_url=f"sqlite:///{path}"))
    engine = Engine.over(store, clock=system_clock, meter=Metrics(CollectorRegistry()))
    draw = random.Random(turn)
    for _ in range(CHECKS):  # Warm: what is measured is the steady state.
        await engine.usage.check(ENVIRONMENT, f"g{draw.randrange(users)}", "calls")
    started = time.perf_counter()
    for _ in range(CHECKS):
        await engine.usage.check(ENVIRONMENT, f"g{draw.randrange(users)}", "calls")
    check_us = (time.perf_counter() - started) / CHECKS * 1e6
    started = time.perf_counter()
    await asyncio.gather(*(_record(engine, users, random.Random(turn * 1000 + at)) for at in range(AT_ONCE)))
    record_us = (time.perf_counter() - started) / RECORDS * 1e6
    await engine.recorder.drain()
    await store.close()
    return check_us, record_us


async def _record(engine: Engine, users: int, draw: random.Random) -> None:
    for _ in range(RECORDS // AT_ONCE):
        usage = Usage(
            environment=ENVIRONMENT,
            user_id=f"g{draw.randrange(users)}",
            feature_id="calls",
            key=f"{draw.getrandbits(96):x}",
        )
        await engine.usage.record(usage)
