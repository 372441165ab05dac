"""``GET /v1/stream``: notifications as they happen, as server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic

import orjson
from starlette.types import ASGIApp, Receive, Scope, Send

from kana.api.access import Door
from kana.api.admin.notifications import view_of
from kana.api.endpoint import explain
from kana.api.http import answer_method_not_allowed, headers_of, send_answer
from kana.api.query import arguments_in
from kana.api.streams import Streams
from kana.api.v1.writing import Call, object_writer
from kana.engine.engine import Engine
from kana.errors import InvalidValue, KanaError
from kana.model.environment import Environment
from kana.model.key import KeyKind
from kana.model.notification import Notification

POLL_S = 0.25
"""Pause between two looks for something new."""

QUIET_S = 5.0
"""After so long without anything new a comment is sent, as proxies close what is silent."""

_HEADERS = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # A proxy passes on what it gets at once.
)
_BEGIN = b": notifications\n\n"
_QUIET = b": nothing new\n\n"


def stream(engine: Engine, door: Door, streams: Streams) -> ASGIApp:
    """Return the application of the stream, for callers with a private key.

    It begins after the id in the header Last-Event-ID, which clients send when they connect again, or in ``after``;
    without either with what happens from now on. A client that reads too slowly is closed, and goes on from there.
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "GET":
            await answer_method_not_allowed(scope, send, b"GET")
            return
        try:
            environment = (await door.caller(scope, KeyKind.PRIVATE)).environment
            after = _after(scope) or str(await engine.notifications.last(environment))
            found = await engine.notifications.notifications(environment, after=after)
            count = streams.one_more()
        except KanaError as error:
            await send_answer(send, explain(scope, error))
            return
        with count:
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            with suppress(KanaError):  # The client connects again, and is told then.
                await _Stream(engine, door, scope, send, environment, after).run(found, receive, streams.ending)
            await send({"type": "http.response.body", "body": b""})

    return app


def _after(scope: Scope) -> str | None:
    """Return the id after which a stream begins, if the request names one.

    Raises:
        InvalidValue: the query has anything else.
    """
    given = arguments_in(scope["query_string"])
    if given.keys() - {"after"} or len(given.get("after", ())) > 1:
        raise InvalidValue("the query may have after once, and nothing else", field="after")
    last = headers_of(scope).get(b"last-event-id")
    return last.decode("latin-1") if last is not None else next(iter(given.get("after", ())), None)


@dataclass(slots=True)
class _Stream:
    """One client's stream, and the last id that was sent to it."""

    engine: Engine
    door: Door
    scope: Scope
    send: Send
    environment: Environment
    after: str

    async def run(self, found: Sequence[Notification], receive: Receive, ending: asyncio.Event) -> None:
        """Send what is found, and what is new, until the client has gone, the process ends, or the key is revoked.

        Raises:
            KanaError: the key does not open any longer, or the store cannot answer.
        """
        leaving = [asyncio.create_task(_until_gone(receive)), asyncio.create_task(ending.wait())]
        said_at = monotonic()
        try:
            await self._write(_BEGIN)
            while True:
                if found:
                    await self._write(b"".join(map(_event, found)))
                    self.after, said_at = str(found[-1].id), monotonic()
                elif monotonic() - said_at >= QUIET_S:
                    await self._write(_QUIET)
                    said_at = monotonic()
                gone, _ = await asyncio.wait(leaving, timeout=POLL_S, return_when=asyncio.FIRST_COMPLETED)
                if gone:
                    return
                await self.door.caller(self.scope, KeyKind.PRIVATE)
                found = await self.engine.notifications.notifications(self.environment, after=self.after)
        finally:
            for task in leaving:
                task.cancel()

    async def _write(self, text: bytes) -> None:
        await self.send({"type": "http.response.body", "body": text, "more_body": True})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


_write = object_writer("Notification")


def _event(notification: Notification) -> bytes:
    """Return a notification as an event; JSON has no line break."""
    said = orjson.dumps(_write(view_of(notification), Call(None)))
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (notification.id, notification.type.value.encode(), said)
