"""`make bench`: all parts, written into docs/; or those named, printed: `python -m benchmarks throughput bulk`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable

from benchmarks import (
    before,
    bulk,
    clicking,
    dashboard,
    grants,
    growth,
    insights,
    many,
    mixed,
    process,
    report,
    reserving,
    sdk,
    tail,
    throughput,
    v1,
)
from benchmarks.figures import Part
from tests.support.postgres import PostgresServer


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", help="throughput, bulk, growth, insights, ...; all but before unless named")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each, 5 or more to quote")
    parser.add_argument("--minutes", type=float, default=10, help="how long memory is watched under load")
    parser.add_argument("--commit", default="03cab6c", help="what `before` compares with, if it is named")
    parser.add_argument("--write", action="store_true", help="write docs/ though only some parts are measured")
    given = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # Whoever installs Kana has its bytecode beside it.
    with PostgresServer() as postgres:
        parts: dict[str, Callable[[], Part]] = {
            "throughput": lambda: throughput.measure(postgres, rounds=given.rounds),
            "v1": lambda: v1.measure(rounds=given.rounds),
            "bulk": lambda: bulk.measure(postgres, rounds=given.rounds),
            "tail": lambda: tail.measure(rounds=given.rounds),
            "many": lambda: many.measure(rounds=given.rounds),
            "grants": lambda: grants.measure(rounds=given.rounds),
            "reserving": lambda: reserving.measure(rounds=given.rounds),
            "growth": lambda: growth.measure(rounds=given.rounds),
            "insights": lambda: insights.measure(rounds=given.rounds),
            "dashboard": lambda: dashboard.measure(rounds=given.rounds),
            "clicking": lambda: clicking.measure(rounds=given.rounds),
            "sdk": lambda: sdk.measure(rounds=given.rounds),
            "mixed": lambda: mixed.measure(minutes=given.minutes),
            "before": lambda: before.measure(postgres, commit=given.commit, rounds=given.rounds),
            "process": lambda: process.measure(rounds=given.rounds, minutes=given.minutes),
        }
        measured = []
        for name in given.parts or [name for name in parts if name != "before"]:
            print(f"measuring {name} ...", flush=True)
            measured.append(parts[name]())
    if given.write or not given.parts:
        report.write(measured)
    print(report.table(measured))


if __name__ == "__main__":
    main()
