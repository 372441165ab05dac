"""Entitlements: which subscription answers for a user and a feature, and the rule that decides usage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import reduce
from typing import NamedTuple

from kana.model.account import Account
from kana.model.allowance import Allowance, Combine
from kana.model.catalog import Catalog
from kana.model.feature import Feature
from kana.model.package import Package
from kana.model.period import CLOCKS_APART, Period, ResetPeriod, period_at, period_start_at
from kana.model.subscription import Subscription
from kana.model.text import UNITS_MAX
from kana.model.value import value_object
from kana.model.word import Word

ALLOWED_CONSUMABLE = (
    "The user has a subcription to a package with this consumable feature"
    " and either has an allowance remaining or overage is enabled."
)
"""Verbatim from Kana, with its spelling, because clients may compare it."""
ALLOWED_BINARY = "The user has a subscription to a package with this binary feature."
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


class CounterKey(NamedTuple):
    """The key of a running total: one subscription, one feature, one period."""

    bucket: int
    subscription_id: int
    feature_id: str
    reset_period: ResetPeriod | None
    period_start: datetime


@value_object()
class Consumption:
    """How much is used of how much in one period. ``budget=None`` is unlimited."""

    used: int
    budget: int | None
    overage_enabled: bool


@value_object()
class Decision:
    """The decision on a check or a usage: the outcome for programs, and always a reason for people."""

    outcome: Outcome
    reason: str
    consumption: Consumption | None = None

    @property
    def access(self) -> bool:
        """Whether the feature may be used, that is, whether a record of the same amount would count."""
        return self.outcome is Outcome.RECORDED


DENIED = Decision(Outcome.NO_SUBSCRIPTION, NO_SUBSCRIPTION)
"""The decision if no subscription answers."""


@value_object()
class Entitlement:
    """The one subscription that answers for a user and a feature, and how much may be used in all.

    If other subscriptions add to what its package allows, ``allowance`` is the sum, and ``parts`` are the
    entitlements that are added up: first the one that answers, by itself. Usually there is nothing to add up,
    and there are no parts.
    """

    feature: Feature
    subscription: Subscription
    allowance: Allowance
    parts: tuple[Entitlement, ...] = ()

    def period_at(self, moment: datetime) -> Period:
        """Return the period of a moment; one before the start, as after a clock was set back, is in the first."""
        start = self.subscription.start
        return period_at(start, self.allowance.reset_period, max(start, moment))

    def ends_at(self, moment: datetime) -> datetime | None:
        """Return when what is left at a moment is lost: at the end of its period, or of its subscription if earlier."""
        ends = [end for end in (self.period_at(moment).end, self.subscription.ends_at) if end is not None]
        return min(ends, default=None)

    def counter_at(self, moment: datetime) -> CounterKey:
        """Return the key of the running total that a moment belongs to."""
        start = self.subscription.start
        return self._counter(period_start_at(start, self.allowance.reset_period, max(start, moment)))

    def counters_at(self, moment: datetime) -> tuple[CounterKey, ...]:
        """Return the keys of all running totals that a moment belongs to. Their sum is what is used."""
        if not self.parts:
            return (self.counter_at(moment),)
        return tuple(each.counter_at(moment) for each in self.parts)

    def counter_of(self, period: Period) -> CounterKey:
        """Return the key of the running total of a period."""
        return self._counter(period.start)

    def _counter(self, period_start: datetime) -> CounterKey:
        held = self.subscription
        return CounterKey(held.bucket, held.id, self.feature.id, self.allowance.reset_period, period_start)

    def consumption(self, used: int) -> Consumption | None:
        """Return how much of what budget is used; None for a BINARY feature, whose count is not shown.

        At most 2^53-1 is shown, though counters that were filled separately may add up to more.
        """
        if not self.feature.is_counted:
            return None
        if self.parts:
            used = min(used, UNITS_MAX)
        return Consumption(used, self.allowance.limit, self.allowance.overage_enabled)

    def decide(self, change: int, *, used: int, moves: bool = False) -> Decision:
        """Return whether the total may change by ``change`` from ``used``: the one rule for checks and records.

        ``used`` is the sum over ``counters_at``. It is all or nothing. Giving back may not take the total below
        zero, and no change takes one above 2^53-1, not even a BINARY feature's. The decision has the consumption
        afterwards: ``moves=True`` is a record, which changes the total if it is allowed; a check never does.

        Source: docs.usekana.com/reference, queries "canUseFeature"; bounds settled by us.
        """
        total = used + change
        if total < 0 or (change > 0 and total > UNITS_MAX) or not self.allowance.admits(change, used=used):
            return self._refusal(change, used)
        consumption = self.consumption(total if moves else used)
        reason = ALLOWED_BINARY if consumption is None else ALLOWED_CONSUMABLE
        return Decision(Outcome.RECORDED, reason, consumption)

    def _refusal(self, change: int, used: int) -> Decision:
        """Return the decision on a change that is refused, with the reason."""
        outcome = Outcome.LIMIT_EXCEEDED
        reason = (
            f"The limit of {self.allowance.limit} is reached for this period: {used} used, {change} more would exceed"
            " it, and overage is not enabled."
        )
        if used + change < 0:
            outcome = Outcome.BELOW_ZERO
            reason = f"Only {used} used in this period: {-change} cannot be given back."
        elif used + change > UNITS_MAX:
            outcome = Outcome.TOTAL_TOO_LARGE
            reason = f"The total would pass {UNITS_MAX}: {used} used, {change} more."
        return Decision(outcome, reason, self.consumption(used))


class Candidate(NamedTuple):
    """A subscription that could answer for a feature, with its package and what that allows."""

    package: Package
    allowance: Allowance
    subscription: Subscription


def effective(account: Account, catalog: Catalog, feature: Feature, *, now: datetime) -> Entitlement | None:
    """Return the entitlement that answers for this feature: the highest limit wins, and those that ADD are added.

    Ties: overage enabled first, then a base package before an add-on, then the older subscription. Where there
    are only allowances that ADD, the one of them that would win answers.

    Source: docs.usekana.com/kana-concepts, "Entitlements"; ties and ADD settled by us.
    """
    return _combined(_holding(account, catalog, feature, now), catalog, feature)


def effective_at(account: Account, catalog: Catalog, feature: Feature, *, moment: datetime) -> Entitlement | None:
    """Return the entitlement that answered at a moment, by the rule of ``effective`` among those of that time.

    The account must include ended subscriptions. If there was none at that time, one that began up to five
    minutes later answers: callers round times down, and clocks differ.
    """
    ever = [
        (held.allowance, subscription)
        for subscription in account.subscriptions
        if subscription.ever_gave_access and (held := catalog.held(subscription.package_id, feature.id)) is not None
    ]
    found = [holding for holding in ever if holding[1].gave_access(moment)]
    if not found:
        starts = [held.start for _, held in ever if moment < held.start and held.start - moment <= CLOCKS_APART]
        found = [holding for holding in ever if holding[1].start == min(starts, default=None)]
    return _combined(found, catalog, feature)


def _combined(found: Sequence[_Holding], catalog: Catalog, feature: Feature) -> Entitlement | None:
    if not found:
        return None
    if len(found) == 1:  # Nearly all there are.
        allowance, subscription = found[0]
        return Entitlement(feature, subscription, allowance)
    # Among equals ``max`` keeps the first, and the oldest subscription comes first.
    best = max(found, key=_precedence(catalog))
    added = [each for each in found if each[0].combine is Combine.ADD and each is not best]
    if not added:
        return Entitlement(feature, best[1], best[0])
    parts = tuple(Entitlement(feature, subscription, allowance) for allowance, subscription in (best, *added))
    return Entitlement(feature, best[1], reduce(Allowance.plus, (each.allowance for each in parts)), parts)


def candidates(account: Account, catalog: Catalog, feature: Feature, *, now: datetime) -> list[Candidate]:
    """Return all subscriptions with this feature, the one that answers first, by the rule of ``effective``."""
    found = sorted(_holding(account, catalog, feature, now), key=_precedence(catalog), reverse=True)
    return [
        Candidate(catalog.package(subscription.package_id), allowance, subscription)
        for allowance, subscription in found
    ]


_Holding = tuple[Allowance, Subscription]


def _holding(account: Account, catalog: Catalog, feature: Feature, now: datetime) -> list[_Holding]:
    return [
        (held.allowance, subscription)
        for subscription in account.subscriptions
        if subscription.gives_access(now) and (held := catalog.held(subscription.package_id, feature.id)) is not None
    ]


def _precedence(catalog: Catalog) -> Callable[[_Holding], tuple[bool, tuple[int, bool], bool]]:
    """Return by what one holding answers before another: only where nothing else holds does one that ADDs."""

    def of(holding: _Holding) -> tuple[bool, tuple[int, bool], bool]:
        allowance, subscription = holding
        is_addon = catalog.package(subscription.package_id).is_addon
        return allowance.combine is Combine.HIGHEST, allowance.rank, not is_addon

    return of
