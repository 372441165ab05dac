"""Long work on the serving thread, done in parts, so that other calls get a turn in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

AT_ONCE = 500
"""How many values are processed before others get a turn."""

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")


async def in_turns(values: Sequence[_Given], make: Callable[[_Given], _Made]) -> list[_Made]:
    """Return the result of ``make`` for each value, in order; a short list is done in one go."""
    made = [make(value) for value in values[:AT_ONCE]]
    for start in range(AT_ONCE, len(values), AT_ONCE):
        await asyncio.sleep(0)
        made += [make(value) for value in values[start : start + AT_ONCE]]
    return made
