"""What counts units in periods of its own: a subscription, or what was given to one user."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import takewhile
from typing import NamedTuple

from kana.model.period import Anchor, Calendar, Period, ResetPeriod, period_at, period_start_at, periods_before


class Origin(NamedTuple):
    """The subscription whose counters another one goes on with: its id, and from when its periods are counted."""

    subscription_id: int
    start: datetime


class Brought(NamedTuple):
    """A total of the origin that another subscription begins with: a feature of it, counted over another period."""

    feature_id: str
    reset_period: ResetPeriod | None
    period_start: datetime


class Counting:
    """Has periods from its start on, and counters under its id, unless an anchor or an origin says otherwise."""

    __slots__ = ()

    id: int
    start: datetime

    @property
    def anchor(self) -> Anchor | None:
        """What its periods are counted from instead of the start."""
        return None

    @property
    def origin(self) -> Origin | None:
        """The subscription whose counters it goes on with."""
        return None

    @property
    def brought(self) -> tuple[Brought, ...]:
        """Totals of the origin that count in the periods that it begins in, beside its own."""
        return ()

    @property
    def counts_as(self) -> int:
        """The id under which its usage is counted: its own, or its origin's."""
        return self.id if self.origin is None else self.origin.subscription_id

    @property
    def counted_from(self) -> datetime:
        """When the first of its periods begins."""
        return self.start if self.origin is None else self.origin.start

    @property
    def anchored_at(self) -> datetime | None:
        """The instant that its periods are counted from; None if they follow the calendar."""
        return None if isinstance(self.anchor, Calendar) else self.anchor or self.counted_from

    @property
    def time_zone(self) -> str | None:
        """The time zone of the calendar that its periods follow; None if they are counted from an instant."""
        return self.anchor.zone if isinstance(self.anchor, Calendar) else None

    def period_at(self, reset: ResetPeriod | None, moment: datetime) -> Period:
        """Return the period of a moment; one before the first, as after a clock was set back, is in the first."""
        start = self.counted_from
        return period_at(start, reset, max(start, moment), self.anchor)

    def period_start_at(self, reset: ResetPeriod | None, moment: datetime) -> datetime:
        """Return only the start of ``period_at``, which identifies a running total."""
        start = self.counted_from
        return period_start_at(start, reset, max(start, moment), self.anchor)

    def periods_before(self, reset: ResetPeriod | None, moment: datetime) -> Iterator[Period]:
        """Yield the periods that have ended at a moment, newest first, back to the one that it began in."""
        ended = periods_before(self.counted_from, reset, max(self.start, moment), self.anchor)
        return takewhile(lambda period: period.end is not None and self.start < period.end, ended)
