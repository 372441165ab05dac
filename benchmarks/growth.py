"""Growth: the same requests on a thousand users and on a million, with ten million entries behind them."""

from __future__ import annotations

import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path

from benchmarks.figures import Part, Ratio
from benchmarks.load import Target, requests_per_second
from benchmarks.process import megabytes
from benchmarks.seeding import GROWN, grow, seed
from tests.support.server import KanaServer

SIZES = ((1_000, 10_000), (30_000, 300_000), (1_000_000, 10_000_000))
CONNECTIONS = 64
MODES = {"check": "a check", "record": "a record"}


def measure(*, rounds: int) -> Part:
    """Return microseconds a request, 64 at once and for users drawn at random, and what server and file take up.

    The servers stand side by side and are loaded in turn, so that all see the same machine.
    """
    part = Part("Growth on SQLite, 64 connections")
    part.notes.append(
        "The system holds the files in memory; what it does not hold costs a record three reads of a disk."
    )
    taken: dict[tuple[int, str], list[float]] = {(users, mode): [] for users, _ in SIZES for mode in MODES}
    with tempfile.TemporaryDirectory(prefix="kana-growth-") as folder, ExitStack() as stack:
        served = {users: _serve(stack, Path(folder), users, entries) for users, entries in SIZES}
        for turn in range(rounds + 1):
            for (users, mode), times in taken.items():
                target, _ = served[users]
                rate = requests_per_second(target, mode, connections=CONNECTIONS, users=users, prefix=GROWN)
                if turn:  # The first is warm-up.
                    times.append(1e6 / rate)
        for users, entries in SIZES:
            size = f"{users:,} users, {entries:,} entries"
            for mode, name in MODES.items():
                part.add(f"{size}: {name}", "us", taken[users, mode])
            _, server = served[users]
            part.add(f"{size}: the server's memory", "MB", [megabytes(server.pid)])
            part.add(f"{size}: the file", "MB", [server.database.stat().st_size / 1e6])
    small, large = SIZES[0][0], SIZES[-1][0]
    for mode in MODES:
        pairs = sorted(b / a for a, b in zip(taken[small, mode], taken[large, mode], strict=True))
        part.ratios.append(
            Ratio(name=f"time per {mode}, {large:,} users against {small:,}", value=pairs[len(pairs) // 2], at_most=1.3)
        )
    return part


def _serve(stack: ExitStack, folder: Path, users: int, entries: int) -> tuple[Target, KanaServer]:
    kept = folder / str(users)
    kept.mkdir()
    server = KanaServer(kept, settings={"KANA_LOG_LEVEL": "warning"})
    stack.callback(server.close)
    key = seed(server.database_url, users=0)
    grow(server.database, first=0, users=users, entries=entries)
    subprocess.run(["cat", server.database], stdout=subprocess.DEVNULL, check=True)  # So that the system has read it.
    server.start()
    return Target(address=server.address, key=key), server
