"""The protocol of one connection: uvicorn's HTTP/1.1, with deadlines and bounds that it lacks.

Uvicorn waits for ever for headers and bodies that drip; middleware would come too late, since it is
called when the headers are complete. So the protocol notes when its present step is due, and the
server asks it to close a few times a second: no timer for each request.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import Enum, auto
from math import inf
from typing import Any, cast
from urllib.parse import unquote

import httptools
import orjson
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from kana.api.errors import Fault, problem
from kana.api.http import NO_STORE, SECURITY_HEADERS, Header, answer_fault, new_request_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a connection may take, in seconds, bytes and numbers.

    ``head_s`` runs from the first byte of a request to the end of its headers, ``body_s`` from there
    to the end of its body, ``idle_s`` between requests, ``drain_s`` from SIGTERM to the end.
    ``unread_bytes_max`` is how much of a body is thrown away after an early answer before the
    connection is closed: more than any address takes, or clients that send first would miss their
    413. Beyond ``connections_max`` connections, or ``requests_max`` requests being served, the
    answer is 503 with Retry-After.
    """

    head_s: float = 10.0
    body_s: float = 30.0
    idle_s: float = 60.0
    drain_s: int = 10
    head_bytes_max: int = 65_536
    unread_bytes_max: int = 8_388_608
    connections_max: int = 4096
    requests_max: int = 2048
    backlog: int = 2048


def _closing() -> tuple[Header, ...]:
    """The headers of an answer that the router never saw and that ends the connection."""
    request_id = new_request_id().encode()
    return ((b"connection", b"close"), (b"x-request-id", request_id), NO_STORE, *SECURITY_HEADERS)


def _refuse(status: int, name: str, message: str, *, retry_after_s: int | None = None) -> ASGIApp:
    """An application that refuses whatever it is asked and closes the connection."""
    code = "BAD_USER_INPUT" if retry_after_s is None else "UNAVAILABLE"
    fault = Fault(code=code, name=name, message=message, status=status, retry_after_s=retry_after_s)

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await answer_fault(send, fault, headers=_closing())

    return app


_BUSY = _refuse(503, "OverloadedError", "the server is at its limit, try again", retry_after_s=1)
_HEAD_TOO_LARGE = _refuse(431, "HeadersTooLargeError", "the request's headers are too large")


class _Step(Enum):
    """What the connection waits for: a request, the rest of its head, the rest of its body, our answer."""

    IDLE = auto()
    HEAD = auto()
    BODY = auto()
    ANSWER = auto()


class _Cycle(RequestResponseCycle):
    """Uvicorn's cycle of one request, but an answer that comes in one piece is written as one piece."""

    _head: Any = None

    async def send(self, message: Any) -> None:
        """Keep the head until its body is there; whatever is out of the ordinary is uvicorn's to write."""
        if message["type"] == "http.response.start" and not self.response_started:
            self._head = message
            return
        head, self._head = self._head, None
        if head is None:
            await super().send(message)
        elif not self._write_whole(head, message):
            await super().send(head)
            await super().send(message)

    def _write_whole(self, head: Any, message: Any) -> bool:
        """Write head and body together; False, with nothing written, where that is not possible."""
        if message.get("more_body") or self.disconnected or self.flow.write_paused:
            return False
        body: bytes = message.get("body", b"")
        lines = [STATUS_LINE[head["status"]]]
        length = b""
        for name, value in (*self.default_headers, *head["headers"]):
            if name == b"content-length":
                length = value
            elif name in (b"connection", b"transfer-encoding"):
                return False
            lines.append(b"%b: %b\r\n" % (name, value))
        text = b"".join(lines)
        # A line break inside a header would split the answer: uvicorn refuses such a header by name.
        if length != b"%d" % len(body) or text.count(b"\n") != len(lines) or self.scope["method"] == "HEAD":
            return False
        end = b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n"
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        self.transport.write(text + end + body)
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()
        return True


