"""The whole application on a real port of this machine, with a clock to set, for tests that speak HTTP to it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from threading import Event, Thread
from typing import Any, TypeVar

import httpx
import uvicorn

from kana.api.server import Server, server
from kana.app import create_app, create_engine
from kana.engine.engine import Engine
from kana.engine.ports.store import Store
from kana.model.environment import Environment
from kana.model.key import KeyKind
from kana.settings import Settings
from tests.support.stores import Place
from tests.support.world import TESTER, NotedMeter, SetClock

_T = TypeVar("_T")


class PromptServer(Server):
    """The server, ended at once by ``leave``: the real one looks ten times a second, then waits as long again."""

    def __init__(self, config: uvicorn.Config, *, ready: Callable[[str, int], None]) -> None:
        super().__init__(config, ready=ready)
        self._leaving = asyncio.Event()

    async def main_loop(self) -> None:
        """Tick until told to leave."""
        ticks = asyncio.create_task(super().main_loop())
        await self._leaving.wait()
        ticks.cancel()

    def leave(self) -> None:
        """End; to be called in the server's loop."""
        self._leaving.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End without waiting, unless something is still being answered."""
        for listener in self.servers:
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await asyncio.sleep(0.001)
        if self.server_state.connections or self.server_state.tasks:
            await super().shutdown(sockets)
        else:
            await self.lifespan.shutdown()


class Served:
    """A served application: its address, its keys, its clock, and its engine for what the API cannot do.

    It runs in a thread of its own; use it as a context manager. Every call is made from the test's thread.
    """

    store: Store
    engine: Engine
    url: str
    keys: dict[Environment, dict[KeyKind, str]]

    def __init__(self, place: Place, *, clock: SetClock | None = None, settings: Settings | None = None) -> None:
        self.clock = clock or SetClock()
        self._settings = settings or Settings()
        self._place = place
        self._ready = Event()
        self._failure: BaseException | None = None
        self._thread = Thread(target=self._run, name="kana under test")

    def __enter__(self) -> Served:
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure
        self.http = httpx.Client(base_url=self.url, timeout=30, verify=False)
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()
        self._loop.call_soon_threadsafe(self._server.leave)
        self._thread.join()

    def run(self, verb: Coroutine[Any, Any, _T]) -> _T:
        """Call a verb of the engine or a method of the store where the application runs, and wait for it."""
        return asyncio.run_coroutine_threadsafe(verb, self._loop).result(timeout=30)

    def post(
        self,
        query: str,
        variables: Any = None,
        *,
        key: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """Send one GraphQL request, with the test environment's private key unless another is given."""
        if key is None:
            key = self.keys[Environment.TEST][KeyKind.PRIVATE]
        body = {"query": query} if variables is None else {"query": query, "variables": variables}
        return self.http.post("/graphql", json=body, headers={"Authorization": key, **(headers or {})})

    def ask(self, query: str, variables: Any = None, *, key: str | None = None) -> dict[str, Any]:
        """Return the data of an answer without errors."""
        body = self.post(query, variables, key=key).json()
        assert "errors" not in body, body
        data: dict[str, Any] = body["data"]
        return data

    def error(self, query: str, variables: Any = None, *, key: str | None = None) -> dict[str, Any]:
        """Return the one error of an answer that has nothing but that error."""
        response = self.post(query, variables, key=key)
        body = response.json()
        assert response.status_code == 200, response.text
        assert len(body["errors"]) == 1, body
        assert not any((body.get("data") or {}).values()), body
        error: dict[str, Any] = body["errors"][0]
        return error

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as failure:  # noqa: BLE001 - it belongs to the test's thread
            self._failure = failure
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.store = await self._place.open()
        self.engine = create_engine(self.store, clock=self.clock, meter=NotedMeter())
        initialised = await self.engine.access.initialise("tests", by=TESTER)
        self.keys = initialised.keys if initialised is not None else await self._new_keys()
        self.app = create_app(self._settings, self.store, clock=self.clock)
        self._server = PromptServer(server(self.app, port=0).config, ready=self._listening)
        await self._server.serve()

    async def _new_keys(self) -> dict[Environment, dict[KeyKind, str]]:
        """Make keys in a workspace that was there before."""
        make = self.engine.access.create_key
        return {
            env: {kind: (await make(env, kind, name="tests", by=TESTER))[0] for kind in KeyKind} for env in Environment
        }

    def _listening(self, host: str, port: int) -> None:
        self.url = f"http://{host}:{port}"
        self._ready.set()
