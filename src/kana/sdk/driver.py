"""The two ways to carry out the steps of a conversation: blocking and asynchronous."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import cached_property, wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeAlias, TypeVar

from kana.errors import InvalidValue
from kana.sdk.address import address_of
from kana.sdk.conversation import Lost, Pause, Reply, StepResult, Steps

if TYPE_CHECKING:
    import httpx

G = TypeVar("G")
P = ParamSpec("P")
T = TypeVar("T")

ENDPOINT = "http://127.0.0.1:8080"
"""The address at which `kana serve` listens by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """The URL and the headers of a client's requests. httpx is imported at the first call, as it loads slowly."""

    url: str
    headers: dict[str, str] = field(repr=False)  # One of them is the key.

    @classmethod
    def to(cls, endpoint: str, *, path: str, headers: dict[str, str]) -> Connection:
        """Return the connection to the API at ``path`` of a server, whose address may end in that path.

        Raises:
            InvalidValue: the address is not valid, or a header cannot be sent.
        """
        url = address_of(endpoint, path)
        for name, value in headers.items():
            if not value or not value.isascii() or not value.isprintable():
                raise InvalidValue(f"{name} must be printable ASCII, not empty", field=name)
        return cls(url=url, headers={"content-type": "application/json", "user-agent": "kana-python", **headers})


class SyncDriver:
    """A blocking driver. Threads may share it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    @cached_property
    def _http(self) -> httpx.Client:
        import httpx

        return httpx.Client(headers=self.connection.headers)

    def bind(self, method: Callable[Concatenate[G, P], Steps[T]], group: G) -> Callable[P, T]:
        """Return ``method`` of ``group`` as a function that returns its value."""

        @wraps(method)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            return self.run(method(group, *args, **kwargs))

        return call

    def run(self, steps: Steps[T]) -> T:
        """Do what ``steps`` ask for, and return what they come to."""
        result: StepResult = None
        while True:
            try:
                step = steps.send(result)
            except StopIteration as done:
                value: T = done.value
                return value
            if isinstance(step, Pause):
                time.sleep(step.seconds)
                result = None
            else:
                result = self._post(step.body, step.timeout_s)

    def _post(self, body: bytes, timeout_s: float) -> StepResult:
        import httpx

        try:
            return _reply(self._http.post(self.connection.url, content=body, timeout=timeout_s))
        except httpx.RequestError as error:
            return _lost(error)

    def close(self) -> None:
        """Close the connections that are kept. A later call opens new ones."""
        if "_http" in vars(self):
            self.__dict__.pop("_http").close()


class AsyncDriver:
    """An asynchronous driver. It belongs to the event loop of its first call."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    @cached_property
    def _http(self) -> httpx.AsyncClient:
        import httpx

        return httpx.AsyncClient(headers=self.connection.headers)

    def bind(self, method: Callable[Concatenate[G, P], Steps[T]], group: G) -> Callable[P, Coroutine[Any, Any, T]]:
        """Return ``method`` of ``group`` as a coroutine function."""

        @wraps(method)
        async def call(*args: P.args, **kwargs: P.kwargs) -> T:
            return await self.run(method(group, *args, **kwargs))

        return call

    async def run(self, steps: Steps[T]) -> T:
        """Do what ``steps`` ask for, and return what they come to."""
        result: StepResult = None
        while True:
            try:
                step = steps.send(result)
            except StopIteration as done:
                value: T = done.value
                return value
            if isinstance(step, Pause):
                await _sleep(step.seconds)
                result = None
            else:
                result = await self._post(step.body, step.timeout_s)

    async def _post(self, body: bytes, timeout_s: float) -> StepResult:
        import httpx

        try:
            return _reply(await self._http.post(self.connection.url, content=body, timeout=timeout_s))
        except httpx.RequestError as error:
            return _lost(error)

    async def aclose(self) -> None:
        """Close the connections that are kept. A later call opens new ones."""
        if "_http" in vars(self):
            await self.__dict__.pop("_http").aclose()


Driver: TypeAlias = SyncDriver | AsyncDriver


async def _sleep(seconds: float) -> None:
    # Asynchronous callers have loaded it already; blocking ones do not need it.
    import asyncio

    await asyncio.sleep(seconds)


def _reply(response: httpx.Response) -> Reply:
    return Reply(
        status=response.status_code,
        body=response.content,
        retry_after=response.headers.get("retry-after"),
        url=str(response.url),
        location=response.headers.get("location"),
    )


def _lost(error: httpx.RequestError) -> Lost:
    """Return what a failure of httpx means.

    If the connection failed, nothing was sent. In all other cases the request may have arrived.
    """
    import httpx

    never_sent = httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.LocalProtocolError
    reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return Lost(reason=f"no answer from {error.request.url} ({reason})", sent=not isinstance(error, never_sent))
