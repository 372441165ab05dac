"""Entitlements: what a user may use of a feature, and the rule that decides usage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple, Protocol

from kana.model.allowance import Allowance
from kana.model.counting import Brought
from kana.model.feature import Feature
from kana.model.given import Override
from kana.model.grant import CounterKey, Grant, Pool, Source, pool
from kana.model.period import Period, ResetPeriod
from kana.model.text import UNITS_MAX
from kana.model.value import value_object
from kana.model.word import Word

ALLOWED_CONSUMABLE = (
    "The user has a subcription to a package with this consumable feature"
    " and either has an allowance remaining or overage is enabled."
)
"""Verbatim from Kana, with its spelling, because clients may compare it."""
ALLOWED_BINARY = "The user has a subscription to a package with this binary feature."
DENIED_BY_OVERRIDE = "The feature is denied to this user by an override."
NO_SUBSCRIPTION = "The user has no active subscription to a package with this feature."


class Outcome(Word):
    """The outcome of a usage: recorded, or why it is refused. Stable words for programs, metrics and the ledger.

    A check has the outcome that a record would have.
    """

    RECORDED = "RECORDED"
    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
    BELOW_ZERO = "BELOW_ZERO"
    NO_SUBSCRIPTION = "NO_SUBSCRIPTION"
    TOTAL_TOO_LARGE = "TOTAL_TOO_LARGE"
    DENIED = "DENIED"
    OTHER_LINE_REFUSED = "OTHER_LINE_REFUSED"
    CREDIT_EXCEEDED = "CREDIT_EXCEEDED"


@value_object()
class Consumption:
    """How much is used of how much in one period. ``budget=None`` is unlimited."""

    used: int
    budget: int | None
    overage_enabled: bool

    def is_passed_by(self, total: int) -> bool:
        """Whether a total is more than a hard limit allows without a grace."""
        return self.budget is not None and total > self.budget and not self.overage_enabled


@value_object()
class Decision:
    """The decision on a check or a usage: the outcome for programs, and always a reason for people.

    ``in_grace`` says that a hard limit is passed with it, as a grace allows. ``affords`` is for how many units of the
    feature the credit suffices that they cost; None if they cost none, or it is unlimited.
    """

    outcome: Outcome
    reason: str
    consumption: Consumption | None = None
    in_grace: bool = False
    affords: int | None = None

    @property
    def access(self) -> bool:
        """Whether the feature may be used, that is, whether a record of the same amount would count."""
        return self.outcome is Outcome.RECORDED


DENIED = Decision(Outcome.NO_SUBSCRIPTION, NO_SUBSCRIPTION)
"""The decision if no subscription answers."""


class Holder(Protocol):
    """What counts units of its own from a start to an end: a subscription, or what was given to one user."""

    @property
    def id(self) -> int:
        """Unique in the database."""
        ...

    @property
    def bucket(self) -> int:
        """Where the user's data is stored."""
        ...

    @property
    def start(self) -> datetime:
        """From when on it counts."""
        ...

    @property
    def ends_at(self) -> datetime | None:
        """Until when it counts, if it ends."""
        ...

    @property
    def package_id(self) -> str:
        """The package that it is of; empty if it is of none."""
        ...

    @property
    def source(self) -> Source:
        """Where its units come from."""
        ...

    @property
    def counts_as(self) -> int:
        """The id under which it counts."""
        ...

    @property
    def brought(self) -> tuple[Brought, ...]:
        """Totals under that id that count in the periods that it begins in, beside its own."""
        ...

    def period_at(self, reset: ResetPeriod | None, moment: datetime) -> Period:
        """Return the period of a moment."""
        ...

    def period_start_at(self, reset: ResetPeriod | None, moment: datetime) -> datetime:
        """Return only the start of the period of a moment."""
        ...

    def periods_before(self, reset: ResetPeriod | None, moment: datetime) -> Iterator[Period]:
        """Yield the periods that have ended at a moment, newest first."""
        ...


class Part(Protocol):
    """What is added up in an entitlement."""

    def holder_of(self, grant: Grant) -> Holder:
        """Return what counts the units of one of its grants."""
        ...

    @property
    def begins(self) -> datetime:
        """When what counts it began."""
        ...

    def counters_at(self, moment: datetime) -> Sequence[CounterKey]:
        """Return the keys of all totals that its grants at a moment depend on."""
        ...

    def grants_at(self, moment: datetime, used: Mapping[CounterKey, int]) -> list[Grant]:
        """Return its grants at a moment; a total that is not in ``used`` is 0."""
        ...


