"""What all answers have in common, and the router from a path to its application."""

from __future__ import annotations

import asyncio
import itertools
import re
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from time import perf_counter
from typing import Any, NamedTuple

import orjson
import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kana.api.errors import Fault, fault_of, is_ours, problem
from kana.api.logs import REQUEST_ID
from kana.api.proxies import Proxies
from kana.api.streams import Streams
from kana.errors import NotFound

Header = tuple[bytes, bytes]
Lifespan = Callable[[], AbstractAsyncContextManager[None]]

SECURITY_HEADERS: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
NO_STORE: Header = (b"cache-control", b"no-store")
COMMON_HEADERS: tuple[Header, ...] = (*SECURITY_HEADERS, NO_STORE)

PIECE_BYTES = 262_144
"""How much of a long answer is passed to a connection at once."""

_BODILESS = (204, 304)
_WELL_FORMED_ID = re.compile(rb"[A-Za-z0-9._:\-]{1,128}").fullmatch
_ids = map(f"{secrets.token_hex(6)}-{{:x}}".format, itertools.count(1))

log = structlog.get_logger("kana.http")


def new_request_id() -> str:
    """Return a new request id, unique and cheap: a random part for the process, and a count."""
    return next(_ids)


def headers_of(scope: Scope) -> dict[bytes, bytes]:
    """Return the headers by lower-case name, the last one of each name; they are read once for a request."""
    headers: dict[bytes, bytes] | None = scope.get("kana.headers")
    if headers is None:
        headers = scope["kana.headers"] = dict(scope["headers"])
    return headers


def request_id_of(scope: Scope) -> str:
    """Return the id of this request: the caller's own if it is well-formed, or else a new one.

    A well-formed id has at most 128 letters, digits and ``. _ : -``.
    """
    request_id: str | None = scope.get("kana.request_id")
    if request_id is None:
        asked = headers_of(scope).get(b"x-request-id")
        request_id = asked.decode() if asked is not None and _WELL_FORMED_ID(asked) else new_request_id()
        scope["kana.request_id"] = request_id
    return request_id


class Answer(NamedTuple):
    """A whole answer, not sent yet; the headers that every answer has are added by the router."""

    status: int
    body: bytes
    content_type: bytes = b"application/json"
    headers: Sequence[Header] = ()


