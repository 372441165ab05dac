"""A steady stream of checks and records on a fixed schedule, from a process of its own.

``python -m tests.reliability.stream ADDRESS KEY USER`` reads lines from standard input, each a number of
seconds, and answers each with a line of JSON: the milliseconds that every call of that time took. Each
is counted from when it was due: who waits behind a call that hangs waits too.
"""

from __future__ import annotations

import asyncio
import json
import sys

from tests.support.client import AdminClient

PER_SECOND = 80
"""Checks a second, and records a second."""

CLIENTS = 25
"""Connections of each kind. More calls than these wait for one, and their time runs."""


class Stream:
    """Calls one server, as steadily as its own machine lets it."""

    def __init__(self, address: str, key: str, user_id: str) -> None:
        self._user_id = user_id
        self._free: dict[str, list[AdminClient]] = {
            name: [AdminClient(address, key) for _ in range(CLIENTS)] for name in ("check", "record")
        }
        self._room = {name: asyncio.Semaphore(CLIENTS) for name in self._free}

    async def run(self, seconds: float) -> dict[str, list[float]]:
        """Call for so long; return what each call took, in milliseconds, by kind."""
        took: dict[str, list[float]] = {name: [] for name in self._free}
        began = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as calls:
            for number in range(int(seconds * PER_SECOND)):
                for name, part in (("check", 0.0), ("record", 0.5)):
                    due = began + (number + part) / PER_SECOND
                    calls.create_task(self._call(name, due, took[name]))
        return took

    async def close(self) -> None:
        """Close every connection."""
        for clients in self._free.values():
            for client in clients:
                await client.close()

    async def _call(self, name: str, due: float, took: list[float]) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(due - loop.time())
        async with self._room[name]:
            client = self._free[name].pop()
            await (client.check if name == "check" else client.record)(self._user_id)
            self._free[name].append(client)
        took.append((loop.time() - due) * 1000)


async def _serve(address: str, key: str, user_id: str) -> None:
    stream = Stream(address, key, user_id)
    await stream.run(0.2)  # Connections are made, and documents are known.
    while line := await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(await stream.run(float(line))), flush=True)
    await stream.close()


if __name__ == "__main__":
    asyncio.run(_serve(*sys.argv[1:]))
