"""The ordinary case in whichever source tree PYTHONPATH names: a user of one package, checked and recorded.

`before` runs it as a program, one for each tree, and asks for one measurement a line. So it uses only what both have.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from benchmarks.seeding import ENVIRONMENT, seed
from benchmarks.services import kana
from kana.api.metrics import Metrics
from kana.app import open_store, spare_collector, system_clock
from kana.engine.engine import Engine
from kana.model.usage import Usage
from kana.settings import Settings

USERS = 1000
TOGETHER = 50
"""How many calls are made at once, as by so many connections."""
CALLS = 5000
MEMORY = Path("/dev/shm")


def engine_over(store: Any) -> Engine:
    try:
        from kana.app import create_engine
    except ImportError:  # Before it stood there.
        return Engine.over(store, clock=system_clock, meter=Metrics(CollectorRegistry()))
    return create_engine(store)


class Calls:
    """Calls of one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._number = 0

    async def check(self, user_id: str) -> None:
        assert (await self._engine.usage.check(ENVIRONMENT, user_id, "calls")).access

    async def record(self, user_id: str) -> None:
        self._number += 1
        usage = Usage(environment=ENVIRONMENT, user_id=user_id, feature_id="calls", key=f"key-{self._number}")
        assert (await self._engine.usage.record(usage)).entry.recorded

    async def measured(self, mode: str) -> float:
        """The microseconds of processor time that a call takes."""
        call = {"check": self.check, "record": self.record}[mode]
        started = time.process_time()
        for first in range(0, CALLS, TOGETHER):
            await asyncio.gather(*(call(f"u{(first + more) * 7 % USERS}") for more in range(TOGETHER)))
        return (time.process_time() - started) / CALLS * 1e6


async def serve_calls(url: str) -> None:
    """Measure what is asked for, until nothing more is."""
    store = await open_store(Settings(database_url=url))
    calls = Calls(engine_over(store))
    for mode in ("check", "record"):
        await calls.measured(mode)
    spare_collector()
    print(json.dumps({}), flush=True)
    for line in sys.stdin:
        print(json.dumps(await calls.measured(line.strip())), flush=True)
    await store.close()


def serve_http() -> None:
    """Run a server, and say where, until nothing more is asked."""
    with kana(None, users=USERS) as (target, _):
        print(json.dumps({"address": target.address, "key": target.key}), flush=True)
        sys.stdin.read()


def main(url: str) -> None:
    """Measure on the database of the URL; on a file in memory without one; or only serve."""
    if url == "http":
        serve_http()
        return
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        url = url or f"sqlite:///{folder}/kana.db"
        seed(url, users=USERS)
        asyncio.run(serve_calls(url))


if __name__ == "__main__":
    main(sys.argv[1])
