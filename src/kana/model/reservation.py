"""Reservations: units of several features that are set aside for one user until they are settled, or until an end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from kana.model.environment import Environment
from kana.model.grant import CounterKey, Posting
from kana.model.value import value_object
from kana.model.word import Word


class ReservationStatus(Word):
    """What became of a reservation."""

    OPEN = "OPEN"
    SETTLED = "SETTLED"
    RELEASED = "RELEASED"
    ENDED = "ENDED"


@value_object(kw_only=True)
class HeldLine:
    """What is set aside of one feature: ``units`` were, ``settled`` were used since.

    ``left`` are the totals that the rest is set aside of, with how many units of each, in the order in which they are
    used up: of the same counters, in the same period, whatever has changed since. ``cost_of`` is the feature that
    costs these units, and ``rate`` how many of them one unit of it costs. ``units`` are 0 if nobody knew how much it
    may take: then nothing is set aside, and only what is settled says how much it was.
    """

    feature_id: str
    units: int
    settled: int = 0
    left: tuple[Posting, ...] = ()
    cost_of: str | None = None
    rate: int | None = None

    @property
    def unbounded(self) -> bool:
        """Whether nobody knew how much it may take."""
        return not self.units

    @property
    def held(self) -> int:
        """How many units are still set aside."""
        return sum(units for _, units in self.left)


@value_object(kw_only=True)
class Reservation:
    """Units that one user has set aside. After ``ends_at`` they are not any more, without anybody doing anything.

    ``id`` is unique in the database and is shown as a decimal string. ``closed_as`` is None until it is settled,
    released, or found to have ended.
    """

    id: int
    environment: Environment
    bucket: int
    user_key: int
    lines: Sequence[HeldLine]
    created_at: datetime
    ends_at: datetime
    closed_as: ReservationStatus | None = None
    closed_at: datetime | None = None

    def status(self, now: datetime) -> ReservationStatus:
        """Return what has become of it by now."""
        if self.closed_as is not None:
            return self.closed_as
        return ReservationStatus.OPEN if now < self.ends_at else ReservationStatus.ENDED

    def line(self, feature_id: str) -> HeldLine | None:
        """Return what is set aside of a feature by itself, not as the cost of another."""
        return next((each for each in self.lines if each.feature_id == feature_id and each.cost_of is None), None)

    @property
    def unbounded(self) -> list[str]:
        """The features that were asked for without an amount."""
        return [each.feature_id for each in self.lines if each.unbounded and each.cost_of is None]

    def held(self) -> Iterator[Posting]:
        """Yield what is still set aside, as the totals of it count it."""
        for line in self.lines:
            for counter, units in line.left:
                if units:
                    yield Posting(counter.held, units)

    @property
    def counters(self) -> list[CounterKey]:
        """Every total that letting it go needs: what is set aside of it, or that which it would have used."""
        return [
            counter if line.unbounded else counter.held
            for line in self.lines
            for counter, units in line.left
            if units or line.unbounded
        ]

    def closed(self, status: ReservationStatus, now: datetime) -> Reservation:
        """Return it without anything set aside."""
        lines = tuple(replace(each, left=tuple(Posting(counter, 0) for counter, _ in each.left)) for each in self.lines)
        return replace(self, lines=lines, closed_as=status, closed_at=now)
