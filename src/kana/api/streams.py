"""Answers that go on until the client leaves or the process ends."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from kana.errors import RateLimited

STREAMS_MAX = 200
"""Most streams that are open at the same time in one process."""

_RETRY_S = 5


class Streams:
    """All streams of one process, to bound them, and to end them before the process waits for its last answers."""

    def __init__(self) -> None:
        self._open = 0
        self.ending = asyncio.Event()

    def one_more(self) -> AbstractContextManager[None]:
        """Return what counts a stream while a block runs.

        Raises:
            RateLimited: there are too many already.
        """
        if self._open >= STREAMS_MAX:
            raise RateLimited(f"{STREAMS_MAX} streams are open; try again later", retry_after_s=_RETRY_S)
        self._open += 1
        return self._counted()

    @contextmanager
    def _counted(self) -> Iterator[None]:
        try:
            yield
        finally:
            self._open -= 1

    def end(self) -> None:
        """Let all streams end now; clients go on with another process where they stopped."""
        self.ending.set()
