"""Grants: what a user's units of a feature are taken from, in which order, and what is posted to which counter.

A grant is units of one feature that one user may use in one window of time, from one source. Nearly everybody has
one, the allowance of a package in the current period of a subscription. Several hold together where allowances ADD,
where what earlier periods left is carried over, and where units were given to one user. One usage may then be taken
from more than one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from kana.model.allowance import Allowance
from kana.model.period import ResetPeriod
from kana.model.text import UNITS_MAX
from kana.model.value import value_object
from kana.model.word import Word


class Source(Word):
    """Where the units of a grant come from."""

    ROLLOVER = "ROLLOVER"
    PACKAGE = "PACKAGE"
    OVERRIDE = "OVERRIDE"
    TOP_UP = "TOP_UP"


_ORDER = {Source.ROLLOVER: 0, Source.PACKAGE: 1, Source.OVERRIDE: 1, Source.TOP_UP: 2}
"""What is used up first of grants that end together: what is lost then, before what may be carried on."""


_NEVER = datetime.max.replace(tzinfo=UTC)


class CounterKey(NamedTuple):
    """The key of a running total: one source of units, one feature, one period.

    ``source_id`` is the id of the subscription, the top-up or the override that the units are of; for what earlier
    periods of a subscription left, it is minus the id of the subscription. A subscription that goes on with the
    counters of another one has those keys. ``is_held``: it is of the units that are set aside, not of those used.
    """

    bucket: int
    source_id: int
    feature_id: str
    reset_period: ResetPeriod | None
    period_start: datetime
    is_held: bool = False

    @property
    def is_carried(self) -> bool:
        """Whether it is of what earlier periods of a subscription left."""
        return self.source_id < 0

    @property
    def origin_id(self) -> int:
        """The id of the subscription, the top-up or the override that the units are of, or were before."""
        return abs(self.source_id)

    @property
    def carried(self) -> CounterKey:
        """The key of the total of what was left in this period and is used in later ones."""
        return self._replace(source_id=-self.source_id)

    @property
    def held(self) -> CounterKey:
        """The key of the total of what is set aside of these units."""
        return CounterKey(
            self.bucket, self.source_id, self.feature_id, self.reset_period, self.period_start, is_held=True
        )

    def told_of(self, holder_id: int) -> CounterKey:
        """The same, as an entry names it: under the id of what it is taken from."""
        if abs(self.source_id) == holder_id:
            return self
        return self._replace(source_id=holder_id if self.source_id > 0 else -holder_id)


class Posting(NamedTuple):
    """What an entry of the ledger moves in one counter."""

    counter: CounterKey
    change: int


@value_object(kw_only=True)
class Grant:
    """The units that one counter is of: what the ``allowance`` says, of which so many are ``used`` by the counter.

    ``held`` are set aside by reservations.
    What is left at ``ends_at`` is lost. ``holder_id`` is the id of what it comes from, which is the counter's too,
    unless that is one that a subscription goes on with. ``brought`` are other counters with what is used by them: a
    subscription counts it in as well, in the period in which it took over from one with other periods.
    """

    source: Source
    counter: CounterKey
    package_id: str
    since: datetime
    ends_at: datetime | None
    allowance: Allowance
    used: int
    holder_id: int
    brought: tuple[tuple[CounterKey, int], ...] = ()
    held: int = 0

    @property
    def amount(self) -> int | None:
        """How many units there are; None is unlimited."""
        return self.allowance.limit

    @property
    def left(self) -> int | None:
        """How much more may be used; None is unlimited. What was used beyond the amount leaves nothing."""
        return None if self.amount is None else max(0, self.amount - self.used - self.held)

    @property
    def beyond(self) -> int:
        """How much was used or set aside beyond the amount."""
        return 0 if self.amount is None else max(0, self.used + self.held - self.amount)

    @property
    def grace_left(self) -> int:
        """How much more may be used beyond the amount, where overage is not enabled."""
        return max(0, self.allowance.grace - self.beyond)

    def is_of(self, counter: CounterKey | None) -> bool:
        """Whether its units are counted there."""
        return self.counter == counter or any(each == counter for each, _ in self.brought)

    def postings(self, change: int) -> tuple[Posting, ...]:
        """Return what a change of its units moves. More is given back than its own counter has where others count in.

        The others follow in their order, each down to 0.
        """
        if change >= 0 or not self.brought:
            return (Posting(self.counter, change),) if change else ()
        own = self.used - sum(used for _, used in self.brought)
        totals = ((self.counter, own), *self.brought)
        parts = _from_first([used for _, used in totals], -change)
        return tuple(Posting(counter, -part) for (counter, _), part in zip(totals, parts, strict=True) if part)

    @property
    def _burns(self) -> tuple[datetime, int, datetime, int]:
        return self.ends_at or _NEVER, _ORDER[self.source], self.since, abs(self.counter.source_id)


@value_object()
class Pool:
    """Grants that hold together at a moment, in the order in which they are used up: what ends first comes first.

    Of those that end together, what was carried over comes before the allowance of a package, and that before units
    that were given; then the older one. ``answering`` is the one that decides the reset period that people are told.
    """

    grants: tuple[Grant, ...]
    answering: Grant

    @property
    def used(self) -> int:
        """What is used of all of them."""
        return sum(each.used for each in self.grants)

    @property
    def held(self) -> int:
        """What is set aside of all of them."""
        return sum(each.held for each in self.grants)

    @property
    def limit(self) -> int | None:
        """How many units there are in all, at most 2^53-1; None is unlimited."""
        amounts = [each.amount for each in self.grants if each.amount is not None]
        return None if len(amounts) < len(self.grants) else min(sum(amounts), UNITS_MAX)

    @property
    def overage_enabled(self) -> bool:
        """Whether one of them enables it: what is added takes nothing away."""
        return any(each.allowance.overage_enabled for each in self.grants)

    @property
    def slack(self) -> int:
        """How far the total may pass the limit: by what was used beyond single grants, and what is left of the grace.

        What was used beyond one grant does not reduce what is left of the others.
        """
        return sum(
            max(0 if each.amount is None else each.used + each.held - each.amount, each.allowance.grace)
            for each in self.grants
        )

    def of(self, counter: CounterKey | None) -> Grant:
        """Return the grant that a counter is of; what answers, if it is of none of them."""
        return next((each for each in self.grants if each.is_of(counter)), self.answering)

    def postings(self, change: int) -> tuple[Posting, ...]:
        """Return what a change that is admitted moves in which counter; nothing where it is 0.

        Units are taken in the order of the grants, each until nothing is left of it. What is beyond all of them is
        counted by the one that takes overage; where overage is not enabled, by each with a grace, as far as that goes.
        They are given back the other way round, to none below zero: first what is beyond an amount, then from the last
        grant to the first.
        """
        parts = self._taken(change) if change > 0 else self._given_back(-change)
        return tuple(each for grant, part in zip(self.grants, parts, strict=True) for each in grant.postings(part))

    def _taken(self, units: int) -> list[int]:
        within = _from_first([each.left for each in self.grants], units)
        units -= sum(within)
        grace = [0 if self.overage_enabled else each.grace_left for each in self.grants]
        beyond = _from_first(grace, units)
        units -= sum(beyond)
        takes = self._takes_overage
        return [
            part + over + units * (each is takes) for each, part, over in zip(self.grants, within, beyond, strict=True)
        ]

    @property
    def _takes_overage(self) -> Grant:
        """What goes beyond all amounts is counted here: what answers, unless overage is enabled elsewhere only."""
        return next((each for each in (self.answering, *self.grants) if each.allowance.overage_enabled), self.answering)

    def _given_back(self, units: int) -> list[int]:
        beyond = _from_last([min(each.beyond, each.used) for each in self.grants], units)
        units -= sum(beyond)
        rest = _from_last([each.used - part for each, part in zip(self.grants, beyond, strict=True)], units)
        return [-(over + part) for over, part in zip(beyond, rest, strict=True)]


def pool(answering: Grant, others: Sequence[Grant]) -> Pool:
    """Return grants that hold together, in the order in which they are used up."""
    return Pool(tuple(sorted((answering, *others), key=lambda each: each._burns)), answering)  # noqa: SLF001


def _from_first(amounts: Sequence[int | None], units: int) -> list[int]:
    """Return how much of each amount makes up the units, from the first one on; None is unlimited."""
    parts = []
    for amount in amounts:
        parts.append(units if amount is None else min(units, amount))
        units -= parts[-1]
    return parts


def _from_last(amounts: Sequence[int], units: int) -> list[int]:
    """Return how much of each amount makes up the units, from the last one on."""
    return _from_first(amounts[::-1], units)[::-1]
