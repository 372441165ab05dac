"""The protocol of one connection: uvicorn's HTTP/1.1, plus the deadlines and bounds that it lacks.

Uvicorn waits for ever for slow headers and bodies and for answers that nobody reads; middleware would be
too late, because it is called when the headers are complete. So the protocol stores when its current step
is due, and the server checks it a few times a second, without a timer for each request.

One request is processed at a time. What a client sends ahead is stored as bytes, at most one segment,
until its turn.
"""

from __future__ import annotations

import asyncio
from enum import Enum, auto
from math import inf
from typing import Any, cast
from urllib.parse import unquote

import httptools
from starlette.types import Scope
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from kana.api.bounds import Bounds, Load
from kana.api.cycle import Cycle
from kana.api.errors import Fault
from kana.api.head import BUSY, MALFORMED, TOO_LARGE, TOO_SLOW, fault_in, last_answer
from kana.api.http import headers_of

_WORK_MAX = 1000
"""How many pieces and chunks of a segment are parsed in one turn of the loop: about a millisecond."""

_PIECE_BYTES = 4096
"""How much is parsed before the work is checked, if the length is unknown: a hundred tiny chunks or so."""

_BLANK_LINE = b"\r\n\r\n"
_LINE_END = 13


class _Step(Enum):
    """What the connection waits for: a request, the rest of its head or of its body, or our answer."""

    IDLE = auto()
    HEAD = auto()
    BODY = auto()
    ANSWER = auto()


class _Flow(FlowControl):
    """Uvicorn's flow control, which reads nothing while something already read waits for its turn."""

    is_holding = False

    def resume_reading(self) -> None:
        """Read on, unless something is waiting or the connection ends."""
        if not self.is_holding and not self._transport.is_closing():
            super().resume_reading()


