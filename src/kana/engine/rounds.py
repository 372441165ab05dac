"""Background work in rounds: what a process left behind, or what has come meanwhile, is looked for again and again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from kana.errors import KanaError


async def in_rounds(
    work: Callable[[], Awaitable[None]],
    *,
    doing: str,
    is_ending: Callable[[], bool],
    wake: asyncio.Event,
    pause_s: float,
    log: logging.Logger,
) -> None:
    """Do the work, and again ``pause_s`` seconds later or as soon as ``wake`` is set, until the process ends.

    A round that fails is told in the log, and the next one tries again. ``doing`` says there what failed.
    """
    while not is_ending():
        try:
            await work()
        except KanaError as error:
            log.warning("%s failed and is tried again: %s", doing, error.message)
        except Exception:
            log.exception("%s failed and is tried again", doing)
        with suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await wake.wait()
