"""The tail of a record: at half of what the server can do, on a fixed schedule, beside the bare disk.

A schedule does not wait for who is slow: each time is taken from when the call was due, so that a second in which
the disk did nothing counts for every call that was due in it. The disk's own tail is taken in the same seconds.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.figures import Part, Ratio
from benchmarks.load import Target, requests_per_second
from benchmarks.seeding import seed
from tests.support.client import AdminClient
from tests.support.server import KanaServer

SECONDS = 20
USERS, CONNECTIONS = 1_000, 64
QUANTILES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}
ROOT = Path(__file__).parent.parent


def measure(*, rounds: int) -> Part:
    """Return quantiles of milliseconds, of each round one, and how the two tails compare."""
    part = Part("The tail of a record on SQLite, at half of capacity, on a fixed schedule")
    tails: dict[str, list[list[float]]] = {"recordUsage": [], "the bare disk, 8 KB": []}
    rates = []
    with ExitStack() as stack:
        server = KanaServer(settings={"KANA_LOG_LEVEL": "warning"})
        stack.callback(server.close)
        key = seed(server.database_url, users=USERS)
        server.start()
        target = Target(address=server.address, key=key)
        for _ in range(rounds):
            capacity = requests_per_second(target, "record", connections=CONNECTIONS, users=USERS)
            rates.append(capacity / 2)
            with _bare_disk(server.folder) as disk:
                tails["recordUsage"].append(asyncio.run(_record(target, capacity / 2)))
                said, _ = disk.communicate()
            tails["the bare disk, 8 KB"].append(json.loads(said))
        server.terminate()
    part.add("calls that were due", "calls/s", rates)
    series = {
        (what, name): part.add(f"{what}: {name}", "ms", [_quantile(taken, share) for taken in taken_by_round])
        for what, taken_by_round in tails.items()
        for name, share in QUANTILES.items()
    }
    ours, disk_alone = (series[what, "p99"].median for what in tails)
    part.ratios.append(
        Ratio(name="recordUsage at p99 against the bare disk at p99", value=ours / disk_alone, at_most=5)
    )
    part.notes.append(
        "Each call's time is counted from when it was due; calls and disk share the machine and its minute."
    )
    return part


def _bare_disk(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.bare", str(folder), str(SECONDS)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


async def _record(target: Target, rate: float) -> list[float]:
    """Make so many calls a second, whatever becomes of those before; return how late each answer came, in ms."""
    free: asyncio.Queue[AdminClient] = asyncio.Queue()
    clients = [AdminClient(target.address, target.key) for _ in range(CONNECTIONS)]
    for client in clients:
        free.put_nowait(client)
    taken: list[float] = []

    async def call(number: int, due: float) -> None:
        client = await free.get()
        await client.record(f"u{number % USERS}", "calls")
        taken.append((time.perf_counter() - due) * 1000)
        free.put_nowait(client)

    begun = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(int(rate * SECONDS)):
            due = begun + number / rate
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            group.create_task(call(number, due))
    for client in clients:
        await client.close()
    return taken


def _quantile(taken: Sequence[float], share: float) -> float:
    """Return the time that this share of the calls did not pass."""
    return sorted(taken)[min(len(taken) - 1, int(len(taken) * share))]
