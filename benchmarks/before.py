"""The ordinary case against an earlier commit, by turns in one run: a user of one package, without any grant beside it.

Calls of the engine are measured in processor time, which other programs on the machine do not change much; requests
over HTTP in what wrk counts.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.figures import Part, Ratio
from benchmarks.load import Target, requests_per_second
from tests.support.postgres import Postgres

ROOT = Path(__file__).parent.parent
VENDOR = Path("src/kana/dashboard/static/vendor")
MODES = ("check", "record")
USERS = 1000


class Side:
    """The program that measures in one source tree."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.said = self._answer()

    def ask(self, mode: str) -> float:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{mode}\n")
        self._process.stdin.flush()
        return float(self._answer())

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


def measure(postgres: Postgres, *, commit: str, rounds: int) -> Part:
    """Return what a call costs now and then, and how many requests a second are answered."""
    part = Part(f"The ordinary case against {commit}")
    with ExitStack() as stack:
        trees = {"before": stack.enter_context(tree_of(commit)), "now": ROOT}
        for name, urls in (
            ("SQLite", dict.fromkeys(trees, "")),
            ("PostgreSQL", {side: postgres.create_database() for side in trees}),
        ):
            sides = {side: stack.enter_context(running(tree, urls[side])) for side, tree in trees.items()}
            for mode in MODES:
                taken: dict[str, list[float]] = {side: [] for side in sides}
                for _ in range(rounds):
                    for side, program in sides.items():
                        taken[side].append(program.ask(mode))
                _compare(part, f"{mode}, {name}", "µs of processor time", taken, at_most=1.03)
        servers = {side: stack.enter_context(running(tree, "http")).said for side, tree in trees.items()}
        for mode in MODES:
            rates: dict[str, list[float]] = {side: [] for side in servers}
            for _ in range(rounds):
                for side, said in servers.items():
                    target = Target(address=said["address"], key=said["key"])
                    rates[side].append(requests_per_second(target, mode, connections=64, users=USERS))
            _compare(part, f"{mode} over HTTP, SQLite, 64 connections", "requests/s", rates, at_least=0.97)
    return part


def _compare(part: Part, name: str, unit: str, taken: dict[str, list[float]], **bound: float) -> None:
    for side, values in taken.items():
        part.add(f"{name}, {side}", unit, values)
    pairs = sorted(now / before for now, before in zip(taken["now"], taken["before"], strict=True))
    part.ratios.append(Ratio(name=f"{name}: now against before", value=pairs[len(pairs) // 2], **bound))


@contextmanager
def tree_of(commit: str) -> Iterator[Path]:
    """The files of a commit, and the style sheets and scripts that are not in git."""
    with tempfile.TemporaryDirectory(prefix="kana-before-") as folder:
        packed = subprocess.run(["git", "-C", str(ROOT), "archive", commit], capture_output=True, check=True).stdout
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(folder, filter="data")
        if (ROOT / VENDOR).is_dir():
            shutil.copytree(ROOT / VENDOR, Path(folder, VENDOR), dirs_exist_ok=True)
        yield Path(folder)


@contextmanager
def running(tree: Path, url: str) -> Iterator[Side]:
    """The program, with the code of a tree."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tree / "src"), str(tree)])}
    program = [sys.executable, str(ROOT / "benchmarks" / "ordinary.py"), url]
    process = subprocess.Popen(
        program, cwd=tree, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield Side(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(30)
