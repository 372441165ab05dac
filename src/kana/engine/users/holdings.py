"""What a user has: the packages they are subscribed to, and what they may do with each feature now."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from kana.engine.ports.clock import Clock
from kana.engine.ports.usage import Ledger, Snapshot, Wanted
from kana.engine.ports.users import AccountStore
from kana.engine.usage.counted import CountedFeatures, counted_features
from kana.errors import Unavailable, UserNotFound
from kana.model.account import Account
from kana.model.catalog import Catalog
from kana.model.entitlement import Decision, Place
from kana.model.environment import Environment
from kana.model.feature import Feature
from kana.model.grant import CounterKey
from kana.model.package import Package, PackageFeature
from kana.model.text import shown, units
from kana.model.user import User
from kana.model.value import value_object

_TRIES = 5
_Found = TypeVar("_Found", bound=Wanted)
_Want = Callable[[Account, Catalog, datetime], _Found]
"""Says what is wanted of an account at a moment."""


@value_object()
class SubscribedFeature:
    """A feature in one of the user's packages, and the decision, which is the same in each of their packages."""

    feature: Feature
    held: PackageFeature
    decision: Decision

    @property
    def name(self) -> str:
        """The feature's name in this package."""
        return self.held.name or self.feature.name


@value_object()
class SubscribedPackage:
    """A package that the user is subscribed to now, and its features in order."""

    package: Package
    features: list[SubscribedFeature]


@value_object()
class Entitled:
    """What a user may do with one feature now. ``resets_at=None``: it is not counted, or never reset."""

    feature: Feature
    decision: Decision
    resets_at: datetime | None


class HoldingEngine:
    """Reads what users have, all at the same moment."""

    def __init__(self, accounts: AccountStore, ledger: Ledger, *, clock: Clock) -> None:
        self._accounts = accounts
        self._ledger = ledger
        self._clock = clock

    async def user(self, environment: Environment, bucket: int, key: int) -> User | None:
        """Return the user whose data is stored there, whatever their id is now; None if there is none."""
        return await self._accounts.user_by_key(environment, bucket, key)

    async def of(self, environment: Environment, user_id: str, *, owner: User | None = None) -> list[SubscribedPackage]:
        """Return the packages that give the user access now, the oldest subscription first.

        A user who does not exist has nothing, so that the Client API does not reveal who exists. With an ``owner``
        the result is about them, even if they get another id meanwhile and somebody else gets theirs.

        Raises:
            Unavailable: the owner is being renamed again and again.
        """
        found = await self._read(environment, user_id, owner, _held)
        if found is None:
            return []
        held, snapshot = found
        decisions = {feature_id: place.decide(1, snapshot.used) for feature_id, place in held.features.items()}
        return [_holding(package, snapshot.catalog, decisions) for package in held.packages]

    async def entitlements(
        self,
        environment: Environment,
        user_id: str,
        *,
        feature_id: str | None = None,
        delta: int = 1,
        owner: User | None = None,
    ) -> list[Entitled]:
        """Return all that a user may do now: each feature that anything gives them, in the order of the catalogue.

        Each is decided for ``delta`` units, 1 or more. With a ``feature_id`` it is this one alone. An ``owner`` is as
        in ``of``.

        Raises:
            UserNotFound: no user has this id.
            FeatureNotFound: no feature has the id that is given.
            InvalidValue: ``delta`` is not 1 to 2^53-1.
            Unavailable: the owner is being renamed again and again.
        """
        units(delta, field="delta", least=1)

        def want(account: Account, catalog: Catalog, now: datetime) -> CountedFeatures:
            features = catalog.features.values() if feature_id is None else (catalog.feature(feature_id),)
            return counted_features(account, catalog, features, now=now)

        found = await self._read(environment, user_id, owner, want)
        if found is None:
            raise UserNotFound(f"User not found: {shown(user_id)}")
        places, snapshot = found
        return [_entitled(place, snapshot.used, delta) for place in places.values()]

    async def _read(
        self, environment: Environment, user_id: str, owner: User | None, want: _Want[_Found]
    ) -> tuple[_Found, Snapshot[_Found]] | None:
        """Return what is wanted of a user, with the snapshot that it is in; None if there is no such user."""
        for _ in range(_TRIES):
            now = self._clock()

            def want_now(account: Account, catalog: Catalog, now: datetime = now) -> _Found:
                return want(account, catalog, now)

            snapshot = await self._ledger.snapshot(environment, [user_id], want_now, now=now)
            account = snapshot.accounts.get(user_id)
            whose = None if account is None else (account.user.bucket, account.user.key)
            if owner is None or whose == (owner.bucket, owner.key):
                return None if account is None else (snapshot.wanted[user_id], snapshot)
            found = await self.user(environment, owner.bucket, owner.key)
            if found is None:
                return None
            user_id = found.id
        raise Unavailable("the user is being renamed by others; ask again", retry_after_s=1)


@value_object()
class _Held:
    """The packages that give a user access now, and the entitlement that answers for each feature in them."""

    packages: Sequence[Package]
    features: CountedFeatures

    def counters(self) -> list[CounterKey]:
        return self.features.counters()


def _held(account: Account, catalog: Catalog, now: datetime) -> _Held:
    packages = [catalog.package(each.package_id) for each in account.subscriptions if each.gives_access(now)]
    ids = {held.feature_id for package in packages for held in package.features}
    return _Held(packages, counted_features(account, catalog, map(catalog.feature, ids), now=now))


def _entitled(place: Place, used: Mapping[CounterKey, int], delta: int) -> Entitled:
    entitlement = place.entitlement
    resets_at = entitlement.period_at(place.moment).end if entitlement.feature.is_counted else None
    return Entitled(entitlement.feature, place.decide(delta, used), resets_at)


def _holding(package: Package, catalog: Catalog, decisions: dict[str, Decision]) -> SubscribedPackage:
    features = [
        SubscribedFeature(catalog.feature(held.feature_id), held, decisions[held.feature_id])
        for held in package.features
    ]
    return SubscribedPackage(package, features)
