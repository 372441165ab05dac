"""How long add-ons last: no longer than the base packages that they go with, and one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from kana.model.catalog import Catalog
from kana.model.package import Package
from kana.model.subscription import Subscription, SubscriptionStatus

_MOMENT = timedelta(milliseconds=1)


def bases_of(subscriptions: Sequence[Subscription], catalog: Catalog) -> list[Subscription]:
    """Return those of the subscriptions that are to base packages."""
    return [each for each in subscriptions if not catalog.package(each.package_id).is_addon]


def ended(
    subscription: Subscription,
    *,
    ends_at: datetime,
    now: datetime,
    ends_with_base: bool = False,
    own_ends_at: datetime | None = None,
) -> Subscription:
    """Return a subscription with its end, which may be still to come."""
    status = SubscriptionStatus.CANCELLED if ends_at <= now else subscription.status
    return replace(subscription, status=status, ends_at=ends_at, ends_with_base=ends_with_base, own_ends_at=own_ends_at)


def adjusted(
    state: Sequence[Subscription], changed: Sequence[Subscription], catalog: Catalog, *, now: datetime
) -> Iterator[Subscription]:
    """Yield the add-ons that end at another time, now that base packages have changed."""
    newest = {each.id: each for each in (*state, *changed)}
    for each in state:
        if catalog.package(each.package_id).is_addon:
            addon = lasting(each, list(newest.values()), catalog, now=now)
            if addon is not each:
                yield addon


def lasting(
    addon: Subscription, subscriptions: Sequence[Subscription], catalog: Catalog, *, now: datetime
) -> Subscription:
    """Return an add-on that ends as its base packages do, or as the next subscription to it starts, if not before.

    One that could never start is cancelled. ``subscriptions`` are all others that the account has, or will have.
    """
    own_end = addon.own_ends_at if addon.ends_with_base else addon.ends_at
    start = max(addon.start, now) if addon.stands(now) else addon.start
    bases, has_begun = bases_of(subscriptions, catalog), addon.start <= now
    until = _carried_until(catalog.package(addon.package_id), bases, start=start, has_begun=has_begun)
    following = [
        each.start
        for each in subscriptions
        if each.package_id == addon.package_id and each.id != addon.id and each.stands(now) and start <= each.start
    ]
    until = min([*following, *([] if until is None else [until])], default=None)
    if until is None or (own_end is not None and own_end <= until):
        if addon.ends_at == own_end:
            return addon
        return replace(addon, ends_at=own_end, ends_with_base=False, own_ends_at=None)
    if addon.ends_at == until:
        return addon
    ends_at = now if until <= addon.start else until
    return ended(addon, ends_at=ends_at, now=now, ends_with_base=True, own_ends_at=own_end)


def _carried_until(
    addon: Package, bases: Sequence[Subscription], *, start: datetime, has_begun: bool
) -> datetime | None:
    """Return until when base packages without a gap carry an add-on from a moment on; None is forever.

    They must be packages that it goes with. Once it has begun, this is not asked of the one that holds now again.
    """
    until = start
    for base in sorted(bases, key=lambda each: each.start):
        goes = (has_begun and until == start) or not addon.base_package_ids or base.package_id in addon.base_package_ids
        if goes and base.overlaps(until, until + _MOMENT):
            if base.ends_at is None:
                return None
            until = base.ends_at
    return until
