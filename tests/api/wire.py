"""Requests as bytes: what our server makes of them without a network, and what a second parser makes of them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, cast

import h11
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from kana.api.bounds import Bounds, Load
from kana.api.http import answer
from kana.api.protocol import BoundedProtocol

_SPACES = re.compile(rb"\A([A-Z]+) +([^\s]+) +(?=HTTP/)")

EARLY = "/early"
"""The path whose requests are answered before their body is read."""


class Asked(NamedTuple):
    """A request as an application sees it."""

    method: str
    target: str
    body: bytes


class Wire(asyncio.Transport):
    """A connection whose other end is the test: what is written to it is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False
        self.paused = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return addresses for who asks, and nothing else."""
        return ("127.0.0.1", 1) if name in ("peername", "sockname") else default

    def write(self, data: Any) -> None:
        """Keep what is written while the connection is open."""
        if not self.closed:
            self.written += bytes(data)

    def is_closing(self) -> bool:
        """Whether it was closed."""
        return self.closed

    def close(self) -> None:
        """Write no more."""
        self.closed = True

    def abort(self) -> None:
        """Write no more."""
        self.closed = True

    def pause_reading(self) -> None:
        """Bring no more until told to."""
        self.paused = True

    def resume_reading(self) -> None:
        """Bring more."""
        self.paused = False

    def get_write_buffer_size(self) -> int:
        """Return 0: what is written is gone at once."""
        return 0


@dataclass(slots=True)
class Heard:
    """What a connection came to: the requests that reached the application, the answers, and its end.

    ``part_bytes_max`` is the most of a body that the application was given at once.
    """

    asked: list[Asked] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    is_closed: bool = False
    part_bytes_max: int = 0


class Server:
    """An application that answers 200 to everything, behind a protocol of one connection after another."""

    def __init__(self, protocol: type[asyncio.Protocol] = BoundedProtocol, *, bounds: Bounds | None = None) -> None:
        own = {"bounds": bounds or Bounds(), "load": Load()} if protocol is BoundedProtocol else {}
        self._protocol = partial(protocol, **own)
        self._loop = asyncio.new_event_loop()
        self._config = uvicorn.Config(cast(Any, self._app), log_config=None, ws="none", interface="asgi3")
        self._config.load()

    def close(self) -> None:
        """End the loop."""
        self._loop.close()

    def hear(self, segments: Sequence[bytes]) -> Heard:
        """Return what comes of a connection that brings these segments."""
        return self._loop.run_until_complete(self._hear(segments))

    async def _hear(self, segments: Sequence[bytes]) -> Heard:
        self._asked: list[Asked] = []
        self._part_bytes_max = 0
        wire = Wire()
        state = ServerState()
        protocol = cast(Any, self._protocol)(
            config=self._config, server_state=state, app_state={}, _loop=asyncio.get_running_loop()
        )
        protocol.connection_made(wire)
        for segment in segments:
            await _settled(protocol, wire)
            if wire.closed:
                break
            protocol.data_received(segment)
        await _settled(protocol, wire)
        heard = Heard(self._asked, statuses_in(wire.written), wire.closed, self._part_bytes_max)
        protocol.connection_lost(None)
        for task in list(state.tasks):
            await task
        return heard

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        target = (scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")).decode()
        body = b""
        if scope["path"] == EARLY:
            self._asked.append(Asked(scope["method"], target, b""))
        else:
            message = await receive()
            while message["type"] == "http.request":
                body += message["body"]
                self._part_bytes_max = max(self._part_bytes_max, len(message["body"]))
                if not message["more_body"]:
                    self._asked.append(Asked(scope["method"], target, body))
                    break
                message = await receive()
            else:
                return
        await answer(send, 200, b"ok", content_type=b"text/plain")


async def _settled(protocol: Any, wire: Wire) -> None:
    """Wait until the server has nothing left to do with what it has."""
    idle, before = 0, _state(protocol, wire)
    while idle < 3:
        await asyncio.sleep(0)
        now = _state(protocol, wire)
        idle, before = (idle + 1 if now == before else 0), now


def _state(protocol: Any, wire: Wire) -> tuple[int, ...]:
    return len(wire.written), len(protocol.tasks), len(getattr(protocol, "_held", b""))


def statuses_in(written: bytes) -> list[int]:
    """Return the status of each final answer in ``written``; every one of ours has a length."""
    statuses = []
    while written:
        head, _, written = written.partition(b"\r\n\r\n")
        status = int(head[9:12])
        if status == 100:
            continue
        statuses.append(status)
        lines = head.lower().split(b"\r\n")
        length = next(int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:"))
        # An answer to HEAD announces what it does not bring.
        written = written[length:] if not written.startswith(b"HTTP/1.1 ") else written
    return statuses


def second_opinion(data: bytes) -> list[Asked]:
    """Return the requests that h11 finds in ``data``, up to where it waits for more or refuses.

    Empty lines before a request are passed over, as the standard asks of a server, and several spaces
    between the words of its first line are taken for one, as the standard allows. A tunnel (CONNECT)
    has no end, so it is not found.
    """
    found: list[Asked] = []
    while data:
        while data.startswith(b"\r\n"):
            data = data[2:]
        asked, data = _first_request(_SPACES.sub(rb"\1 \2 ", data))
        if asked is not None:
            found.append(asked)
    return found


def _first_request(data: bytes) -> tuple[Asked | None, bytes]:
    """Return the first request of ``data``, and what follows if the connection goes on after it."""
    judge = h11.Connection(h11.SERVER, max_incomplete_event_size=1_000_000)
    judge.receive_data(data)
    request, body = None, b""
    while True:
        try:
            event = judge.next_event()
        except h11.RemoteProtocolError:
            return None, b""
        if isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage) and request is not None:
            if request.method == b"CONNECT":
                return None, b""
            judge.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
            judge.send(h11.EndOfMessage())
            goes_on = judge.states == {h11.CLIENT: h11.DONE, h11.SERVER: h11.DONE}
            asked = Asked(request.method.decode(), request.target.decode(), body)
            return asked, judge.trailing_data[0] if goes_on else b""
        else:  # It waits for more, or for nothing.
            return None, b""