class BoundedProtocol(HttpToolsProtocol):
    """Uvicorn's HTTP/1.1 protocol, with a due time for each step of a request and a bound on its size."""

    def __init__(self, *args: Any, bounds: Bounds, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._bounds = bounds
        self._step = _Step.IDLE
        self._due = inf
        self._head_bytes = 0
        self._chunk_bytes = 0
        self._unread_bytes = 0
        self._surplus = False
        self._broken = False

    def _begin(self, step: _Step, allowed_s: float) -> None:
        self._step = step
        self._due = self.loop.time() + allowed_s

    def connection_made(self, transport: Any) -> None:
        """A client has connected: its first request must begin within ``head_s``."""
        super().connection_made(transport)
        self._begin(_Step.IDLE, self._bounds.head_s)
        self._surplus = len(self.connections) > self._bounds.connections_max

    def data_received(self, data: bytes) -> None:
        """Bytes have arrived. What is not well-formed HTTP is answered 400 and ends the connection."""
        if self._broken:
            return
        self._chunk_bytes = len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # No other protocol is spoken here; the request itself is answered as it stands.
            pass
        except httptools.HttpParserError:
            self._refuse_rest(400, "MalformedRequestError", "the request is not well-formed HTTP/1.1")
            return
        if self._step is _Step.HEAD:
            self._head_bytes += len(data)
            if self._head_bytes > self._bounds.head_bytes_max:
                self._refuse_rest(431, "HeadersTooLargeError", "the request's headers are too large")

    def on_message_begin(self) -> None:
        """The first byte of a request has arrived."""
        super().on_message_begin()
        self._head_bytes = 0
        self._begin(_Step.HEAD, self._bounds.head_s)

    def on_headers_complete(self) -> None:
        """The headers are there: the application is called, or one that refuses in its place."""
        self._unread_bytes = 0
        self._begin(_Step.BODY, self._bounds.body_s)
        http_version = self.parser.get_http_version()
        self._complete_scope(http_version)
        before = cast("_Cycle | None", self.cycle)
        self.cycle = _Cycle(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=http_version != "1.0" and self.parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, self._admit())
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self._admit()))

    def _complete_scope(self, http_version: str) -> None:
        """What uvicorn's scope has, without the upgrades that nobody here speaks."""
        url = httptools.parse_url(self.url)
        path = url.path.decode("ascii")
        self.scope["method"] = self.parser.get_method().decode("ascii")
        self.scope["http_version"] = http_version
        self.scope["path"] = unquote(path) if "%" in path else path
        self.scope["raw_path"] = url.path
        self.scope["query_string"] = url.query or b""

    def _admit(self) -> Any:
        bounds = self._bounds
        if self._surplus or len(self.tasks) >= bounds.requests_max:
            return _BUSY
        if self._head_bytes + self._chunk_bytes > bounds.head_bytes_max:
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if size > bounds.head_bytes_max:
                return _HEAD_TOO_LARGE
        return self.app

    def on_body(self, body: bytes) -> None:
        """A part of the body has arrived; after an early answer it is thrown away, up to a bound."""
        if not self.cycle.response_complete:
            super().on_body(body)
            return
        self._unread_bytes += len(body)
        if self._unread_bytes > self._bounds.unread_bytes_max:
            self._broken = True
            self.transport.close()

    def on_message_complete(self) -> None:
        """The request is there as a whole: from here on the time is ours, not the client's."""
        super().on_message_complete()
        if self.cycle.response_complete:
            self._begin(_Step.IDLE, self._bounds.idle_s)
        else:
            self._begin(_Step.ANSWER, inf)

    def on_response_complete(self) -> None:
        """An answer is sent: serve the next request that already waits, or wait for one."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        elif self._step is _Step.ANSWER:
            self._begin(_Step.IDLE, self._bounds.idle_s)

    def expire(self, now: float) -> None:
        """Close the connection if its present step is overdue; a request in the middle is told so."""
        if now < self._due:
            return
        if self._step is _Step.IDLE:
            self.transport.close()
        else:
            self._refuse_rest(408, "RequestTimeoutError", "the request did not arrive in time")

    def _refuse_rest(self, status: int, name: str, message: str) -> None:
        """Read no further. What was asked whole before is still answered, and then the connection ends."""
        self._broken = True
        self._due = inf
        cycle: RequestResponseCycle | None = self.cycle
        answered = cycle is None or cycle.response_complete
        if not answered and self._step is not _Step.BODY:
            self.cycle.keep_alive = False
            return
        if answered or not self.cycle.response_started:
            self.transport.write(_plain_answer(status, name, message))
        self.transport.close()


def _plain_answer(status: int, name: str, message: str) -> bytes:
    fault = Fault(code="BAD_USER_INPUT", name=name, message=message, status=status)
    body = orjson.dumps(problem(fault))
    headers = (
        (b"content-type", b"application/problem+json"),
        (b"content-length", b"%d" % len(body)),
        *_closing(),
    )
    return b"".join([STATUS_LINE[status], *(b"%s: %s\r\n" % pair for pair in headers), b"\r\n", body])
