"""The HTTP server: uvicorn, plus closing overdue connections, reporting its address, and a clean exit."""

from __future__ import annotations

import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp

from kana.api.bounds import Bounds, Load
from kana.api.http import Router
from kana.api.protocol import BoundedProtocol

__all__ = ["Bounds", "Server", "serve", "server"]


_FILES_BESIDE = 256  # The database, the log, the connections to PostgreSQL.


class Server(uvicorn.Server):
    """Uvicorn's server that closes overdue connections, reports its address, and exits 0 after SIGTERM."""

    def __init__(self, config: uvicorn.Config, *, ready: Callable[[str, int], None] | None = None) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen, and report the address."""
        await super().startup(sockets=sockets)
        if self.started and self._ready is not None:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            self._ready(host, port)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End streams, which would never end by themselves, and wait for all other answers."""
        app = self.config.app
        if isinstance(app, Router):
            app.streams.end()
        await super().shutdown(sockets=sockets)

    async def on_tick(self, counter: int) -> bool:
        """Close overdue connections, at every second of ten calls a second."""
        if counter % 2 == 0:
            for connection in list(self.server_state.connections):
                protocol = cast(BoundedProtocol, connection)
                protocol.expire(protocol.loop.time())
        return await super().on_tick(counter)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at SIGTERM and SIGINT, without being killed by them afterwards."""
        with super().capture_signals():
            yield
            # Uvicorn would raise the signal again and be killed by it; but having answered everything is success.
            self._captured_signals.clear()


def server(
    app: ASGIApp,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    bounds: Bounds | None = None,
    ready: Callable[[str, int], None] | None = None,
) -> Server:
    """Return a server of ``app`` that does not run yet; port 0 is any free port, which ``ready`` gets."""
    bounds = bounds or Bounds()
    config = uvicorn.Config(
        cast(Any, app),
        host=host,
        port=port,
        http=cast(Any, partial(BoundedProtocol, bounds=bounds, load=Load(files_max=_files_for(bounds)))),
        loop="uvloop",
        ws="none",
        interface="asgi3",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=bounds.backlog,
        timeout_graceful_shutdown=bounds.drain_s,
    )
    return Server(config, ready=ready)


def _files_for(bounds: Bounds) -> int:
    """Return how many files the process may have open, after raising the number as far as the system allows."""
    limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = bounds.connections_max + bounds.files_spare + _FILES_BESIDE
    allowed = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
    if limit != resource.RLIM_INFINITY and limit < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, most))
        limit = allowed
    return wanted if limit == resource.RLIM_INFINITY else limit


def serve(
    app: ASGIApp,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    bounds: Bounds | None = None,
    ready: Callable[[str, int], None] | None = None,
    sockets: list[socket.socket] | None = None,
) -> int:
    """Serve ``app`` until SIGTERM or SIGINT, then finish open requests for at most ``bounds.drain_s``.

    ``sockets`` are sockets that already listen, for several processes on one address. Return the exit
    status: 0 after a signal, 3 if the application did not start or the address cannot be used.
    """
    running = server(app, host=host, port=port, bounds=bounds, ready=ready)
    try:
        running.run(sockets=sockets)
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0 if running.started else 3
