"""What a user has: the packages they are subscribed to, and what they may do with each feature now."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from kana.engine.ports.clock import Clock
from kana.engine.ports.usage import Ledger
from kana.engine.ports.users import AccountStore
from kana.engine.usage.counted import CountedFeatures, counted_features
from kana.errors import Unavailable
from kana.model.account import Account
from kana.model.catalog import Catalog
from kana.model.entitlement import Decision
from kana.model.environment import Environment
from kana.model.feature import Feature
from kana.model.grant import CounterKey
from kana.model.package import Package, PackageFeature
from kana.model.user import User, UserRef
from kana.model.value import value_object

_TRIES = 5


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
        for _ in range(_TRIES):
            whose, holdings = await self._of(environment, user_id)
            if owner is None or (whose is not None and (whose.bucket, whose.key) == (owner.bucket, owner.key)):
                return holdings
            found = await self.user(environment, owner.bucket, owner.key)
            if found is None:
                return []
            user_id = found.id
        raise Unavailable("the user is being renamed by others; ask again", retry_after_s=1)

    async def _of(self, environment: Environment, user_id: str) -> tuple[UserRef | None, list[SubscribedPackage]]:
        """Return who has an id now, and what they have."""
        now = self._clock()

        def want(account: Account, catalog: Catalog) -> _Held:
            return _held(account, catalog, now=now)

        snapshot = await self._ledger.snapshot(environment, [user_id], want, now=now)
        if user_id not in snapshot.accounts:
            return None, []
        held = snapshot.wanted[user_id]
        decisions = {feature_id: place.decide(1, snapshot.used) for feature_id, place in held.features.items()}
        holdings = [_holding(package, snapshot.catalog, decisions) for package in held.packages]
        return snapshot.accounts[user_id].user, holdings


@value_object()
class _Held:
    """The packages that give a user access now, and the entitlement that answers for each feature in them."""

    packages: Sequence[Package]
    features: CountedFeatures

    def counters(self) -> list[CounterKey]:
        return self.features.counters()


def _held(account: Account, catalog: Catalog, *, now: datetime) -> _Held:
    packages = [catalog.package(each.package_id) for each in account.subscriptions if each.gives_access(now)]
    ids = {held.feature_id for package in packages for held in package.features}
    return _Held(packages, counted_features(account, catalog, map(catalog.feature, ids), now=now))


def _holding(package: Package, catalog: Catalog, decisions: dict[str, Decision]) -> SubscribedPackage:
    features = [
        SubscribedFeature(catalog.feature(held.feature_id), held, decisions[held.feature_id])
        for held in package.features
    ]
    return SubscribedPackage(package, features)
