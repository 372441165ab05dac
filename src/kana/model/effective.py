"""Which sources a user's units of a feature come from at a moment: packages, and what was given to them alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from kana.model.account import Account
from kana.model.allowance import Allowance, Combine
from kana.model.catalog import Catalog
from kana.model.entitlement import Entitlement, Holder, Part
from kana.model.feature import Feature
from kana.model.given import Override, TopUp, TopUps
from kana.model.package import Package
from kana.model.period import CLOCKS_APART
from kana.model.rollover import Carried
from kana.model.subscription import Subscription


class Candidate(NamedTuple):
    """A subscription that could answer for a feature, with its package and what that allows."""

    package: Package
    allowance: Allowance
    subscription: Subscription


def effective(account: Account, catalog: Catalog, feature: Feature, *, now: datetime) -> Entitlement | None:
    """Return the entitlement that answers for this feature: the highest limit wins, and those that ADD are added.

    Ties: overage enabled first, then a base package before an add-on, then the older subscription. Where there
    are only allowances that ADD, the one of them that would win answers. An override stands in place of those that
    do not ADD. What is carried over, and top-ups, are added.

    Source: docs.usekana.com/kana-concepts, "Entitlements"; ties and everything that is added settled by us.
    """
    return _answering(_holding(account, catalog, feature, now), account, catalog, feature, now)


def effective_at(
    account: Account, catalog: Catalog, feature: Feature, *, moment: datetime, now: datetime | None = None
) -> Entitlement | None:
    """Return the entitlement that answered at a moment, by the rule of ``effective`` among those of that time.

    The account must include ended subscriptions. If there was none at that time, one that began up to five
    minutes later answers: callers round times down, and clocks differ. One that was scheduled begins exactly.

    If another subscription has gone on with the same counter by ``now``, the total is what both allowed. It is held
    to the more generous limit of them.
    """
    found = _held_at(account, catalog, feature, moment=moment, now=now or moment)
    return _answering(found, account, catalog, feature, moment)


def _as_shared(holding: _Holding, ever: Sequence[_Holding], *, moment: datetime, now: datetime) -> _Holding:
    """Return a subscription with the most generous limit of those that count in the same counter by now.

    Where that is not its own, nothing is carried over: what the periods before left was measured by its own. What it
    costs is its own in any case.
    """
    allowance, subscription = holding
    period = subscription.period_at(allowance.reset_period, moment)
    sharing = [
        each
        for each, held in ever
        if (held.counts_as, each.reset_period) == (subscription.counts_as, allowance.reset_period)
        and held.start <= now
        and held.overlaps(period.start, period.end)
    ]
    best = max((allowance, *sharing), key=lambda each: each.rank)
    if best is allowance:
        return holding
    return replace(best, combine=allowance.combine, rollover=None, cost=allowance.cost), subscription


def _is_just_before(moment: datetime, start: datetime) -> bool:
    return moment < start and start - moment <= CLOCKS_APART


def _answering(
    found: Sequence[_Holding], account: Account, catalog: Catalog, feature: Feature, moment: datetime
) -> Entitlement | None:
    if len(found) == 1 and not account.given:  # Nearly all there are.
        allowance, subscription = found[0]
        if allowance.rollover is None and not subscription.brought:
            return Entitlement(feature, subscription, allowance)
    given = [each for each in account.given if each.feature_id == feature.id and each.holds(moment)]
    override = next((each for each in given if isinstance(each, Override)), None)
    top_ups = [each for each in given if isinstance(each, TopUp)]
    packages = _of_packages(found, catalog, feature)
    if override is not None:
        packages = _overridden(packages, override, feature, others=bool(top_ups))
    if top_ups and not packages:
        packages = [Entitlement(feature, top_ups[0], top_ups[0].allowance)]
        del top_ups[0]
    return _summed(packages, top_ups)


def _of_packages(found: Sequence[_Holding], catalog: Catalog, feature: Feature) -> list[Entitlement]:
    """Return what answers of several packages, and what adds to it."""
    if not found:
        return []
    # Among equals ``max`` keeps the first, and the oldest subscription comes first.
    best = max(found, key=_precedence(catalog))
    added = [each for each in found if _adds(each) and each is not best]
    return [Entitlement(feature, subscription, allowance) for allowance, subscription in (best, *added)]


def _overridden(
    packages: Sequence[Entitlement], override: Override, feature: Feature, *, others: bool
) -> list[Entitlement]:
    """Return an override in place of what does not add; it counts on in the counters of what answered before it.

    A denial gives nothing, so where anything is added to it, only that is left.
    """
    added = [each for each in packages if each.allowance.combine is Combine.ADD]
    if override.denied and (added or others):
        return added
    highest = [each for each in packages if each.allowance.combine is Combine.HIGHEST]
    holder: Holder = override
    allowance = override.allowance
    if highest:
        holder, allowance = highest[0].holder, replace(allowance, cost=highest[0].allowance.cost)
    return [Entitlement(feature, holder, allowance, override=override), *added]


def _summed(entitlements: Sequence[Entitlement], top_ups: Sequence[TopUp]) -> Entitlement | None:
    """Return what answers, with all that is added up, if anything is."""
    parts: list[Part] = [*entitlements, *_carried(entitlements)]
    if top_ups:
        parts.append(TopUps(tuple(top_ups)))
    if not parts:
        return None
    is_alone = len(parts) == 1 and not entitlements[0].holder.brought
    return entitlements[0] if is_alone else replace(entitlements[0], parts=tuple(parts))


def _carried(entitlements: Iterable[Entitlement]) -> list[Carried]:
    """Return what earlier periods left of allowances that roll over."""
    return [
        Carried(each, each.allowance.rollover.limit, each.allowance.rollover.periods)
        for each in entitlements
        if each.allowance.rollover is not None
    ]


def candidates(account: Account, catalog: Catalog, feature: Feature, *, now: datetime) -> list[Candidate]:
    """Return all subscriptions with this feature, the one that answers first, by the rule of ``effective``."""
    return _ranked(_holding(account, catalog, feature, now), catalog)


def candidates_at(
    account: Account, catalog: Catalog, feature: Feature, *, moment: datetime, now: datetime
) -> list[Candidate]:
    """Return all subscriptions that had this feature at a moment, by the rule of ``effective_at``."""
    return _ranked(_held_at(account, catalog, feature, moment=moment, now=now), catalog)


def _ranked(found: Sequence[_Holding], catalog: Catalog) -> list[Candidate]:
    return [
        Candidate(catalog.package(subscription.package_id), allowance, subscription)
        for allowance, subscription in sorted(found, key=_precedence(catalog), reverse=True)
    ]


_Holding = tuple[Allowance, Subscription]


def _holding(account: Account, catalog: Catalog, feature: Feature, now: datetime) -> list[_Holding]:
    return [
        (held.allowance, subscription)
        for subscription in account.subscriptions
        if subscription.gives_access(now) and (held := catalog.held(subscription.package_id, feature.id)) is not None
    ]


def _held_at(
    account: Account, catalog: Catalog, feature: Feature, *, moment: datetime, now: datetime
) -> list[_Holding]:
    ever = [
        (held.allowance, subscription)
        for subscription in account.subscriptions
        if subscription.ever_gave_access and (held := catalog.held(subscription.package_id, feature.id)) is not None
    ]
    found = [holding for holding in ever if holding[1].gave_access(moment)]
    if not found:
        near = [each for each in ever if not each[1].scheduled and _is_just_before(moment, each[1].start)]
        first = min((held.start for _, held in near), default=None)
        found = [holding for holding in near if holding[1].start == first]
    if any(held.origin is not None for _, held in ever):
        found = [_as_shared(holding, ever, moment=moment, now=now) for holding in found]
    return found


def _adds(holding: _Holding) -> bool:
    return holding[0].combine is Combine.ADD


def _precedence(catalog: Catalog) -> Callable[[_Holding], tuple[bool, tuple[int, bool], bool]]:
    """Return by what one holding answers before another: only where nothing else holds does one that ADDs."""

    def of(holding: _Holding) -> tuple[bool, tuple[int, bool], bool]:
        allowance, subscription = holding
        is_addon = catalog.package(subscription.package_id).is_addon
        return allowance.combine is Combine.HIGHEST, allowance.rank, not is_addon

    return of