class BoundedProtocol(HttpToolsProtocol):
    """Uvicorn's HTTP/1.1 protocol, with a due time for each step of a request and a bound on its size."""

    flow: _Flow
    cycle: Cycle

    def __init__(self, *args: Any, bounds: Bounds, load: Load, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._bounds = bounds
        self._load = load
        self._step = _Step.IDLE
        self._due = inf
        self._write_due = inf
        self._unwritten = 0
        self._held = b""
        self._tail = b""
        self._piece_bytes = 0
        self._other_bytes = 0
        self._body_bytes = 0
        self._body_left = 0
        self._unread_bytes = 0
        self._work = 0
        self._again = False
        self._surplus = False
        self._ended = False

    def _begin(self, step: _Step, allowed_s: float) -> None:
        self._step = step
        self._due = self.loop.time() + allowed_s

    def connection_made(self, transport: Any) -> None:
        """A client has connected: its first request must begin within ``head_s``."""
        super().connection_made(transport)
        self.flow = _Flow(transport)
        self._begin(_Step.IDLE, self._bounds.head_s)
        self._surplus = len(self.connections) > self._bounds.connections_max
        if self._surplus:
            self._load.note_refusal(f"{self._bounds.connections_max} connections are open", self.loop.time())
        if self._file_number() >= self._load.files_max - self._bounds.files_spare:
            # It would wait for a request while the database runs out of files.
            self._load.note_refusal(f"nearly {self._load.files_max} files are open, the limit", self.loop.time())
            self._refuse(BUSY)

    def _file_number(self) -> int:
        """The number of the connection's file; the system uses the lowest free one."""
        connection = self.transport.get_extra_info("socket")
        return -1 if connection is None else cast(int, connection.fileno())

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has disconnected: stop reading, storing and writing."""
        self._stop_reading()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes have arrived. Malformed HTTP is answered with 400 and ends the connection."""
        if self._held:
            self._hold(self._held + data)
        elif not self._ended:
            self._feed(data)

    def _feed(self, data: bytes) -> None:
        """Parse up to the end of one request, and store the rest until it is answered."""
        start, length = 0, len(data)
        self._work = 0
        while start < length and not self._ended:
            if self._step is _Step.ANSWER or self.flow.write_paused:
                self._hold(data[start:])
                return
            if self._work > _WORK_MAX:
                self._tail = data[max(0, start - 3) : start]
                self._hold(data[start:])
                self.loop.call_soon(self._go_on)
                return
            end = self._end_of_piece(data, start)
            self._feed_piece(data[start:end])
            start = end
        self._keep_tail(data)

    def _keep_tail(self, data: bytes) -> None:
        self._tail = b"" if self._step is _Step.ANSWER else (self._tail + data[-3:])[-3:]

    def _end_of_piece(self, data: bytes, start: int) -> int:
        """Return where to stop: no piece extends beyond the end of a head or of a body."""
        if self._body_left:
            return min(start + self._body_left, len(data))
        if start == 0 and self._tail:  # The blank line may have started in an earlier piece.
            across = (self._tail + data[:3]).find(_BLANK_LINE)
            if across >= 0:
                return across + 4 - len(self._tail)
        most = min(start + _PIECE_BYTES, len(data))
        found = data.find(_BLANK_LINE, max(0, start - 3), most)
        return most if found < 0 else found + 4

    def _feed_piece(self, piece: bytes) -> None:
        """Parse a piece without upgrades, which are not supported, and count the bytes that are not body."""
        self._work += 1
        self._piece_bytes = len(piece)
        if piece[0] <= _LINE_END and self._step is _Step.IDLE and not self._begins_well(piece):
            self._refuse(MALFORMED)
            return
        try:
            try:
                self.parser.feed_data(piece)
            except httptools.HttpParserUpgrade:
                self._read_again()
        except httptools.HttpParserError:
            self._refuse(MALFORMED)
            return
        self._other_bytes += self._piece_bytes
        if self._other_bytes > self._bounds.head_bytes_max + self._body_bytes:
            self._refuse(TOO_LARGE)

    def _begins_well(self, piece: bytes) -> bool:
        """Whether there are only line ends before a request, which some clients send after a body."""
        blank = piece[: len(piece) - len(piece.lstrip(b"\r\n"))]
        whole = b"\r" + blank if self._tail.endswith(b"\r") else blank
        return whole.replace(b"\r\n", b"") in (b"", b"\r" if blank == piece else b"")

    def _read_again(self) -> None:
        """Let a new parser read the headers without the upgrade, and then the body by its length.

        The parser ends a request for an upgrade after its headers, where the piece ends, and would take
        what follows for something else.
        """
        if self._ended:
            return
        head = [b"%b %b HTTP/%b\r\n" % (self.parser.get_method(), self.url, self._version())]
        head += [b"%b: %b\r\n" % header for header in self.headers if header[0] != b"upgrade"]
        self._again = True
        self.parser = httptools.HttpRequestParser(self)
        self.parser.feed_data(b"".join((*head, b"\r\n")))
        self._again = False

    def _version(self) -> bytes:
        return self.parser.get_http_version().encode()

    def _hold(self, data: bytes) -> None:
        """Store what arrived ahead of its turn and stop reading; if there is nothing to store, read on."""
        self._load.held_bytes += len(data) - len(self._held)
        self._held = data
        self.flow.is_holding = bool(data)
        if not data:
            self.flow.resume_reading()
        elif self._load.held_bytes <= self._bounds.held_bytes_max:
            self.flow.pause_reading()
        elif self._step is _Step.ANSWER:
            self._stop_reading()
            self.cycle.keep_alive = False
        else:
            self._end()

    def _go_on(self) -> None:
        """Parse what was stored, if it is its turn."""
        data = self._held
        if data and not self._ended:
            self._hold(b"")
            self._feed(data)

    def on_message_begin(self) -> None:
        """The first byte of a request has arrived."""
        super().on_message_begin()
        if not self._again:
            self._other_bytes = 0
            self._body_bytes = 0
            self._begin(_Step.HEAD, self._bounds.head_s)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header has arrived; trailers after the body are ignored."""
        if self._step is _Step.HEAD:
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The headers are complete: call the application, or refuse the request."""
        method = self.parser.get_method()
        version = self.parser.get_http_version()
        headers = headers_of(cast(Scope, self.scope))
        wrong = self._fault_in_head(method, version, headers)
        if wrong is not None:
            self._refuse(wrong, has_body=method != b"HEAD")
            return
        if self.parser.should_upgrade():
            return  # It is read again without the upgrade.
        self._complete_scope(method, version)
        self._unread_bytes = 0
        self._body_left = int(headers.get(b"content-length", 0))
        self._begin(_Step.BODY, self._bounds.body_s)
        self.cycle = Cycle(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=version == "1.1" and headers.get(b"expect", b"").lower() == b"100-continue",
            keep_alive=version == "1.1" and self.parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        self._start_asgi_task(self.cycle, self.app)

    def _fault_in_head(self, method: bytes, version: str, headers: dict[bytes, bytes]) -> Fault | None:
        if self._surplus or len(self.tasks) >= self._bounds.requests_max:
            return BUSY
        if self._other_bytes + self._piece_bytes > self._bounds.head_bytes_max:
            return TOO_LARGE
        return fault_in(method, version, self.headers, by_name=headers)

    def _complete_scope(self, method: bytes, version: str) -> None:
        """Return uvicorn's scope without upgrades, which are not supported."""
        raw_path, query = b"*", None
        if self.url != b"*":  # It means the server as a whole.
            url = httptools.parse_url(self.url)
            raw_path, query = url.path or b"/", url.query
        path = raw_path.decode("ascii")
        self.scope["method"] = method.decode("ascii")
        self.scope["http_version"] = version
        self.scope["path"] = unquote(path) if "%" in path else path
        self.scope["raw_path"] = raw_path
        self.scope["query_string"] = query or b""

    def on_body(self, body: bytes) -> None:
        """A part of the body has arrived; after an early answer it is discarded, up to a bound."""
        if self._ended:
            return
        self._work += 1
        self._body_bytes += len(body)
        self._piece_bytes -= len(body)
        if self._body_left:
            self._body_left -= len(body)
        if not self.cycle.response_complete:
            super().on_body(body)
            return
        self._unread_bytes += len(body)
        if self._unread_bytes > self._bounds.unread_bytes_max:
            self._end()

    def on_message_complete(self) -> None:
        """The request is complete: from now on the time is ours, not the client's."""
        if self._ended or self._step is not _Step.BODY:
            return  # It was refused, or is being read again.
        super().on_message_complete()
        self._tail = b""
        if not self.cycle.response_complete:
            self._begin(_Step.ANSWER, inf)
        elif self.cycle.keep_alive:
            self._begin(_Step.IDLE, self._bounds.idle_s)
        else:
            self._end()

    def on_response_complete(self) -> None:
        """An answer was sent: process the next request if it is here, or wait for it."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            self._end()
            return
        if self._step is _Step.ANSWER:
            self._begin(_Step.IDLE, self._bounds.idle_s)
        if self._held:
            self._go_on()
        else:
            self.flow.resume_reading()

    def pause_writing(self) -> None:
        """The client reads more slowly than it is answered: from now on it has a deadline."""
        super().pause_writing()
        self._watch_writing()

    def resume_writing(self) -> None:
        """The client has caught up: process what it sent in the meantime."""
        super().resume_writing()
        self._write_due = inf
        if self._step is _Step.IDLE:
            self._begin(_Step.IDLE, self._bounds.idle_s)
            self._go_on()

    def _watch_writing(self) -> None:
        self._write_due = self.loop.time() + self._bounds.write_s
        self._unwritten = self.transport.get_write_buffer_size()

    def expire(self, now: float) -> None:
        """Close the connection if its current step is overdue; an unfinished request gets an error."""
        if self._write_due == inf and self.transport.is_closing():
            self._watch_writing()
        if now >= self._write_due:
            if self._unwritten - self.transport.get_write_buffer_size() >= self._bounds.write_bytes_min:
                self._watch_writing()
            else:
                self._end()
                self.transport.abort()
        elif now >= self._due and not self._ended and not self.flow.write_paused:
            if self._step is _Step.IDLE:
                self._end()
            else:
                self._refuse(TOO_SLOW)

    def _refuse(self, fault: Fault, *, has_body: bool = True) -> None:
        """End the connection; a request without an answer gets the reason."""
        if self._step is not _Step.BODY:
            self.transport.write(last_answer(fault, has_body=has_body))
        elif not self.cycle.response_started:
            self.transport.write(last_answer(fault))
            self.cycle.drop()
        self._end()

    def _end(self) -> None:
        """Stop reading, and close when the client has read what was written."""
        self._stop_reading()
        self.transport.close()

    def _stop_reading(self) -> None:
        self._ended = True
        self._load.held_bytes -= len(self._held)
        self._held = b""
