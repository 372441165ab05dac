"""Histories that were drawn once and showed a fault."""

from __future__ import annotations

import asyncio

from tests.reliability.test_state_machine import Machine, runner
from tests.support.stores import Place, place

__all__ = ["place", "runner"]


def test_what_ended_is_shown_though_the_clock_was_set_back(place: Place, runner: asyncio.Runner) -> None:
    """A history that was drawn: what a later clock ended, and what was used of it, is shown by an earlier one too."""
    machine = Machine(place, runner)
    machine.begin(
        base=(0, False, "HOUR", False, None, 0, None),
        extra=(1, False, "HOUR", False, None, 0, None),
        held=["basic", "extra"],
    )
    machine.record_more(user="ada", feature="message", deltas=[1])
    machine.clock_forward(seconds=1)
    machine.cancel(user="ada", which=0, at_period_end=False)
    machine.clock_back(seconds=0.001)
    machine.show(user="ada", feature="message", past=24)
    machine.check_what_is_stored()
    machine.close()
