"""An account: a user with their subscriptions, and the rules for changing them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from kana.errors import Conflict, SubscriptionNotFound, SubscriptionRefused
from kana.model.catalog import Catalog
from kana.model.given import Given
from kana.model.package import Package, PackageStatus
from kana.model.period import longest, period_at
from kana.model.subscription import ENDED, Subscription, SubscriptionStatus
from kana.model.user import UserRef
from kana.model.value import value_object


@value_object()
class Account:
    """A user and their subscriptions, the oldest first: those that have not ended, or all of them if requested.

    ``given`` are top-ups and overrides, the oldest first, ended ones included.

    A store locks an account while a change of it is decided.
    """

    user: UserRef
    subscriptions: tuple[Subscription, ...]
    given: tuple[Given, ...] = ()

    def state(self, now: datetime) -> list[Subscription]:
        """Return the subscriptions that have not ended by now."""
        return [subscription for subscription in self.subscriptions if subscription.stands(now)]

    @property
    def subscribed_since(self) -> datetime | None:
        """When the first subscription that ever gave access began; None if there is none."""
        return min((each.start for each in self.subscriptions if each.ever_gave_access), default=None)

    def time(self, clock: datetime) -> datetime:
        """Return the time for a change of this account: that of the clock, but never before an earlier change.

        Clocks of machines differ and can be set back; even so, no subscription may end before it starts.
        The account must include ended subscriptions.
        """
        starts = [each.start for each in self.subscriptions]
        ends = [each.ends_at for each in self.subscriptions if each.status in ENDED and each.ends_at is not None]
        return max((clock, *starts, *ends))


def subscribe(
    account: Account,
    catalog: Catalog,
    package_ids: Sequence[str],
    *,
    now: datetime,
    next_id: Callable[[], int],
) -> list[Subscription]:
    """Return the new subscriptions, one for each package id, in the same order: all of them or none.

    If the base package is going to end, an add-on to it ends at the same time.

    Raises:
        SubscriptionRefused: a package is unknown or not published, a second base package,
            an add-on without its base package, or one already subscribed to.

    Source: docs.usekana.com/reference, mutations "subscribe"; order of checks settled by us.
    """
    packages = [_subscribable(catalog, package_id) for package_id in package_ids]
    if not packages:
        raise SubscriptionRefused("packageIds must name at least one package")
    state = account.state(now)
    held = [catalog.package(subscription.package_id) for subscription in state]
    ends_at = next((s.ends_at for s, package in zip(state, held, strict=True) if not package.is_addon), None)
    _check_one_base([*held, *packages])
    for number, package in enumerate(packages):
        if package.is_addon:
            _check_addon(package, held=[*held, *packages[:number]], alongside=packages)
    return [
        Subscription(
            id=next_id(),
            bucket=account.user.bucket,
            user_key=account.user.key,
            package_id=package.id,
            status=SubscriptionStatus.ACTIVE,
            start=now,
            ends_at=ends_at,
        )
        for package in packages
    ]


def change_base(
    account: Account, catalog: Catalog, package_id: str, *, now: datetime, next_id: Callable[[], int]
) -> list[Subscription]:
    """Return the old base subscription, cancelled, and the new one, active from the same moment.

    Raises:
        SubscriptionRefused: the package is unknown, not published, an add-on or already subscribed to;
            the user has no base package; or one of their add-ons does not go with the new one.
    """
    package = _subscribable(catalog, package_id)
    if package.is_addon:
        raise SubscriptionRefused(f"Package {package_id!r} is an add-on; changeSubscription takes a base package")
    state = account.state(now)
    old = next((s for s in state if not catalog.package(s.package_id).is_addon), None)
    if old is None:
        raise SubscriptionRefused(f"User {account.user.id!r} has no base package to change; use subscribe")
    if old.package_id == package_id:
        raise SubscriptionRefused(f"User {account.user.id!r} is already subscribed to {package_id!r}")
    for subscription in state:
        addon = catalog.package(subscription.package_id)
        if addon.base_package_ids and package_id not in addon.base_package_ids:
            raise SubscriptionRefused(
                f"Add-on {addon.id!r} of user {account.user.id!r} does not go with {package_id!r}; cancel it first"
            )
    ended = replace(old, status=SubscriptionStatus.CANCELLED, ends_at=now)
    new = replace(old, id=next_id(), package_id=package_id, status=SubscriptionStatus.ACTIVE, start=now, ends_at=None)
    return [ended, new]


def cancel(
    account: Account, catalog: Catalog, subscription_id: int, *, at_period_end: bool, now: datetime
) -> list[Subscription]:
    """Return the subscription, cancelled, followed by the add-ons that cannot continue without it.

    With ``at_period_end`` it lasts until its package's longest reset period is over. Cancelling it
    again ends it now; an add-on never outlives its base package.

    Raises:
        SubscriptionNotFound: no subscription of this account that has not ended has the id.
        Conflict: there is no period end, because nothing in the package resets.
    """
    state = account.state(now)
    subscription = next((s for s in state if s.id == subscription_id), None)
    if subscription is None:
        raise SubscriptionNotFound(f"Subscription {subscription_id} of user {account.user.id!r} has already ended")
    package = catalog.package(subscription.package_id)
    ends_at = _period_end(subscription, package, now=now) if at_period_end else now
    ending = [subscription]
    if not package.is_addon:
        ending += [s for s in state if catalog.package(s.package_id).is_addon]
    return [_ended(s, ends_at=ends_at, now=now) for s in ending if s.ends_at is None or s.ends_at > ends_at]


def end_all(account: Account, *, now: datetime) -> list[Subscription]:
    """Return every subscription that has not ended, ended now."""
    return [_ended(subscription, ends_at=now, now=now) for subscription in account.state(now)]


def _ended(subscription: Subscription, *, ends_at: datetime, now: datetime) -> Subscription:
    return replace(subscription, ends_at=ends_at).at(now)


def _period_end(subscription: Subscription, package: Package, *, now: datetime) -> datetime:
    resets = [reset for feature in package.features if (reset := feature.allowance.reset_period) is not None]
    reset = max(resets, key=longest, default=None)
    end = period_at(subscription.start, reset, max(subscription.start, now)).end
    if end is None:
        raise Conflict(f"Package {package.id!r} has no reset period, so there is no period end: cancel it immediately")
    return end


def _subscribable(catalog: Catalog, package_id: str) -> Package:
    package = catalog.packages.get(package_id)
    if package is None or package.status is not PackageStatus.PUBLISHED:
        raise SubscriptionRefused("Package Id not found for app")
    return package


def _check_one_base(packages: Sequence[Package]) -> None:
    if sum(not package.is_addon for package in packages) > 1:
        raise SubscriptionRefused("Cannot subscribe to multiple tiers")


def _check_addon(addon: Package, *, held: Sequence[Package], alongside: Sequence[Package]) -> None:
    bases = {package.id for package in (*held, *alongside) if not package.is_addon}
    if not bases:
        raise SubscriptionRefused("Cannot subscribe to addon. Missing live tier subscription.")
    if addon.base_package_ids and not bases & set(addon.base_package_ids):
        raise SubscriptionRefused(
            f"Cannot subscribe to addon {addon.id!r}: it goes with {', '.join(map(repr, addon.base_package_ids))} only"
        )
    if any(package.id == addon.id for package in held):
        raise SubscriptionRefused(f"Cannot subscribe to addon {addon.id!r} a second time before it has ended")
