"""What a package allows of a feature: a part of the SDK's results, and of what ``Grant`` sends."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ResetPeriod(StrEnum):
    """How often usage goes back to zero, counted from the start of the user's subscription."""

    YEAR = "YEAR"
    QUARTER = "QUARTER"
    MONTH = "MONTH"
    WEEK = "WEEK"
    DAY = "DAY"
    HOUR = "HOUR"


class Combine(StrEnum):
    """How an allowance goes with others of the same feature: the highest answers, or it adds to whichever does."""

    HIGHEST = "HIGHEST"
    ADD = "ADD"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollover:
    """What a period leaves is carried over: at most ``limit`` units at a time, each for at most ``periods`` periods."""

    limit: int
    periods: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """One unit of a feature costs so many ``units`` of another one, a credit."""

    feature_id: str
    units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageEntitlement:
    """What a package lets a user consume of one feature, with the fields of ``Grant``. ``limit=None`` is unlimited."""

    limit: int | None
    reset_period: ResetPeriod | None
    overage_enabled: bool
    combine: Combine
    rollover: Rollover | None
    grace_percent: int
    cost: Cost | None
