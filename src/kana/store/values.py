"""What single columns hold, for every noun: moments, periods, JSON."""

from __future__ import annotations

import json
from datetime import datetime

from kana.model.period import ResetPeriod, from_milliseconds, longest, to_milliseconds

NO_RESET = "NONE"
"""Stands for no reset period, as a primary key holds no null."""

RESETS: dict[str, ResetPeriod | None] = {NO_RESET: None, **{reset.value: reset for reset in ResetPeriod}}

LONGEST_PERIODS = {reset: longest(reset) for reset in ResetPeriod}

_FIRST_MOMENT = -(2**62)

to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
"""Returns compact JSON. One encoder for all: ``json.dumps`` would make one for each call."""


def optional_milliseconds(moment: datetime | None) -> int | None:
    """Write a moment that may be missing."""
    return None if moment is None else to_milliseconds(moment)


def optional_moment(milliseconds: int | None) -> datetime | None:
    """Read a moment that may be missing."""
    return None if milliseconds is None else from_milliseconds(milliseconds)


def earliest_start(reset: ResetPeriod | None, now: datetime) -> int:
    """Return a moment that no period which holds now starts before."""
    return _FIRST_MOMENT if reset is None else to_milliseconds(now - LONGEST_PERIODS[reset])


def whole(high: int, low: int) -> int:
    """Return a sum whose halves were added up apart, as 64 bits may not hold it: the upper bits and the lower 32."""
    return (int(high) << 32) + int(low)
