from __future__ import annotations

import asyncio
import errno
import os
import socket
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from kana.cli.address import http_address
from kana.cli.colleagues import invitation_link
from kana.cli.database import database_option, read_settings, whoever_runs_this
from kana.cli.init import WORKSPACE, welcome
from kana.cli.workers import run_workers
from kana.errors import KanaError
from kana.settings import Settings

if TYPE_CHECKING:
    from kana.api.server import Bounds
    from kana.engine.ports.store import Store

STORAGE_LOST = 70
"""The exit status after a failure of the disk, so that a supervisor restarts the process."""


@click.command()
@click.option("--host", metavar="ADDRESS", help="The address to listen on; overrides KANA_HOST.")
@click.option("--port", metavar="PORT", help="The port to listen on, 0 for a free one; overrides KANA_PORT.")
@click.option("--workers", metavar="NUMBER", help="The number of processes; overrides KANA_WORKERS.")
@database_option
def serve(host: str | None, port: str | None, workers: str | None, database_url: str | None) -> None:
    """Serve until SIGTERM or Ctrl-C, then finish the open requests and exit 0.

    On an empty database it first creates the workspace and prints its keys, as `kana init` does.
    """
    import uvloop

    from kana.api.logs import configure

    settings = read_settings(host=host, port=port, workers=workers, database_url=database_url)
    configure(level=settings.log_level)
    with _listen(settings) as listening:
        if settings.workers == 1:
            code = uvloop.run(_serve(settings, listening))
        else:
            asyncio.run(_greet_before(settings, _address(listening)))
            code = run_workers(lambda parent: uvloop.run(_serve(settings, listening, parent=parent)), settings.workers)
    _leave_unwritten()
    raise click.exceptions.Exit(code)


class _AddressRefused(KanaError):
    """The server cannot listen on the address."""


def _listen(settings: Settings) -> socket.socket:
    """Return a listening socket, before anything else is opened, so that a port in use changes nothing.

    Clients that connect from now on wait until the server is ready, and are answered.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        reason, _, _ = (error.strerror or str(error)).partition(" (while")
        if error.errno == errno.EADDRINUSE:
            reason = "the port is in use; choose another with --port"
        raise _AddressRefused(f"Cannot listen on {settings.host} port {settings.port}: {reason}.") from error


async def _serve(settings: Settings, listening: socket.socket, *, parent: int | None = None) -> int:
    """Open the database, create the workspace if there is none, and serve. The application closes the store.

    ``parent`` becomes readable when the process that started this one ends.
    """
    from kana.api.server import Server, server
    from kana.app import create_app, open_store, spare_collector, system_clock, take_short_turns

    running: Server | None = None
    lost: list[str] = []

    def stop(reason: str | None = None) -> None:
        if reason is not None:
            lost.append(reason)
        if running is not None:
            running.should_exit = True

    store = await open_store(settings, exclusive=True, on_lost=stop, on_wait=_say)
    address = _address(listening)
    if parent is None:
        await _greet(store, settings, address)
    running = server(
        create_app(settings, store, clock=system_clock),
        bounds=_bounds(settings),
        ready=lambda _host, _port: _say(f"Kana listens on {address} and uses {settings.database}.", err=False),
    )
    if parent is not None:
        asyncio.get_running_loop().add_reader(parent, stop)
    spare_collector()
    take_short_turns()
    if not lost:
        await running.serve(sockets=[listening])
    if lost:
        _say(f"Error: {lost[0]}; the server stopped, because it must not acknowledge what it cannot store.")
        return STORAGE_LOST
    return 0 if running.started else 1


async def _greet(store: Store, settings: Settings, address: str) -> None:
    """Create the workspace if there is none, store the server's address, and print a link until somebody can sign in.

    Warnings about security come first.
    """
    from kana.app import create_engine, secure, system_clock
    from kana.engine.access.access import AccessEngine

    for warning in await secure(store, settings):
        _say(f"Warning: {warning}.")
    access = AccessEngine(store.keys, clock=system_clock)
    made = await access.initialise(WORKSPACE, by=whoever_runs_this())
    await access.note_address(address)
    if made is not None:
        click.echo(f"{welcome(made, settings, address=address)}\n")
    token = await create_engine(store).colleagues.invite_first(by=whoever_runs_this())
    if token is not None:
        link = invitation_link(settings, token, address=address)
        greeting = "Nobody can sign in to the dashboard yet. This link, which works once, makes you its owner:"
        _say(f"{greeting}\n\n  {link}\n", err=False)


async def _greet_before(settings: Settings, address: str) -> None:
    """Do the same once for several processes, before they start."""
    from kana.app import open_store

    store = await open_store(settings, exclusive=True, on_wait=_say)
    try:
        await _greet(store, settings, address)
    finally:
        await store.close()


def _say(message: str, *, err: bool = True) -> None:
    """Print a message. If it cannot be written, as after a failure of the disk, the work goes on."""
    with suppress(OSError):
        click.echo(message, err=err)


def _leave_unwritten() -> None:
    """Discard what standard output and error did not accept, as it would change the exit status."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _bounds(settings: Settings) -> Bounds:
    from kana.api.server import Bounds

    return Bounds(
        head_s=settings.head_s,
        body_s=settings.body_s,
        idle_s=settings.idle_s,
        write_s=settings.write_s,
        drain_s=settings.drain_s,
        connections_max=settings.connections_max,
        requests_max=settings.requests_max,
    )


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return http_address(host, port)