@value_object()
class Entitlement:
    """What answers for a user and a feature, and how much may be used of it.

    ``holder`` counts what is used: usually a subscription. With an ``override`` the allowance is the override's.
    Where more holds than one allowance, or more than one total counts, ``parts`` are all that are added up, what
    answers first; usually there is nothing to add up, and there are no parts. ``slack`` is how far a sum may be passed,
    see ``Pool``.
    """

    feature: Feature
    holder: Holder
    allowance: Allowance
    parts: tuple[Part, ...] = ()
    override: Override | None = None
    slack: int = 0

    @property
    def source(self) -> Source:
        """Where its units come from."""
        return self.holder.source if self.override is None else Source.OVERRIDE

    def holder_of(self, _grant: Grant) -> Holder:
        """Return what counts its own units."""
        return self.holder

    @property
    def begins(self) -> datetime:
        """When the last of what it sums up began; by itself, when its holder did."""
        return max(each.begins for each in self.parts) if self.parts else self.holder.start

    def period_at(self, moment: datetime) -> Period:
        """Return the period of a moment; one before the start, as after a clock was set back, is in the first."""
        return self.holder.period_at(self.allowance.reset_period, moment)

    def ends_at(self, moment: datetime) -> datetime | None:
        """Return when what is left at a moment is lost: at the end of its period, or of its holder if earlier."""
        override_ends = None if self.override is None else self.override.ends_at
        ends = [self.period_at(moment).end, self.holder.ends_at, override_ends]
        return min((end for end in ends if end is not None), default=None)

    def counter_at(self, moment: datetime) -> CounterKey:
        """Return the key of the running total that a moment belongs to."""
        return self._counter(self.holder.period_start_at(self.allowance.reset_period, moment))

    def counters_at(self, moment: datetime) -> tuple[CounterKey, ...]:
        """Return the key of its own running total that a moment belongs to, and of those that count in with it."""
        counter = self.counter_at(moment)
        return (counter, *self.brought_into(counter))

    def counter_of(self, period: Period) -> CounterKey:
        """Return the key of the running total of a period."""
        return self._counter(period.start)

    def brought_into(self, counter: CounterKey) -> tuple[CounterKey, ...]:
        """Return the totals that count in with one of its own: those brought along, in the period of the change.

        With an override none do: it counts in its own periods, whatever the package.
        """
        held, reset = self.holder, self.allowance.reset_period
        if not held.brought or self.override is not None:
            return ()
        if counter.period_start != held.period_start_at(reset, held.start):
            return ()
        totals = (CounterKey(held.bucket, held.counts_as, *each) for each in held.brought)
        return tuple(each for each in totals if each.feature_id == self.feature.id and each != counter)

    def _counter(self, period_start: datetime) -> CounterKey:
        held = self.holder
        return CounterKey(held.bucket, held.counts_as, self.feature.id, self.allowance.reset_period, period_start)

    def grants_at(self, moment: datetime, used: Mapping[CounterKey, int]) -> list[Grant]:
        """Return its own grant at a moment."""
        return [self.grant_at(moment, used)]

    def grant_at(self, moment: datetime, used: Mapping[CounterKey, int]) -> Grant:
        """Return its own grant at a moment."""
        counter = self.counter_at(moment)
        brought = tuple((each, used.get(each, 0)) for each in self.brought_into(counter))
        return Grant(
            source=self.source,
            counter=counter,
            package_id=self.holder.package_id,
            since=counter.period_start,
            ends_at=self.ends_at(moment),
            allowance=self.allowance,
            used=used.get(counter, 0) + sum(units for _, units in brought),
            holder_id=self.holder.id,
            brought=brought,
            held=used.get(counter.held, 0) + sum(used.get(each.held, 0) for each, _ in brought),
        )

    def pool_at(self, moment: datetime, used: Mapping[CounterKey, int]) -> Pool:
        """Return all grants that hold together at a moment."""
        answering = self.grant_at(moment, used)
        return pool(answering, [grant for part in self.parts[1:] for grant in part.grants_at(moment, used)])

    def summed(self, grants: Pool) -> Entitlement:
        """Return it with the sum of the grants as its allowance."""
        summed = Allowance(
            limit=grants.limit, overage_enabled=grants.overage_enabled, reset_period=self.allowance.reset_period
        )
        return replace(self, allowance=summed, slack=grants.slack)

    def consumption(self, used: int) -> Consumption | None:
        """Return how much of what budget is used; None for a BINARY feature, whose count is not shown.

        At most 2^53-1 is shown, though counters that were filled separately may add up to more.
        """
        if not self.feature.is_counted:
            return None
        if self.parts:
            used = min(used, UNITS_MAX)
        return Consumption(used, self.allowance.limit, self.allowance.overage_enabled)

    def decide(self, change: int, *, used: int, held: int = 0, moves: bool = False) -> Decision:
        """Return whether the total may change by ``change`` from ``used``: the one rule for checks and records.

        ``used`` is the total of ``counter_at``, or of all grants of a sum, and ``held`` what is set aside of the same.
        It is all or nothing. Giving back may not take the total below zero, and no change takes one above 2^53-1, not
        even a BINARY feature's. The decision has the consumption afterwards: ``moves=True`` is a record, which changes
        the total if it is allowed; a check never does.

        Source: docs.usekana.com/reference, queries "canUseFeature"; bounds settled by us.
        """
        total, taken = used + change, used + held
        is_too_large = change > 0 and taken + change > UNITS_MAX
        if total < 0 or is_too_large or not self.allowance.admits(change, used=taken - self.slack):
            return self._refusal(change, used, held)
        consumption = self.consumption(total if moves else used)
        if consumption is None:
            return Decision(Outcome.RECORDED, ALLOWED_BINARY)
        in_grace = change > 0 and consumption.is_passed_by(total)
        return Decision(Outcome.RECORDED, ALLOWED_CONSUMABLE, consumption, in_grace)

    def _refusal(self, change: int, used: int, held: int) -> Decision:
        """Return the decision on a change that is refused, with the reason."""
        outcome, so_far = Outcome.LIMIT_EXCEEDED, f"{used} used, {held} held" if held else f"{used} used"
        reason = (
            f"The limit of {self.allowance.limit} is reached for this period: {so_far}, {change} more would exceed"
            " it, and overage is not enabled."
        )
        if self.override is not None and self.override.denied:
            outcome, reason = Outcome.DENIED, DENIED_BY_OVERRIDE
        elif used + change < 0:
            outcome = Outcome.BELOW_ZERO
            reason = f"Only {used} used in this period: {-change} cannot be given back."
        elif used + held + change > UNITS_MAX:
            outcome = Outcome.TOTAL_TOO_LARGE
            reason = f"The total would pass {UNITS_MAX}: {so_far}, {change} more."
        return Decision(outcome, reason, self.consumption(used))


