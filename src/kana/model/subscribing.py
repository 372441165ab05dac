"""The rules for changing what a user is subscribed to: pure functions of an account, the catalogue and the time.

Each returns the subscriptions that are new or changed. A user has one base package at a time; an add-on lasts no
longer than the base packages that it goes with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from kana.errors import Conflict, SubscriptionNotFound, SubscriptionRefused
from kana.model.account import Account
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
    bases += _bases(account.subscriptions, catalog)
    return [
        _with_bases(each, package, bases, now=now) if package.is_addon else each
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
    changed = [_ended(old, ends_at=start, now=now), *_withdrawn(old, state, catalog, now=now)]
    _check_one_base(_with(account, changed), catalog, [new], now=now)
    return [*changed, *_addons_adjusted(state, [*changed, new], catalog, now=now), new]


def standing_base(account: Account, catalog: Catalog, *, now: datetime) -> Subscription | None:
    """Return the subscription to a base package that has begun and not ended; None if there is none."""
    return next((each for each in _bases(account.state(now), catalog) if each.has_begun(now)), None)


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
        SubscriptionNotFound: no subscription of this account that has not ended has the id.
        SubscriptionRefused: it is an add-on whose base package ends then, or another base package starts later.
    """
    state = account.state(now)
    subscription = _standing(account, state, subscription_id)
    if subscription.ends_at is None:
        return []
    resumed = replace(subscription, ends_at=None, ends_with_base=False)
    package = catalog.package(subscription.package_id)
    if package.is_addon:
        return [_resumed_addon(resumed, package, subscription.ends_at, _bases(state, catalog), now=now)]
    changed = [resumed, *_withdrawn(subscription, state, catalog, now=now)]
    others = [each for each in _with(account, changed).subscriptions if each.id != resumed.id]
    _check_one_base(replace(account, subscriptions=tuple(others)), catalog, [resumed], now=now)
    return [*changed, *_addons_adjusted(state, changed, catalog, now=now)]


def _resumed_addon(
    addon: Subscription, package: Package, ended_at: datetime, bases: Sequence[Subscription], *, now: datetime
) -> Subscription:
    lasting = _with_bases(addon, package, bases, now=now)
    if lasting.ends_at is not None and lasting.ends_at <= ended_at:
        raise SubscriptionRefused(
            f"Add-on {package.id!r} ends with its base package at {lasting.ends_at.isoformat()}; resume that one"
        )
    return lasting


def _standing(account: Account, state: Sequence[Subscription], subscription_id: int) -> Subscription:
    found = next((each for each in state if each.id == subscription_id), None)
    if found is None:
        raise SubscriptionNotFound(f"Subscription {subscription_id} of user {account.user.id!r} has already ended")
    return found


def cancel(
    account: Account, catalog: Catalog, subscription_id: int, *, at_period_end: bool, now: datetime
) -> list[Subscription]:
    """Return the subscription, cancelled, and all that cannot continue without it.

    With ``at_period_end`` it lasts until its package's longest reset period is over. Cancelling it
    again ends it now; an add-on never outlives its base package. A base package that was scheduled to follow
    it does not start.

    Raises:
        SubscriptionNotFound: no subscription of this account that has not ended has the id.
        Conflict: there is no period end, because nothing in the package resets.
    """
    state = account.state(now)
    subscription = _standing(account, state, subscription_id)
    package = catalog.package(subscription.package_id)
    ends_at = _period_end(subscription, package, now=now) if at_period_end else now
    changed = [_ended(subscription, ends_at=ends_at, now=now)] if _lasts_beyond(subscription, ends_at) else []
    if package.is_addon:
        return changed
    changed += _withdrawn(subscription, state, catalog, now=now)
    return [*changed, *_addons_adjusted(state, changed, catalog, now=now)]


def end_all(account: Account, *, now: datetime) -> list[Subscription]:
    """Return every subscription that has not ended, ended now."""
    return [_ended(subscription, ends_at=now, now=now) for subscription in account.state(now)]


def _lasts_beyond(subscription: Subscription, moment: datetime) -> bool:
    return subscription.ends_at is None or moment < subscription.ends_at


def _ended(
    subscription: Subscription, *, ends_at: datetime, now: datetime, ends_with_base: bool = False
) -> Subscription:
    status = SubscriptionStatus.CANCELLED if ends_at <= now else subscription.status
    return replace(subscription, status=status, ends_at=ends_at, ends_with_base=ends_with_base)


def _bases(subscriptions: Sequence[Subscription], catalog: Catalog) -> list[Subscription]:
    return [each for each in subscriptions if not catalog.package(each.package_id).is_addon]


def _withdrawn(
    subscription: Subscription, state: Sequence[Subscription], catalog: Catalog, *, now: datetime
) -> list[Subscription]:
    """Return the base package that was scheduled to follow as this one ends, if there is one: it does not start."""
    following = [each for each in state if each.scheduled and each.start == subscription.ends_at]
    return [_ended(each, ends_at=now, now=now) for each in _bases(following, catalog)]


def _with(account: Account, changed: Sequence[Subscription]) -> Account:
    newest = {each.id: each for each in (*account.subscriptions, *changed)}
    return replace(account, subscriptions=tuple(newest.values()))


def _addons_adjusted(
    state: Sequence[Subscription], changed: Sequence[Subscription], catalog: Catalog, *, now: datetime
) -> Iterator[Subscription]:
    """Yield the add-ons that end at another time, now that base packages have changed."""
    newest = {each.id: each for each in (*state, *changed)}
    bases = _bases(list(newest.values()), catalog)
    for each in state:
        package = catalog.package(each.package_id)
        if package.is_addon:
            adjusted = _with_bases(each, package, bases, now=now)
            if adjusted is not each:
                yield adjusted


def _with_bases(addon: Subscription, package: Package, bases: Sequence[Subscription], *, now: datetime) -> Subscription:
    """Return an add-on that ends as its base packages do, if it does not end before.

    One that could never start is cancelled.
    """
    own_end = None if addon.ends_with_base else addon.ends_at
    until = _lasting(package, bases, start=max(addon.start, now) if addon.stands(now) else addon.start)
    if until is None or (own_end is not None and own_end <= until):
        return addon if addon.ends_at == own_end else replace(addon, ends_at=own_end, ends_with_base=False)
    if addon.ends_at == until:
        return addon
    return _ended(addon, ends_at=now if until <= addon.start else until, now=now, ends_with_base=True)


def _lasting(addon: Package, bases: Sequence[Subscription], *, start: datetime) -> datetime | None:
    """Return until when base packages without a gap carry an add-on from a moment on; None is forever.

    Those that follow must be packages that it goes with. The first was asked when the add-on was subscribed to.
    """
    until = start
    for base in sorted(bases, key=lambda each: each.start):
        goes = until == start or not addon.base_package_ids or base.package_id in addon.base_package_ids
        if goes and base.overlaps(until, until + _MOMENT):
            if base.ends_at is None:
                return None
            until = base.ends_at
    return until


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
        for other in _bases(others, catalog):
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
    held = _bases([each for each in account.subscriptions if each.overlaps(start, start + _MOMENT)], catalog)
    bases = {each.package_id for each in (*held, *_bases(alongside, catalog))}
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
