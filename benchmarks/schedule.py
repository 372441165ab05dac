"""Calls on a fixed schedule, from a process of its own: `python -m benchmarks.schedule ADDRESS KEY`.

It reads a line of JSON for each run (mode, calls a second, seconds, users) and answers with one: the milliseconds
that each call took, from when it was due. A call that is due does not wait for those before it, but for a
connection where all are taken. Bodies are made beforehand, so that the generator takes little of the processor
that it shares with the server: its own share of a tail is what the mode "empty" shows.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import uuid
from collections import deque
from dataclasses import dataclass
from urllib.parse import urlsplit

CONNECTIONS = 64
TICK_S = 0.0005

_RECORD = (
    "mutation record($input: CreateUsageEventInput!) { recordUsage(input: $input) { recorded reason } }"  # As wrk's.
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What to call: "record" or "empty", how often and how long."""

    mode: str
    rate: float
    seconds: float
    users: int


class _Connection(asyncio.Protocol):
    """One connection, with one call at a time."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._answer = b""
        self._due = 0.0
        self._is_closed = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def send(self, request: bytes, due: float) -> None:
        """Send a request that was due then."""
        self._answer, self._due = b"", due
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, end, body = self._answer.partition(b"\r\n\r\n")
        if end and len(body) >= int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]):
            self._calls.answered(self, head, body, self._due)

    def close(self) -> None:
        """Close it, as nothing more is asked."""
        self._is_closed = True
        self._transport.close()

    def connection_lost(self, _exc: Exception | None) -> None:
        if not self._is_closed:
            self._calls.lost()


class Calls:
    """Makes the calls of one run and keeps how long each took."""

    def __init__(self, address: str, key: str) -> None:
        parts = urlsplit(address)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._head = (
            f"POST /graphql HTTP/1.1\r\nhost: {parts.netloc}\r\nauthorization: {key}\r\n"
            "content-type: application/json\r\ncontent-length: "
        )
        self._free: list[_Connection] = []
        self._due: deque[tuple[bytes, float]] = deque()
        self._taken: list[float] = []  # In milliseconds.
        self._failed: str | None = None

    async def run(self, run: Run) -> list[float]:
        """Make the calls of a run and return the milliseconds that each took.

        Raises:
            RuntimeError: one was not answered with success.
        """
        await self._connect()
        requests = [self._request(run, number) for number in range(int(run.rate * run.seconds))]
        begun, sent = time.perf_counter() + 0.1, 0
        while len(self._taken) < len(requests):
            now = time.perf_counter()
            while sent < len(requests) and (due := begun + sent / run.rate) <= now:
                self._due.append((requests[sent], due))
                sent += 1
            self._send()
            if self._failed is not None:
                raise RuntimeError(self._failed)
            await asyncio.sleep(TICK_S)
        for connection in self._free:
            connection.close()
        self._free.clear()
        return self._taken

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(CONNECTIONS):
            _, connection = await loop.create_connection(lambda: _Connection(self), self._host, self._port)
            self._free.append(connection)

    def answered(self, connection: _Connection, head: bytes, body: bytes, due: float) -> None:
        """Note an answer, and use its connection for what is due."""
        self._taken.append((time.perf_counter() - due) * 1000)
        if not head.startswith(b"HTTP/1.1 200") or b'"recorded":false' in body or b'"errors"' in body:
            self._failed = f"{head[:20]!r} {body[:300]!r}"
        self._free.append(connection)
        self._send()

    def lost(self) -> None:
        """Note that the server closed a connection."""
        self._failed = "the server closed a connection"

    def _send(self) -> None:
        while self._due and self._free:
            self._free.pop().send(*self._due.popleft())

    def _request(self, run: Run, number: int) -> bytes:
        asked: dict[str, object] = {"query": "{ __typename }"}
        if run.mode == "record":
            usage = {"userId": f"u{number % run.users}", "featureId": "calls", "delta": 1}
            asked = {"query": _RECORD, "variables": {"input": {**usage, "idempotencyKey": uuid.uuid4().hex}}}
        body = json.dumps(asked).encode()
        return f"{self._head}{len(body)}\r\n\r\n".encode() + body


async def _serve(address: str, key: str) -> None:
    for line in sys.stdin:
        print(json.dumps(await Calls(address, key).run(Run(**json.loads(line)))), flush=True)


if __name__ == "__main__":
    asyncio.run(_serve(*sys.argv[1:]))