class Standing(NamedTuple):
    """How an entitlement stands at a moment: with all that it sums up, and how much of that is used.

    ``counter`` is the total of what answers; ``grants`` are what it sums up, if it does; ``held`` is set aside.
    """

    entitlement: Entitlement
    counter: CounterKey
    used: int
    grants: Pool | None = None
    held: int = 0

    @property
    def room(self) -> int | None:
        """How many more units may be used, grace included; None if nothing prevents more."""
        most = self.entitlement.allowance.most
        return None if most is None else max(0, most + self.entitlement.slack - self.used - self.held)

    def decide(self, change: int, *, moves: bool = False) -> Decision:
        """Return whether the total may change, by ``Entitlement.decide``."""
        return self.entitlement.decide(change, used=self.used, held=self.held, moves=moves)


class Credit(NamedTuple):
    """What a feature costs: so many units of a credit, and what answers for that; None if nothing does."""

    feature_id: str
    rate: int
    place: Place | None

    def decide(self, decision: Decision, change: int, used: Mapping[CounterKey, int]) -> Decision:
        """Return the decision on a feature with that on what it costs."""
        standing = None if self.place is None else self.place.standing(used)
        cost = DENIED if standing is None else standing.decide(change * self.rate)
        if decision.access and not cost.access:
            decision = credit_refusal(self.feature_id, cost, decision.consumption)
        room = 0 if standing is None else standing.room
        return replace(decision, affords=None if room is None else min(room // self.rate, UNITS_MAX))


def credit_refusal(feature_id: str, cost: Decision, consumption: Consumption | None) -> Decision:
    """Return the decision on a feature that costs units of another one, where these are refused."""
    return Decision(Outcome.CREDIT_EXCEEDED, f"{feature_id}: {cost.reason}", consumption)


class Place(NamedTuple):
    """An entitlement at a moment, and all counters that deciding on it needs. ``counter`` is that of what answers.

    ``has_holds``: some units of the user may be set aside, so the totals of these are among the counters. ``credit`` is
    what using the feature costs, if it does.
    """

    entitlement: Entitlement
    moment: datetime
    counter: CounterKey
    counters: tuple[CounterKey, ...]
    has_holds: bool = False
    credit: Credit | None = None

    def costing(self, credit: Credit) -> Place:
        """Return it with what it costs, and the counters of that."""
        counters = () if credit.place is None else credit.place.counters
        return self._replace(credit=credit, counters=(*self.counters, *counters))

    def decide(self, change: int, used: Mapping[CounterKey, int]) -> Decision:
        """Return whether the total may change, by ``Entitlement.decide``, and whether what that costs may."""
        decision = self.standing(used).decide(change)
        return decision if self.credit is None else self.credit.decide(decision, change, used)

    def standing(self, used: Mapping[CounterKey, int]) -> Standing:
        """Return how it stands, by the totals of its counters; one that is missing is 0."""
        if not self.entitlement.parts:
            held = used.get(self.counter.held, 0) if self.has_holds else 0
            return Standing(self.entitlement, self.counter, used.get(self.counter, 0), held=held)
        grants = self.entitlement.pool_at(self.moment, used)
        return Standing(self.entitlement.summed(grants), self.counter, grants.used, grants, grants.held)


def place_at(entitlement: Entitlement, moment: datetime, *, has_holds: bool) -> Place:
    """Return an entitlement at a moment. ``has_holds``: some units of the user may be set aside."""
    counter = entitlement.counter_at(moment)
    counters: tuple[CounterKey, ...] = (counter,)
    if entitlement.parts:
        counters = tuple(dict.fromkeys(each for part in entitlement.parts for each in part.counters_at(moment)))
    if has_holds:
        counters += tuple(each.held for each in counters)
    return Place(entitlement, moment, counter, counters, has_holds)