async def answer(send: Send, status: int, body: bytes, *, content_type: bytes, headers: Sequence[Header] = ()) -> None:
    """Send a whole answer; of a long one the next piece is sent when the client has read the one before.

    What has no body by its status has no length either: that would be taken for the length of what was not sent.
    """
    about = () if status in _BODILESS else ((b"content-type", content_type), (b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": [*about, *headers]})
    for start in range(0, len(body) - PIECE_BYTES, PIECE_BYTES):
        await send({"type": "http.response.body", "body": body[start : start + PIECE_BYTES], "more_body": True})
        await asyncio.sleep(0)
    await send({"type": "http.response.body", "body": body[(len(body) - 1) // PIECE_BYTES * PIECE_BYTES :]})


async def send_answer(send: Send, made: Answer) -> None:
    """Send a prepared answer."""
    await answer(send, made.status, made.body, content_type=made.content_type, headers=made.headers)


async def answer_json(send: Send, status: int, value: Any, *, headers: Sequence[Header] = ()) -> None:
    """Send ``value`` as JSON."""
    await answer(send, status, orjson.dumps(value), content_type=b"application/json", headers=headers)


def headers_with(status: int, retry_after_s: int | None) -> list[Header]:
    """Return the headers of an error: when the same call may succeed, and how to authenticate."""
    headers: list[Header] = []
    if retry_after_s is not None:
        headers.append((b"retry-after", b"%d" % retry_after_s))
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    return headers


def fault_answer(fault: Fault, *, more: Mapping[str, object] | None = None) -> Answer:
    """Return ``fault`` as problem details, with the fields in ``more``."""
    body = orjson.dumps({**problem(fault), **(more or {})})
    return Answer(fault.status, body, b"application/problem+json", headers_with(fault.status, fault.retry_after_s))


async def answer_fault(send: Send, fault: Fault, *, headers: Sequence[Header] = ()) -> None:
    """Send ``fault`` as problem details."""
    made = fault_answer(fault)
    await send_answer(send, made._replace(headers=[*headers, *made.headers]))


def told(scope: Scope, error: Exception) -> Fault:
    """Return the error as the caller sees it; an internal error is logged with its traceback."""
    if not is_ours(error):
        log.error("request failed", method=scope["method"], path=scope["path"], exc_info=error)
    return fault_of(error, request_id=request_id_of(scope))


def public_document(body: bytes, content_type: bytes) -> ASGIApp:
    """Return the application of a document that anybody may read from any origin, and keep for an hour."""
    headers = ((b"access-control-allow-origin", b"*"), (b"cache-control", b"public, max-age=3600"))

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["method"] in ("GET", "HEAD"):
            await answer(send, 200, body, content_type=content_type, headers=headers)
        else:
            await answer_method_not_allowed(scope, send, b"GET, HEAD")

    return app


async def answer_method_not_allowed(scope: Scope, send: Send, allow: bytes) -> None:
    """Answer a method that the address does not have: OPTIONS with those it has, all others with 405."""
    headers = ((b"allow", allow),)
    if scope["method"] == "OPTIONS":
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body", "body": b""})
        return
    message = f"{scope['method']} is not allowed here; allowed: {allow.decode()}"
    fault = Fault(code="BAD_USER_INPUT", name="MethodNotAllowedError", message=message, status=405)
    await answer_fault(send, fault, headers=headers)


class Router:
    """Passes a request to the application at its path, and adds the headers that every answer has.

    ``routes`` are whole paths, looked up in one step; ``prefixes`` are tried in order after them;
    all others go to ``fallback``, or get 404. ``methods_of`` returns the methods that the fallback has at a
    path: if it has none, a program gets an answer for programs. ``lifespan`` is entered before the first
    request and left after the last. An exception of an application is logged with its traceback and answered
    with "internal error" and the request id. ``proxies`` decide the client's address and the scheme.
    ``streams`` are the answers that a server ends before it waits for all others.
    """

    def __init__(
        self,
        routes: Mapping[str, ASGIApp],
        *,
        prefixes: Mapping[str, ASGIApp] | None = None,
        fallback: ASGIApp | None = None,
        methods_of: Callable[[str], Sequence[str]] = lambda _path: ("GET",),
        lifespan: Lifespan | None = None,
        log_requests: bool = False,
        proxies: Proxies | None = None,
        streams: Streams | None = None,
    ) -> None:
        self.streams = streams or Streams()
        self._routes = dict(routes)
        self._prefixes = tuple((prefixes or {}).items())
        self._fallback = fallback or _not_found
        self._methods_of = methods_of
        self._lifespan = lifespan or _no_lifespan
        self._log_requests = log_requests
        self._proxies = proxies or Proxies(())

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths of this router, without those of the fallback."""
        return tuple(self._routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the lifespan of the process."""
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "lifespan":
            await _live(self._lifespan, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = perf_counter()
        status = 0
        self._proxies.apply(scope)
        request_id = request_id_of(scope)
        REQUEST_ID.set(request_id)

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _complete(message.get("headers", ()), request_id)
            await send(message)

        path: str = scope["path"]
        app = self._routes.get(path) or self._by_prefix(path) or self._page(scope)
        try:
            await app(scope, receive, send_with_headers)
        except Exception as error:
            fault = told(scope, error)
            if status:
                raise
            await answer_fault(send_with_headers, fault)
        if self._log_requests:
            elapsed_ms = round((perf_counter() - began) * 1000, 2)
            log.info("request", method=scope["method"], path=path, status=status, elapsed_ms=elapsed_ms)

    def _by_prefix(self, path: str) -> ASGIApp | None:
        for prefix, app in self._prefixes:
            if path.startswith(prefix):
                return app
        return None

    def _page(self, scope: Scope) -> ASGIApp:
        """Return the fallback for its own paths and for people; a program gets a 404 for all other paths."""
        accept = headers_of(scope).get(b"accept", b"")
        is_get = scope["method"] in ("GET", "HEAD")
        if b"text/html" in accept or (is_get and b"json" not in accept):
            return self._fallback
        methods = self._methods_of(scope["path"])
        if not methods:
            return _not_found
        is_there = scope["method"] in methods or (scope["method"] == "HEAD" and "GET" in methods)
        return self._fallback if is_there else partial(_not_allowed, ", ".join(methods).encode())


def _complete(headers: Sequence[Header], request_id: str) -> list[Header]:
    """Return the headers of an answer plus those of every answer; an answer's own take precedence."""
    own = {name for name, _ in headers}
    common = [header for header in COMMON_HEADERS if header[0] not in own]
    return [*headers, *common, (b"x-request-id", request_id.encode())]


async def _not_allowed(allow: bytes, scope: Scope, _receive: Receive, send: Send) -> None:
    await answer_method_not_allowed(scope, send, allow)


async def _not_found(scope: Scope, _receive: Receive, send: Send) -> None:
    """Answer 404, without repeating the address, which may contain anything."""
    error = NotFound(
        "there is nothing at this address; the Admin API is at /graphql, the Client API at /client/graphql"
    )
    await answer_fault(send, fault_of(error, request_id=request_id_of(scope)))


@asynccontextmanager
async def _no_lifespan() -> AsyncIterator[None]:
    yield


async def _live(lifespan: Lifespan, receive: Receive, send: Send) -> None:
    """Run the lifespan protocol: enter at start-up, leave at shutdown, and report failures."""
    stage = "startup"
    await receive()
    try:
        async with lifespan():
            await send({"type": "lifespan.startup.complete"})
            await receive()
            stage = "shutdown"
    except Exception as error:
        log.exception("lifespan failed", stage=stage)
        await send({"type": f"lifespan.{stage}.failed", "message": str(error)})
        return
    await send({"type": "lifespan.shutdown.complete"})
