"""Long work leaves half of the time to everybody else."""

from __future__ import annotations

import asyncio
import threading

import pytest

from kana.engine.pace import REST_MAX_S, Pace, aside


async def test_a_rest_is_as_long_as_the_piece_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted from the end of the rest before, and never longer than the longest."""
    loop = asyncio.get_running_loop()
    moments = iter([10.0, 10.02, 10.05, 10.06, 10.08, 99.0, 99.1])
    rests: list[float] = []

    async def sleep(seconds: float) -> None:
        rests.append(round(seconds, 6))

    monkeypatch.setattr(loop, "time", lambda: next(moments))
    monkeypatch.setattr(asyncio, "sleep", sleep)
    resting = Pace()
    for _ in range(3):
        await resting.rest()
    monkeypatch.undo()
    assert rests == [0.02, 0.01, REST_MAX_S]


async def test_what_is_worked_out_aside_comes_back() -> None:
    """From another thread, with what it raises too."""
    assert await aside(threading.get_ident) != threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        await aside(lambda: 1 // 0)
