"""What a load does to everybody else: checks and records beside it, against the same alone in the same minute.

A row is a ``Load``: a coroutine that does its work once against a server, and is called again until
the round ends. ``Beside`` runs rounds in turn, alone and beside, and tells by what factor the p99 grows.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from statistics import median
from typing import Self

from tests.support.client import AdminClient
from tests.support.server import KanaServer

FACTOR_MAX = 5.0
"""Most that a load may make the p99 of checks, or of records, worse by."""

ROUND_S = 0.6
ROUNDS = 3
TRIES = 3
ANSWER_S = 60.0
USER = "steady"

Load = Callable[[KanaServer], Awaitable[object]]


async def nothing(_: KanaServer) -> None:
    """Prepare nothing."""


@dataclass(slots=True)
class Seen:
    """The p99 of each round, in milliseconds, by what was called."""

    alone: dict[str, list[float]] = field(default_factory=lambda: {"check": [], "record": []})
    beside: dict[str, list[float]] = field(default_factory=lambda: {"check": [], "record": []})
    times: int = 0

    @property
    def factors(self) -> dict[str, float]:
        """By what the load makes each worse: the medians of the rounds, which one bad moment does not move."""
        return {name: median(self.beside[name]) / median(self.alone[name]) for name in self.alone}

    @property
    def worst(self) -> float:
        """The larger factor."""
        return max(self.factors.values())


async def furnish(server: KanaServer) -> None:
    """Make the package and the user of the stream; what the loads need is theirs to make."""
    async with AdminClient(server.address, server.private_key) as admin:
        await admin.furnish("steady")
        await admin.enrol(USER, "steady")


class Beside:
    """A stream of checks and records against a server that was furnished for it, and loads beside it."""

    def __init__(self, server: KanaServer) -> None:
        self._server = server
        self._process: asyncio.subprocess.Process

    async def __aenter__(self) -> Self:
        arguments = (sys.executable, "-m", "tests.reliability.stream")
        self._process = await asyncio.create_subprocess_exec(
            *arguments,
            self._server.address,
            self._server.private_key,
            USER,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=1 << 20,
        )
        await self._round()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._process.terminate()
        await self._process.wait()

    async def measure(self, load: Load, *, prepare: Load = nothing, tries: int = TRIES) -> Seen:
        """Return what a load does: of a few tries the first within the factor, or the last.

        What it needs is made by ``prepare`` before each round, beside nothing.
        A neighbour on the machine spoils one; what holds the server does so in each.
        """
        for _ in range(tries):
            seen = await self._try(load, prepare)
            if seen.worst < FACTOR_MAX:
                break
        return seen

    async def _try(self, load: Load, prepare: Load) -> Seen:
        """Run rounds in turn, alone and beside the load."""
        seen = Seen()
        for _ in range(ROUNDS):
            await prepare(self._server)
            self._note(seen.alone, await self._round())
            stop = asyncio.Event()
            busy = asyncio.create_task(self._repeat(load, seen, stop))
            self._note(seen.beside, await self._round())
            stop.set()
            await busy
        return seen

    async def _repeat(self, load: Load, seen: Seen, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await load(self._server)
            seen.times += 1

    async def _round(self) -> dict[str, list[float]]:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(f"{ROUND_S}\n".encode())
        async with asyncio.timeout(ANSWER_S):
            line = await stdout.readline()
        assert line, "the stream ended: what it said is above"
        took: dict[str, list[float]] = json.loads(line)
        return took

    @staticmethod
    def _note(kept: dict[str, list[float]], took: dict[str, list[float]]) -> None:
        for name, times in took.items():
            kept[name].append(sorted(times)[int(len(times) * 0.99) - 1])
