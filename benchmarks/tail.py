"""The tail of a record: at half of what the server can do, on a fixed schedule, beside the bare disk.

A schedule does not wait for who is slow: each time is taken from when the call was due, so that a second in which
the disk did nothing counts for every call that was due in it. The disk's own tail is taken in the same seconds.
Beside the record stand an empty field at the same rate, which is what sharing two processors with the one who calls
costs, and the record with its database in memory, which is what is left without the disk.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.figures import Part, Ratio
from benchmarks.load import Target, requests_per_second
from benchmarks.seeding import seed
from tests.support.server import KanaServer

SECONDS = 10
USERS, CONNECTIONS = 1_000, 64
QUANTILES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}
ROOT = Path(__file__).parent.parent
MEMORY = Path("/dev/shm")
"""Where files are kept in memory on Linux."""

RECORD, EMPTY, IN_MEMORY, DISK = "recordUsage", "an empty field", "recordUsage, file in memory", "the bare disk, 8 KB"


@dataclass(slots=True)
class _Served:
    """A server with its users, and who calls it."""

    server: KanaServer
    target: Target
    calls: subprocess.Popen[str] = field(init=False)

    def __post_init__(self) -> None:
        command = [sys.executable, "-m", "benchmarks.schedule", self.target.address, self.target.key]
        self.calls = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def take(self, mode: str, rate: float) -> list[float]:
        """Return the milliseconds that each call of a run took."""
        assert self.calls.stdin is not None
        assert self.calls.stdout is not None
        self.calls.stdin.write(json.dumps({"mode": mode, "rate": rate, "seconds": SECONDS, "users": USERS}) + "\n")
        taken: list[float] = json.loads(self.calls.stdout.readline())
        return taken

    def close(self) -> None:
        """End both."""
        with self.calls:
            self.calls.terminate()
        self.server.terminate()
        self.server.close()


def measure(*, rounds: int) -> Part:
    """Return quantiles of milliseconds, of each round one, and how the tails compare."""
    part = Part("The tail of a record on SQLite, at half of capacity, on a fixed schedule")
    tails: dict[str, list[list[float]]] = {name: [] for name in (RECORD, EMPTY, IN_MEMORY, DISK)}
    rates = []
    with ExitStack() as stack:
        on_disk = _serve(stack, None)
        memory = stack.enter_context(_folder_in_memory())
        in_memory = _serve(stack, memory)
        for _ in range(rounds):
            rates.append(requests_per_second(on_disk.target, "record", connections=CONNECTIONS, users=USERS) / 2)
            with _bare_disk(on_disk.server.folder) as disk:
                tails[RECORD].append(on_disk.take("record", rates[-1]))
                said, _ = disk.communicate()
                tails[DISK].append(json.loads(said))
            tails[EMPTY].append(on_disk.take("empty", rates[-1]))
            tails[IN_MEMORY].append(in_memory.take("record", rates[-1]))
    part.add("calls that were due", "calls/s", rates)
    series = {
        (what, name): part.add(f"{what}: {name}", "ms", [_quantile(taken, share) for taken in taken_by_round])
        for what, taken_by_round in tails.items()
        for name, share in QUANTILES.items()
    }
    at_p99 = {what: series[what, "p99"].median for what in tails}
    part.ratios.append(
        Ratio(name="recordUsage at p99 against the bare disk at p99", value=at_p99[RECORD] / at_p99[DISK], at_most=5)
    )
    part.notes.append(
        "Each call's time is counted from when it was due; calls and disk share the machine and its minute."
    )
    return part


def _serve(stack: ExitStack, folder: Path | None) -> _Served:
    server = KanaServer(folder, settings={"KANA_LOG_LEVEL": "warning"})
    key = seed(server.database_url, users=USERS)
    server.start()
    served = _Served(server, Target(address=server.address, key=key))
    stack.callback(served.close)
    return served


@contextmanager
def _folder_in_memory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as name:
        yield Path(name)


def _bare_disk(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.bare", str(folder), str(SECONDS)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def _quantile(taken: Sequence[float], share: float) -> float:
    """Return the time that this share of the calls did not pass."""
    return sorted(taken)[min(len(taken) - 1, int(len(taken) * share))]
