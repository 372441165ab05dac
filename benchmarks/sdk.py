"""What the SDK costs: importing it, and a `record_usage` beside the same request sent by bare httpx.

`python -m benchmarks.sdk` prints it and writes nothing. Both senders take turns on one server, call by call, so
that whatever else the machine does falls on both alike.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from statistics import median

import httpx

from benchmarks.figures import Part, Ratio, shown
from kana.sdk import Grant, KanaAdmin
from kana.sdk.features import RECORD_USAGE
from tests.support.server import KanaServer

IMPORT = """
import time
wall, cpu = time.perf_counter(), time.process_time()
import kana.sdk
print(time.perf_counter() - wall, time.process_time() - cpu)
"""


def measure(*, rounds: int, calls: int = 1_000) -> Part:
    """Return milliseconds of importing, and microseconds of a call with and without the SDK."""
    part = Part("The Python SDK")
    imports = [_import_ms() for _ in range(rounds)]
    part.add("importing kana.sdk, wall clock", "ms", [wall for wall, _ in imports])
    part.add("importing kana.sdk, processor time", "ms", [cpu for _, cpu in imports])
    with KanaServer() as server, KanaAdmin(api_key=server.private_key, endpoint=server.address) as kana:
        _furnish(kana)
        pairs = [_round(server, kana, calls) for _ in range(rounds)]
    for index, clock in enumerate(("wall clock", "the client's processor time")):
        bare = part.add(f"recordUsage by bare httpx, {clock}", "us", [round_[index][0] for round_ in pairs])
        ours = part.add(f"record_usage by the SDK, {clock}", "us", [round_[index][1] for round_ in pairs])
    # The server does the same for both, and its disk decides the wall clock: what is added is the client's own time.
    added = ours.median - bare.median
    part.ratios.append(Ratio(name="what the SDK adds to a round trip, us", value=added, at_most=300.0))
    part.ratios.append(Ratio(name="importing kana.sdk, ms", value=part.series[0].median, at_most=150.0))
    return part


def _import_ms() -> tuple[float, float]:
    printed = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True).stdout
    wall, cpu = (float(seconds) * 1e3 for seconds in printed.split())
    return wall, cpu


def _furnish(kana: KanaAdmin) -> None:
    kana.features.create(id="calls", type="CONSUMABLE")
    kana.packages.create(id="basic", features=[Grant(id="calls", reset_period="MONTH")])
    kana.packages.publish(id="basic")
    kana.users.create(id="124")
    kana.subscriptions.create(user_id="124", package_ids=["basic"])


def _round(server: KanaServer, kana: KanaAdmin, calls: int) -> list[tuple[float, float]]:
    """Return the median microseconds of a call, bare and by the SDK, by either clock."""
    with httpx.Client(headers={"authorization": server.private_key}) as http:

        def bare() -> None:
            usage = {"userId": "124", "featureId": "calls", "delta": 1, "idempotencyKey": str(uuid.uuid4())}
            request = {"query": RECORD_USAGE.document, "variables": {"input": usage}}
            answer = http.post(f"{server.address}/graphql", json=request)
            assert answer.json()["data"]["recordUsage"]["recorded"]

        def ours() -> None:
            assert kana.features.record_usage(user_id="124", feature_id="calls").recorded

        for send in (bare, ours) * 50:
            send()
        times = [(_us(bare), _us(ours)) for _ in range(calls)]
    return [(median(one[clock] for one, _ in times), median(other[clock] for _, other in times)) for clock in range(2)]


def _us(call: Callable[[], None]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.thread_time()
    call()
    return (time.perf_counter() - wall) * 1e6, (time.thread_time() - cpu) * 1e6


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sdk", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="runs of each, 5 or more to quote")
    parser.add_argument("--calls", type=int, default=1_000, help="calls of each sender in a run")
    given = parser.parse_args()
    part = measure(rounds=given.rounds, calls=given.calls)
    for series in part.series:
        print(f"{series.name}: {shown(series.median)} {series.unit} (spread {series.spread})")
    for ratio in part.ratios:
        print(f"{ratio.name}: {shown(ratio.value)}, {ratio.bound}")


if __name__ == "__main__":
    main()
