"""An entitlement: what this user may do with this feature now, and which subscription says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from kana.model.account import Account
from kana.model.allowance import Allowance
from kana.model.catalog import Catalog
from kana.model.feature import Feature, FeatureType
from kana.model.package import Package
from kana.model.period import CLOCKS_APART, Period, ResetPeriod, period_at, period_start_at
from kana.model.subscription import Subscription
from kana.model.value import dataclass

ALLOWED_CONSUMABLE = (
    "The user has a subcription to a package with this consumable feature"
    " and either has an allowance remaining or overage is enabled."
)
"""Verbatim from Kana, spelling included: clients may compare it."""
ALLOWED_BINARY = "The user has a subscription to a package with this binary feature."
NO_SUBSCRIPTION = "The user has no active subscription to a package with this feature."


class CounterKey(NamedTuple):
    """Which running total: one subscription, one feature, one period."""

    bucket: int
    subscription_id: int
    feature_id: str
    reset_period: ResetPeriod | None
    period_start: datetime


@dataclass(frozen=True, slots=True)
class Consumption:
    """How much is used of how much in one period. ``budget=None`` is unlimited."""

    used: int
    budget: int | None
    overage_enabled: bool


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to "may this user use this feature now?": always with a reason for people."""

    access: bool
    reason: str
    consumption: Consumption | None = None


@dataclass(frozen=True, slots=True)
class Entitlement:
    """The one subscription that answers for a user and a feature, and what its package allows."""

    feature: Feature
    subscription: Subscription
    allowance: Allowance

    def period_at(self, moment: datetime) -> Period:
        """Return the period of a moment; one before the start, as after a clock went back, is in the first."""
        start = self.subscription.start
        return period_at(start, self.allowance.reset_period, max(start, moment))

    def counter_at(self, moment: datetime) -> CounterKey:
        """Return the key of the running total that a moment belongs to."""
        start = self.subscription.start
        return self._counter(period_start_at(start, self.allowance.reset_period, max(start, moment)))

    def counter_of(self, period: Period) -> CounterKey:
        """Return the key of the running total of one of its periods."""
        return self._counter(period.start)

    def _counter(self, period_start: datetime) -> CounterKey:
        held = self.subscription
        return CounterKey(held.bucket, held.id, self.feature.id, self.allowance.reset_period, period_start)

    def consumption(self, used: int) -> Consumption | None:
        """Return what is used of what; None for a BINARY feature, which is not counted for anyone to see."""
        if self.feature.type is FeatureType.BINARY:
            return None
        return Consumption(used, self.allowance.limit, self.allowance.overage_enabled)

    def decide(self, delta: int, *, used: int) -> Decision:
        """Return whether ``delta`` more may be used now.

        Source: docs.usekana.com/reference, queries "canUseFeature".
        """
        if self.feature.type is FeatureType.BINARY:
            return Decision(access=True, reason=ALLOWED_BINARY)
        consumption = self.consumption(used)
        if self.allowance.admits(delta, used=used):
            return Decision(access=True, reason=ALLOWED_CONSUMABLE, consumption=consumption)
        reason = limit_reason(delta, used=used, limit=self.allowance.limit)
        return Decision(access=False, reason=reason, consumption=consumption)


class Candidate(NamedTuple):
    """A subscription that could answer for a feature: what it is to, and what that allows."""

    package: Package
    allowance: Allowance
    subscription: Subscription


def effective(account: Account, catalog: Catalog, feature: Feature, *, now: datetime) -> Entitlement | None:
    """Return the entitlement that answers for this feature: the highest limit wins, limits are not added.

    Ties: overage enabled first, then a base package before an add-on, then the older subscription.

    Source: docs.usekana.com/kana-concepts, "Entitlements"; ties settled by us.
    """
    return _most_generous(_holding(account, catalog, feature, now), catalog, feature)


def effective_at(account: Account, catalog: Catalog, feature: Feature, *, moment: datetime) -> Entitlement | None:
    """Return the entitlement that answered at a moment, by the rule of ``effective`` among those that held then.

    The account must hold ended subscriptions too. Where none held, the next one answers that began soon
    after, from its first moment on: callers cut times to seconds, and clocks differ.
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
    return _most_generous(found, catalog, feature)


def _most_generous(found: Sequence[_Holding], catalog: Catalog, feature: Feature) -> Entitlement | None:
    if not found:
        return None
    # Of equals ``max`` keeps the first, and the oldest subscription stands first.
    allowance, subscription = found[0] if len(found) == 1 else max(found, key=_generosity(catalog))
    return Entitlement(feature, subscription, allowance)


def candidates(account: Account, catalog: Catalog, feature: Feature, *, now: datetime) -> list[Candidate]:
    """Return all that could answer for this feature, the one that does first, by the rule of ``effective``."""
    found = sorted(_holding(account, catalog, feature, now), key=_generosity(catalog), reverse=True)
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


def _generosity(catalog: Catalog) -> Callable[[_Holding], tuple[tuple[int, bool], bool]]:
    def of(holding: _Holding) -> tuple[tuple[int, bool], bool]:
        allowance, subscription = holding
        return allowance.rank, not catalog.package(subscription.package_id).is_addon

    return of


def limit_reason(delta: int, *, used: int, limit: int | None) -> str:
    """Return why so much more is refused, in words and numbers."""
    return (
        f"The limit of {limit} is reached for this period: {used} used, {delta} more would exceed it,"
        " and overage is not enabled."
    )
