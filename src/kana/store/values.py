"""Reading and writing of single columns, for every noun: times, periods, JSON."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from kana.model.period import ResetPeriod, from_milliseconds, longest, to_milliseconds

NO_RESET = "NONE"
"""The text for no reset period, as a primary key cannot contain null."""

RESETS: dict[str, ResetPeriod | None] = {NO_RESET: None, **{reset.value: reset for reset in ResetPeriod}}

HELD = "HELD_"
"""Before the reset period of a total of what is set aside, which is a row like the total of what is used."""

LONGEST_PERIODS = {
    reset: longest(reset) + (timedelta(days=1) if reset is not ResetPeriod.HOUR else timedelta(0))
    for reset in ResetPeriod
}
"""The longest that each period can last: by a calendar, what the clock is put back is added to it."""

_FIRST_MOMENT = -(2**62)

to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
"""Returns compact JSON. One shared encoder, since ``json.dumps`` would create one for each call."""


def optional_milliseconds(moment: datetime | None) -> int | None:
    """Write an optional time."""
    return None if moment is None else to_milliseconds(moment)


def optional_moment(milliseconds: int | None) -> datetime | None:
    """Read an optional time."""
    return None if milliseconds is None else from_milliseconds(milliseconds)


def earliest_start(reset: ResetPeriod | None, now: datetime, *, before: int = 0) -> int:
    """Return a time before which no current period can have started, whatever it is counted from.

    Nor has one that is so many periods ``before`` it.
    """
    return _FIRST_MOMENT if reset is None else to_milliseconds(now - (1 + before) * LONGEST_PERIODS[reset])


def whole(high: int, low: int) -> int:
    """Return a sum from its upper bits and lower 32 bits, which are added up separately as it may exceed 64 bits."""
    return (int(high) << 32) + int(low)
