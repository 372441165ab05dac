"""Long work beside short: in pieces, with as much time between them as they took."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

REST_MAX_S = 0.05
"""Longest rest after one piece."""

_Result = TypeVar("_Result")


class Pace:
    """Says when the next piece of something long may begin. One for each long work."""

    def __init__(self) -> None:
        self._since = asyncio.get_running_loop().time()

    async def rest(self) -> None:
        """Wait for as long as the piece took that ends here, which leaves half of the time to everybody else."""
        await asyncio.sleep(min(asyncio.get_running_loop().time() - self._since, REST_MAX_S))
        self._since = asyncio.get_running_loop().time()


async def aside(work: Callable[[], _Result]) -> _Result:
    """Return what pure work returns, worked out on a thread of its own.

    The interpreter still runs one thread at a time, in short turns: what is waited for meanwhile comes a little later.
    """
    return await asyncio.to_thread(work)
