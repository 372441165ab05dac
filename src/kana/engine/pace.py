"""Long work in pieces, with a pause after each that is as long as the piece took."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

REST_MAX_S = 0.05
"""Longest pause after one piece."""

_Result = TypeVar("_Result")


class Pace:
    """Says when the next piece of a long job may begin. Create one for each job."""

    def __init__(self) -> None:
        self._since = asyncio.get_running_loop().time()

    async def rest(self) -> None:
        """Wait for as long as the piece that just ended took, which leaves half of the time to others."""
        await asyncio.sleep(min(asyncio.get_running_loop().time() - self._since, REST_MAX_S))
        self._since = asyncio.get_running_loop().time()


async def aside(work: Callable[[], _Result]) -> _Result:
    """Return the result of pure work, which is done on another thread.

    The interpreter still runs one thread at a time, in short turns, so other work becomes slightly slower meanwhile.
    """
    return await asyncio.to_thread(work)
