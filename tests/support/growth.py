"""How work grows with the size of what it is done on: measured, since counting stops at code that is not Python."""

from __future__ import annotations

import gc
from collections.abc import Callable
from time import thread_time
from typing import TypeVar

STEP = 4
"""How much larger the second size is than the first."""

GROWTH_MAX = 9.0
"""Most that work may grow by for ``STEP`` times the size: in proportion 4, with the square 16."""

_ROUNDS = 5

_Size = TypeVar("_Size")


def growth(work: Callable[[int], Callable[[], object]], *, size: int) -> float:
    """Return by what the work grows when its size does by ``STEP``.

    ``work`` prepares a size, which is not measured, and returns what is: the least processor time of
    this thread in a few alternating rounds. Pauses and neighbours do not count, and neither does the collector.
    """
    small, large = work(size), work(size * STEP)
    gc.collect()
    gc.disable()
    try:
        times = [(_time(small), _time(large)) for _ in range(_ROUNDS)]
    finally:
        gc.enable()
    return min(large for _, large in times) / min(small for small, _ in times)


def _time(run: Callable[[], object]) -> float:
    began = thread_time()
    run()
    return max(thread_time() - began, 1e-6)
