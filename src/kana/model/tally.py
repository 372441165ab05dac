"""Totals of usage by day and by hour, which are sums of the ledger."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TypeAlias, TypeVar

from kana.model.environment import Environment
from kana.model.period import to_milliseconds
from kana.model.usage import Entry

DAY_MS = 86_400_000
HOUR_MS = 3_600_000

DayKey: TypeAlias = tuple[int, int, str, int, str, Environment]
"""A user's bucket and key, a feature, when the day begins, a package, an environment."""

HourKey: TypeAlias = tuple[Environment, str, str, int]
"""An environment, a feature, a package, when the hour begins."""

_Key = TypeVar("_Key", DayKey, HourKey)

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class Tallies:
    """What a batch adds to the totals of usage: units, recorded entries and refusals for each key.

    A correction counts on the day of its own timestamp.
    """

    __slots__ = ("_day", "_hour", "_moment", "days", "hours")

    def __init__(self) -> None:
        self.days: dict[DayKey, list[int]] = {}
        self.hours: dict[HourKey, list[int]] = {}
        self._moment, self._day, self._hour = _NEVER, 0, 0

    def add(self, entry: Entry, package_id: str) -> None:
        """Add an entry for which this package answered. What is only set aside, or let go, is no usage."""
        if entry.line is not None and entry.recorded and not entry.line.uses:
            return
        moment = entry.occurred_at
        if moment is not self._moment:  # Most entries of a batch happen at the batch's time.
            milliseconds = to_milliseconds(moment)
            self._moment = moment
            self._day, self._hour = milliseconds // DAY_MS * DAY_MS, milliseconds // HOUR_MS * HOUR_MS
        environment, feature_id, change = entry.environment, entry.feature_id, entry.change
        place = 1 if entry.recorded else 2
        _add(self.days, (entry.bucket, entry.user_key, feature_id, self._day, package_id, environment), change, place)
        _add(self.hours, (environment, feature_id, package_id, self._hour), change, place)


def _add(tallies: dict[_Key, list[int]], key: _Key, change: int, place: int) -> None:
    tally = tallies.get(key)
    if tally is None:
        tally = tallies[key] = [0, 0, 0]
    tally[0] += change
    tally[place] += 1
