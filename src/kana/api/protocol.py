"""The protocol of one connection: uvicorn's HTTP/1.1, with deadlines and bounds that it lacks.

Uvicorn waits for ever for headers and bodies that drip and for answers that nobody reads; middleware
would come too late, since it is called when the headers are complete. So the protocol notes when its
present step is due, and the server asks it to close a few times a second: no timer for each request.

One request is worked on at a time. What a client sends ahead is kept as bytes, unread beyond one
segment, until its turn comes.
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
"""How much is parsed before the work is looked at, where the length is not known: some hundred tiny chunks."""

_BLANK_LINE = b"\r\n\r\n"
_LINE_END = 13


class _Step(Enum):
    """What the connection waits for: a request, the rest of its head, the rest of its body, our answer."""

    IDLE = auto()
    HEAD = auto()
    BODY = auto()
    ANSWER = auto()


class _Flow(FlowControl):
    """Uvicorn's flow control, by which nothing is read while something that was read waits for its turn."""

    is_holding = False

    def resume_reading(self) -> None:
        """Read on, unless something is held or the connection ends."""
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
            # It would wait for a request while the files that the database needs run out.
            self._load.note_refusal(f"nearly {self._load.files_max} files are open, the limit", self.loop.time())
            self._refuse(BUSY)

    def _file_number(self) -> int:
        """The number of the connection's file: the system gives out the lowest that is free."""
        connection = self.transport.get_extra_info("socket")
        return -1 if connection is None else cast(int, connection.fileno())

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone: nothing is read, kept or written any more."""
        self._stop_reading()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes have arrived. What is not well-formed HTTP is answered 400 and ends the connection."""
        if self._held:
            self._hold(self._held + data)
        elif not self._ended:
            self._feed(data)

    def _feed(self, data: bytes) -> None:
        """Parse up to the end of one request, and keep the rest for when it is answered."""
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
        """Return where to stop and look: no piece goes on behind the end of a head or of a body."""
        if self._body_left:
            return min(start + self._body_left, len(data))
        if start == 0 and self._tail:  # The blank line may have begun before.
            across = (self._tail + data[:3]).find(_BLANK_LINE)
            if across >= 0:
                return across + 4 - len(self._tail)
        most = min(start + _PIECE_BYTES, len(data))
        found = data.find(_BLANK_LINE, max(0, start - 3), most)
        return most if found < 0 else found + 4

    def _feed_piece(self, piece: bytes) -> None:
        """Parse a piece, without the upgrades that nobody here speaks, and count what of it is not body."""
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
        """Whether nothing but whole line ends, which some clients send after a body, stands before a request."""
        blank = piece[: len(piece) - len(piece.lstrip(b"\r\n"))]
        whole = b"\r" + blank if self._tail.endswith(b"\r") else blank
        return whole.replace(b"\r\n", b"") in (b"", b"\r" if blank == piece else b"")

    def _read_again(self) -> None:
        """Have a new parser read the headers without the wish for an upgrade, and then the body by its length.

        The parser ends a request that asks for an upgrade with its headers, which end the piece, and
        would take what follows for something else.
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
        """Keep what came ahead of its turn, and read nothing more meanwhile; nothing to keep reads on."""
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
        """Parse what was kept, if its turn has come."""
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
        """A header has arrived; what comes behind the body is nobody's, and forgotten."""
        if self._step is _Step.HEAD:
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The headers are there: the application is called, or the request refused in its place."""
        method = self.parser.get_method()
        version = self.parser.get_http_version()
        headers = headers_of(cast(Scope, self.scope))
        wrong = self._fault_in_head(method, version, headers)
        if wrong is not None:
            self._refuse(wrong, has_body=method != b"HEAD")
            return
        if self.parser.should_upgrade():
            return  # It is read again without.
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
        """What uvicorn's scope has, without the upgrades that nobody here speaks."""
        raw_path, query = b"*", None
        if self.url != b"*":  # Which stands for the server as a whole.
            url = httptools.parse_url(self.url)
            raw_path, query = url.path or b"/", url.query
        path = raw_path.decode("ascii")
        self.scope["method"] = method.decode("ascii")
        self.scope["http_version"] = version
        self.scope["path"] = unquote(path) if "%" in path else path
        self.scope["raw_path"] = raw_path
        self.scope["query_string"] = query or b""

    def on_body(self, body: bytes) -> None:
        """A part of the body has arrived; after an early answer it is thrown away, up to a bound."""
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
        """The request is there as a whole: from here on the time is ours, not the client's."""
        if self._ended or self._step is not _Step.BODY:
            return  # It was refused, or is read again.
        super().on_message_complete()
        self._tail = b""
        if not self.cycle.response_complete:
            self._begin(_Step.ANSWER, inf)
        elif self.cycle.keep_alive:
            self._begin(_Step.IDLE, self._bounds.idle_s)
        else:
            self._end()

    def on_response_complete(self) -> None:
        """An answer is sent: the next request has its turn, if it is here, or is waited for."""
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
        """The client does not read as fast as it is answered: from here on it has to."""
        super().pause_writing()
        self._watch_writing()

    def resume_writing(self) -> None:
        """The client has read: what it asked meanwhile has its turn."""
        super().resume_writing()
        self._write_due = inf
        if self._step is _Step.IDLE:
            self._begin(_Step.IDLE, self._bounds.idle_s)
            self._go_on()

    def _watch_writing(self) -> None:
        self._write_due = self.loop.time() + self._bounds.write_s
        self._unwritten = self.transport.get_write_buffer_size()

    def expire(self, now: float) -> None:
        """Close the connection if its present step is overdue; a request in the middle is told so."""
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
        """End the connection; a request that has no answer yet is told why."""
        if self._step is not _Step.BODY:
            self.transport.write(last_answer(fault, has_body=has_body))
        elif not self.cycle.response_started:
            self.transport.write(last_answer(fault))
            self.cycle.drop()
        self._end()

    def _end(self) -> None:
        """Read no further, and close when what was written is read."""
        self._stop_reading()
        self.transport.close()

    def _stop_reading(self) -> None:
        self._ended = True
        self._load.held_bytes -= len(self._held)
        self._held = b""
