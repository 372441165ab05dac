"""The rules for changing what a user is subscribed to: pure functions of an account, the catalogue and the time.

Each returns the subscriptions that are new or changed. A user has one base package at a time; an add-on lasts no
longer than the base packages that it goes with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from kana.errors import Conflict, SubscriptionNotFound, SubscriptionRefused
from kana.model.account import Account
from kana.model.addons import adjusted, bases_of, ended, lasting
from kana.model.carrying import brought_along
from kana.model.catalog import Catalog
from kana.model.counting import Origin
from kana.model.package import Package, PackageStatus
from kana.model.period import longest
from kana.model.subscription import Subscription, SubscriptionStatus
from kana.model.terms import AT_ONCE, ChangeTime, ChangeUsage, Terms
from kana.model.trial import trial_end

_MOMENT = timedelta(milliseconds=1)


def subscribe(
    account: Account,
    catalog: Catalog,
    package_ids: Sequence[str],
    *,
    terms: Terms = AT_ONCE,
    now: datetime,
    next_id: Callable[[], int],
) -> list[Subscription]:
    """Return the new subscriptions, one for each package id, in the same order: all of them or none.

    An add-on ends when the base package does, unless another one that it goes with follows. One that is to start
    in the past needs its base package to start with it: usage since then was decided without it.

    Raises:
        SubscriptionRefused: a package is unknown or not published, a second base package at any time,
            an add-on without its base package, or one already subscribed to.
        InvalidValue: the terms are not possible now.

    Source: docs.usekana.com/reference, mutations "subscribe"; order of checks settled by us.
    """
    packages = [_subscribable(catalog, package_id) for package_id in package_ids]
    if not packages:
        raise SubscriptionRefused("packageIds must name at least one package")
    new = [_on_terms(account, package, terms, id=next_id(), now=now) for package in packages]
    bases = [each for each, package in zip(new, packages, strict=True) if not package.is_addon]
    _check_one_base(account, catalog, bases, now=now)
    for number, package in enumerate(packages):
        if package.is_addon:
            _check_addon(account, catalog, new[number], alongside=new, before=packages[:number], now=now)
    everything = (*account.subscriptions, *new)
    return [
        lasting(each, everything, catalog, now=now) if package.is_addon else each
        for each, package in zip(new, packages, strict=True)
    ]


def _on_terms(account: Account, package: Package, terms: Terms, *, id: int, now: datetime) -> Subscription:  # noqa: A002
    start = terms.start(now)
    trial_ends_at = trial_end(account, package, terms, start=start, now=now)
    return Subscription(
        id=id,
        bucket=account.user.bucket,
        user_key=account.user.key,
        package_id=package.id,
        status=SubscriptionStatus.ACTIVE if trial_ends_at is None else SubscriptionStatus.TRIALING,
        start=start,
        ends_at=trial_ends_at if terms.ends_with_trial else None,
        scheduled=now < start,
        trial_ends_at=trial_ends_at,
        anchor=terms.anchor_in(account.time_zone),
    )


def change_base(
    account: Account,
    catalog: Catalog,
    package_id: str,
    *,
    when: ChangeTime = ChangeTime.NOW,
    usage: ChangeUsage = ChangeUsage.RESET,
    ends_at: datetime | None = None,
    now: datetime,
    next_id: Callable[[], int],
) -> list[Subscription]:
    """Return the old base subscription with its end, what else changes, and last the new one, which starts then.

    At the period's end the new one is scheduled, and the add-ons that do not go with it end. A base package that was
    scheduled to follow before does not start. With CARRY the new one goes on with the counters of the old one, and
    with its anchor. ``ends_at`` is when the new one ends, if it is known.

    Raises:
        SubscriptionRefused: the package is unknown, not published, an add-on or already subscribed to; the user has
            no base package; or one of their add-ons does not go with the new one now.
        Conflict: there is no period end, because nothing in the old package resets.
    """
    package = _subscribable(catalog, package_id)
    if package.is_addon:
        raise SubscriptionRefused(f"Package {package_id!r} is an add-on; changeSubscription takes a base package")
    state = account.state(now)
    old = _current_base(account, catalog, package, now=now)
    start = _change_time(old, catalog, when, now=now)
    if when is ChangeTime.NOW:
        _check_addons_go_with(state, catalog, package, account)
    new = replace(_taking_over(old, package, catalog, usage, id=next_id(), start=start, now=now), ends_at=ends_at)
    changed = [ended(old, ends_at=start, now=now), *_withdrawn(old, state, catalog, now=now)]
    _check_one_base(_with(account, changed), catalog, [new], now=now)
    return [*changed, *adjusted(state, [*changed, new], catalog, now=now), new]


def standing_base(account: Account, catalog: Catalog, *, now: datetime) -> Subscription | None:
    """Return the subscription to a base package that has begun and not ended; None if there is none."""
    return next((each for each in bases_of(account.state(now), catalog) if each.has_begun(now)), None)


def _current_base(account: Account, catalog: Catalog, package: Package, *, now: datetime) -> Subscription:
    old = standing_base(account, catalog, now=now)
    if old is None:
        raise SubscriptionRefused(f"User {account.user.id!r} has no base package to change; use subscribe")
    if old.package_id == package.id:
        raise SubscriptionRefused(f"User {account.user.id!r} is already subscribed to {package.id!r}")
    return old


def _change_time(old: Subscription, catalog: Catalog, when: ChangeTime, *, now: datetime) -> datetime:
    """Return when a base package is changed: one that is going to end anyway lasts until then."""
    match when:
        case ChangeTime.NOW:
            return now
        case ChangeTime.PERIOD_END:
            return old.ends_at or _period_end(old, catalog.package(old.package_id), now=now)
        case _:
            assert_never(when)


def _check_addons_go_with(state: Sequence[Subscription], catalog: Catalog, package: Package, account: Account) -> None:
    for subscription in state:
        addon = catalog.package(subscription.package_id)
        if addon.base_package_ids and package.id not in addon.base_package_ids:
            raise SubscriptionRefused(
                f"Add-on {addon.id!r} of user {account.user.id!r} does not go with {package.id!r}; cancel it first"
            )


def _taking_over(
    old: Subscription,
    package: Package,
    catalog: Catalog,
    usage: ChangeUsage,
    *,
    id: int,  # noqa: A002 - the field's name
    start: datetime,
    now: datetime,
) -> Subscription:
    """Return the subscription that follows another one."""
    new = Subscription(
        id=id,
        bucket=old.bucket,
        user_key=old.user_key,
        package_id=package.id,
        status=SubscriptionStatus.ACTIVE,
        start=start,
        scheduled=now < start,
    )
    match usage:
        case ChangeUsage.RESET:
            return new
        case ChangeUsage.CARRY:
            new = replace(new, anchor=old.anchor, origin=Origin(old.counts_as, old.counted_from))
            return replace(new, brought=brought_along(old, new, catalog))
        case _:
            assert_never(usage)


def resume(account: Account, catalog: Catalog, subscription_id: int, *, now: datetime) -> list[Subscription]:
    """Return a subscription without the end that is still to come, and what else goes on or does not start.

    A base package that was scheduled to follow it does not start; add-ons that were to end with it go on.

    Raises:
        SubscriptionNotFound: no subscription of this account has the id.
        SubscriptionRefused: it has ended; it is an add-on whose base package ends then; or another base package
            starts later.
    """
    state = account.state(now)
    subscription = _found(account, subscription_id)
    if subscription not in state:
        raise SubscriptionRefused(f"Subscription {subscription_id} has ended; subscribe the user again")
    if subscription.ends_at is None:
        return []
    resumed = replace(subscription, ends_at=None, ends_with_base=False, own_ends_at=None)
    package = catalog.package(subscription.package_id)
    if package.is_addon:
        return [_resumed_addon(resumed, state, catalog, ended_at=subscription.ends_at, now=now)]
    changed = [resumed, *_withdrawn(subscription, state, catalog, now=now)]
    others = [each for each in _with(account, changed).subscriptions if each.id != resumed.id]
    _check_one_base(replace(account, subscriptions=tuple(others)), catalog, [resumed], now=now)
    return [*changed, *adjusted(state, changed, catalog, now=now)]


def _resumed_addon(
    addon: Subscription, state: Sequence[Subscription], catalog: Catalog, *, ended_at: datetime, now: datetime
) -> Subscription:
    resumed = lasting(addon, state, catalog, now=now)
    if resumed.ends_at is None or ended_at < resumed.ends_at:
        return resumed
    until = resumed.ends_at.isoformat()
    if any(each.package_id == addon.package_id and each.start == resumed.ends_at for each in state):
        raise SubscriptionRefused(f"Add-on {addon.package_id!r} is subscribed to again from {until} on")
    raise SubscriptionRefused(f"Add-on {addon.package_id!r} ends with its base package at {until}; resume that one")


def _found(account: Account, subscription_id: int) -> Subscription:
    found = next((each for each in account.subscriptions if each.id == subscription_id), None)
    if found is None:
        raise SubscriptionNotFound(f"User {account.user.id!r} has no subscription {subscription_id}")
    return found


def cancel(
    account: Account, catalog: Catalog, subscription_id: int, *, at_period_end: bool, now: datetime
) -> list[Subscription]:
    """Return the subscription, cancelled, and all that cannot continue without it; nothing if it has ended.

    With ``at_period_end`` it lasts until its package's longest reset period is over. Cancelling it
    again ends it now; an add-on never outlives its base package. A base package that was scheduled to follow
    it does not start.

    Raises:
        SubscriptionNotFound: no subscription of this account has the id.
        Conflict: there is no period end, because nothing in the package resets.
    """
    state = account.state(now)
    subscription = _found(account, subscription_id)
    if subscription not in state:
        return []
    package = catalog.package(subscription.package_id)
    ends_at = _period_end(subscription, package, now=now) if at_period_end else now
    changed = _cancelled(subscription, ends_at=ends_at, now=now)
    if package.is_addon:
        return changed
    changed += _withdrawn(subscription, state, catalog, now=now)
    return [*changed, *adjusted(state, changed, catalog, now=now)]


def end_all(account: Account, *, now: datetime) -> list[Subscription]:
    """Return every subscription that has not ended, ended now."""
    return [ended(subscription, ends_at=now, now=now) for subscription in account.state(now)]


def _cancelled(subscription: Subscription, *, ends_at: datetime, now: datetime) -> list[Subscription]:
    """Return it with this end, unless it ends before; for an add-on that does so with its base, this is noted."""
    if subscription.ends_at is None or ends_at < subscription.ends_at:
        return [ended(subscription, ends_at=ends_at, now=now)]
    own_end = subscription.own_ends_at
    if subscription.ends_with_base and (own_end is None or ends_at < own_end):
        return [replace(subscription, own_ends_at=ends_at)]
    return []


def _withdrawn(
    subscription: Subscription, state: Sequence[Subscription], catalog: Catalog, *, now: datetime
) -> list[Subscription]:
    """Return the base package that was scheduled to follow as this one ends, if there is one: it does not start."""
    following = [each for each in state if each.scheduled and each.start == subscription.ends_at]
    return [ended(each, ends_at=now, now=now) for each in bases_of(following, catalog)]


def _with(account: Account, changed: Sequence[Subscription]) -> Account:
    newest = {each.id: each for each in (*account.subscriptions, *changed)}
    return replace(account, subscriptions=tuple(newest.values()))


def _period_end(subscription: Subscription, package: Package, *, now: datetime) -> datetime:
    resets = [reset for feature in package.features if (reset := feature.allowance.reset_period) is not None]
    end = subscription.period_at(max(resets, key=longest, default=None), max(subscription.start, now)).end
    if end is None:
        raise Conflict(f"Package {package.id!r} has no reset period, so there is no period end: cancel it immediately")
    return end


def _subscribable(catalog: Catalog, package_id: str) -> Package:
    package = catalog.packages.get(package_id)
    if package is None or package.status is not PackageStatus.PUBLISHED:
        raise SubscriptionRefused("Package Id not found for app")
    return package


def _check_one_base(account: Account, catalog: Catalog, new: Sequence[Subscription], *, now: datetime) -> None:
    if len(new) > 1:
        raise SubscriptionRefused("Cannot subscribe to multiple tiers")
    for wanted in new:
        others = [each for each in account.subscriptions if each.overlaps(wanted.start, wanted.ends_at)]
        for other in bases_of(others, catalog):
            raise SubscriptionRefused(f"Cannot subscribe to multiple tiers{_when(other, wanted, now=now)}")


def _when(other: Subscription, wanted: Subscription, *, now: datetime) -> str:
    """Return when another base package holds, where that is not plain: it is not the one that holds now."""
    if other.start <= now and other.stands(now):
        return ""
    until = "" if other.ends_at is None else f" until {other.ends_at.isoformat()}"
    begins = f"{wanted.package_id!r} would start at {wanted.start.isoformat()}"
    return f": {other.package_id!r} holds from {other.start.isoformat()}{until}, and {begins}"


def _check_addon(
    account: Account,
    catalog: Catalog,
    wanted: Subscription,
    *,
    alongside: Sequence[Subscription],
    before: Sequence[Package],
    now: datetime,
) -> None:
    addon = catalog.package(wanted.package_id)
    start = wanted.start
    held = bases_of([each for each in account.subscriptions if each.overlaps(start, start + _MOMENT)], catalog)
    bases = {each.package_id for each in (*held, *bases_of(alongside, catalog))}
    if not bases:
        raise SubscriptionRefused("Cannot subscribe to addon. Missing live tier subscription.")
    if addon.base_package_ids and not bases & set(addon.base_package_ids):
        raise SubscriptionRefused(
            f"Cannot subscribe to addon {addon.id!r}: it goes with {', '.join(map(repr, addon.base_package_ids))} only"
        )
    if start < now and held:
        raise SubscriptionRefused(
            f"Cannot subscribe to addon {addon.id!r} from {start.isoformat()}: only together with its base package"
            " can it start in the past"
        )
    earlier = [each for each in account.subscriptions if each.overlaps(start, wanted.ends_at)]
    if addon.id in {each.id for each in before} | {each.package_id for each in earlier}:
        raise SubscriptionRefused(f"Cannot subscribe to addon {addon.id!r} a second time before it has ended")
