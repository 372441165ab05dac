"""Long work on the thread that serves, done in parts, so that others have their turn between them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

AT_ONCE = 500
"""How many values are worked on before others have their turn."""

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")


async def in_turns(values: Sequence[_Given], make: Callable[[_Given], _Made]) -> list[_Made]:
    """Return what ``make`` makes of each value, in their order; a short list is made in one go."""
    made = [make(value) for value in values[:AT_ONCE]]
    for start in range(AT_ONCE, len(values), AT_ONCE):
        await asyncio.sleep(0)
        made += [make(value) for value in values[start : start + AT_ONCE]]
    return made
