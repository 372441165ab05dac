"""Background work in rounds: what a process left behind, or what has come meanwhile, is looked for again and again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from kana.errors import KanaError


class Rounds:
    """Does work again and again in the background, until the process ends.

    A round that fails is told in the log, where ``doing`` says what failed, and the next one tries again. The work
    stops between two of its pages when it ``is_ending``.
    """

    def __init__(self, work: Callable[[], Awaitable[None]], *, doing: str, pause_s: float, log: logging.Logger) -> None:
        self._work = work
        self._doing = doing
        self._pause_s = pause_s
        self._log = log
        self._wake = asyncio.Event()
        self.is_ending = False

    def wake(self) -> None:
        """Begin the next round without a pause."""
        self._wake.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Do the work while the block runs; at its end wait for the round that is on its way."""
        self.is_ending = False
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            self.is_ending = True
            self.wake()
            await task

    async def _run(self) -> None:
        while not self.is_ending:
            self._wake.clear()
            try:
                await self._work()
            except KanaError as error:
                self._log.warning("%s failed and is tried again: %s", self._doing, error.message)
            except Exception:  # noqa: BLE001 - logged with its trace, and the next round tries again
                self._log.exception("%s failed and is tried again", self._doing)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pause_s):
                    await self._wake.wait()
