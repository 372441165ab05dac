"""How fast one caller may ask for what costs everybody."""

from __future__ import annotations

from kana.api import pace
from kana.api.pace import Pace
from tests.support.world import SetClock


def test_some_are_given_at_once_and_then_so_many_a_second() -> None:
    """Three at once, then one in two seconds; who is told to wait has taken nothing, and others have their own."""
    clock = SetClock()
    shares = Pace(at_once=3, per_second=0.5, clock=clock)
    assert [shares.wait_s("a") for _ in range(5)] == [0, 0, 0, 2, 2]
    assert shares.wait_s("b") == 0
    clock.advance(seconds=1)
    assert shares.wait_s("a") == 1
    clock.advance(seconds=1)
    assert [shares.wait_s("a") for _ in range(2)] == [0, 2]
    clock.advance(seconds=3600)
    assert [shares.wait_s("a") for _ in range(4)] == [0, 0, 0, 2]


def test_a_clock_that_was_set_back_gives_nothing() -> None:
    """And takes nothing: from there on it runs again."""
    clock = SetClock()
    shares = Pace(at_once=1, per_second=1, clock=clock)
    assert shares.wait_s("a") == 0
    clock.advance(seconds=-100)
    assert shares.wait_s("a") == 1
    clock.advance(seconds=1)
    assert shares.wait_s("a") == 0


def test_few_are_remembered() -> None:
    """Who asked longest ago is forgotten first."""
    shares = Pace(at_once=1, per_second=1, clock=SetClock())
    for number in range(pace.NAMES_MAX + 10):
        shares.wait_s(str(number))
    assert len(shares) == pace.NAMES_MAX
    assert shares.wait_s(str(pace.NAMES_MAX + 9)) == 1
    assert shares.wait_s("0") == 0
