"""Long work lets others have their turn."""

from __future__ import annotations

import asyncio

import pytest

from kana.engine.turns import AT_ONCE, in_turns


@pytest.mark.parametrize(("size", "turns"), [(0, 0), (1, 0), (AT_ONCE, 0), (AT_ONCE + 1, 1), (3 * AT_ONCE, 2)])
async def test_others_have_their_turn_between_parts(size: int, turns: int) -> None:
    """Everything is made, in order, and another task runs once between every two parts."""
    seen: list[int] = []
    done = False

    async def watch() -> None:
        while not done:
            seen.append(0)
            await asyncio.sleep(0)

    watching = asyncio.create_task(watch())
    made = await in_turns(range(size), str)
    done = True
    await watching
    assert made == [str(number) for number in range(size)]
    assert len(seen) == turns
