"""The process itself: how soon it answers, what it holds at rest, and whether it grows under load."""

from __future__ import annotations

import os
import time
from pathlib import Path

from benchmarks.figures import Part, Ratio
from benchmarks.load import requests_per_second
from benchmarks.services import kana

USERS = 1000
WARM_S = 240
"""Load until SQLite has filled its page caches, which are bounded: about a hundred thousand records."""


def measure(*, rounds: int, minutes: float) -> Part:
    """Return start-up seconds, and megabytes at rest, under load, and after ``minutes`` of it."""
    part = Part("The process")
    with kana(None, users=USERS) as (target, server):
        part.add("start to first answer, existing database", "s", [_restart(server) for _ in range(rounds)])
        at_rest = megabytes(server.pid)
        part.add("memory at rest", "MB", [at_rest])
        _load(target, seconds=WARM_S)
        warm = megabytes(server.pid)
        part.add(f"memory after {WARM_S // 60} minutes of load", "MB", [warm])
        _load(target, seconds=minutes * 60)
        part.add(f"memory after {minutes:g} minutes more", "MB", [megabytes(server.pid)])
        growth = (part.series[-1].median - warm) * 10 / minutes
    part.ratios.append(Ratio(name="growth in 10 minutes of load, MB", value=growth, at_most=1.0))
    if minutes != 10:
        part.notes.append(f"Growth was taken over {minutes:g} minutes and is stated for 10.")
    return part


def _restart(server: object) -> float:
    server.terminate()  # type: ignore[attr-defined]
    started = time.perf_counter()
    server.start()  # type: ignore[attr-defined]
    return time.perf_counter() - started


def _load(target: object, *, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for mode in ("record", "check"):
            requests_per_second(target, mode, connections=64, users=USERS, seconds=10)  # type: ignore[arg-type]


def megabytes(pid: int) -> float:
    """Return what a process holds in memory."""
    resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return resident * os.sysconf("SC_PAGE_SIZE") / 1e6
