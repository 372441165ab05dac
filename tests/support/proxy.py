"""A TCP proxy that harms what passes through it: it loses questions, loses answers, or falls silent.

What it does to a question (a piece of bytes from the client) is asked of ``fate``. A connection is
lost as networks lose them, by a reset; whoever waits on the other side is told nothing more.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from enum import Enum, auto
from typing import Self

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER with no time: close by a reset


class Fate(Enum):
    """What becomes of a question."""

    PASS = auto()
    LOSE_QUESTION = auto()
    """The connection is lost before the server hears it."""
    LOSE_ANSWER = auto()
    """The server hears it and answers, and then the connection is lost."""


class Proxy:
    """A proxy in front of a port of this machine, to be used as an asynchronous context manager."""

    def __init__(self, target: int, *, fate: Callable[[bytes], Fate] = lambda _: Fate.PASS) -> None:
        self.fate = fate
        self.fates: list[Fate] = []
        self._target = target
        self._flows = asyncio.Event()
        self._flows.set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def hold(self) -> None:
        """Fall silent: connections stand and come up, and nothing passes, as when a cable is pulled."""
        self._flows.clear()

    def release(self) -> None:
        """Let pass again what was held, and all that follows."""
        self._flows.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._flows.wait()
            server = await asyncio.open_connection("127.0.0.1", self._target)
        except (OSError, asyncio.CancelledError):
            _reset(writer)
            return
        finally:
            self._tasks.discard(task)
        passing = _Passing(self, (reader, writer), server)
        running = asyncio.create_task(passing.run())
        self._tasks.add(running)
        running.add_done_callback(self._tasks.discard)

    def decide(self, question: bytes) -> Fate:
        """Ask what becomes of a question, and take note."""
        fate = self.fate(question)
        self.fates.append(fate)
        return fate

    async def wait(self) -> None:
        """Wait while nothing passes."""
        await self._flows.wait()


_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Passing:
    """One connection through the proxy."""

    def __init__(self, proxy: Proxy, client: _Streams, server: _Streams) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._loses_answer = False

    async def run(self) -> None:
        both = [asyncio.create_task(self._questions()), asyncio.create_task(self._answers())]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            _reset(self._client[1])
            _reset(self._server[1])

    async def _questions(self) -> None:
        reader, writer = self._client[0], self._server[1]
        with suppress(OSError):
            while question := await reader.read(65536):
                fate = self._proxy.decide(question)
                if fate is Fate.LOSE_QUESTION:
                    return
                self._loses_answer = self._loses_answer or fate is Fate.LOSE_ANSWER
                await self._proxy.wait()
                writer.write(question)
                await writer.drain()

    async def _answers(self) -> None:
        reader, writer = self._server[0], self._client[1]
        with suppress(OSError):
            while answer := await reader.read(65536):
                if self._loses_answer:
                    return
                await self._proxy.wait()
                writer.write(answer)
                await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    if raw is not None:
        with suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
