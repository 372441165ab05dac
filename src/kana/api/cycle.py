"""The answer to one request: uvicorn's cycle, but an answer in one piece is written in one piece."""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle


class Cycle(RequestResponseCycle):
    """Uvicorn's cycle of one request, but an answer in one piece is written in one piece."""

    _head: Any = None

    async def send(self, message: Any) -> None:
        """Hold the head until its body is there; unusual answers are left to uvicorn."""
        if message["type"] == "http.response.start" and not self.response_started:
            self._head = message
            if self.waiting_for_100_continue and self.more_body:
                # A client that asked whether to send and is answered may omit the body that it announced.
                self.keep_alive = False
            return
        head, self._head = self._head, None
        if head is None:
            await super().send(message)
        elif not self._write_whole(head, message):
            await super().send(head)
            await super().send(message)

    def drop(self) -> None:
        """Write nothing more: the connection has ended, or the client was told why it will."""
        self.disconnected = True
        self.message_event.set()

    def _write_whole(self, head: Any, message: Any) -> bool:
        """Write head and body together; return False, with nothing written, if that is not possible."""
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
        # If it closed before the rest of a body is read, the connection would be reset and the answer lost.
        may_close = not self.more_body or self.waiting_for_100_continue
        self.waiting_for_100_continue = False
        self.transport.write(text + end + body)
        self.message_event.set()
        if may_close and not self.keep_alive:
            self.transport.close()
        self.on_response()
        return True
