"""What a user holds: the packages they are subscribed to, and what each feature in them lets them do now."""

from __future__ import annotations

from collections.abc import Iterator

from kana.engine.ports.clock import Clock
from kana.engine.ports.usage import Ledger
from kana.engine.ports.users import AccountStore
from kana.errors import Unavailable
from kana.model.account import Account
from kana.model.catalog import Catalog
from kana.model.entitlement import CounterKey, Decision, Entitlement, effective
from kana.model.environment import Environment
from kana.model.feature import Feature
from kana.model.package import Package, PackageFeature
from kana.model.user import User, UserRef
from kana.model.value import value_object

_TRIES = 5


@value_object()
class SubscribedFeature:
    """A feature as it sits in a package of the user's, and the decision that holds in whichever package."""

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
    """Reads what users hold, all of one moment."""

    def __init__(self, accounts: AccountStore, ledger: Ledger, *, clock: Clock) -> None:
        self._accounts = accounts
        self._ledger = ledger
        self._clock = clock

    async def user(self, environment: Environment, bucket: int, key: int) -> User | None:
        """Return the user whose data is kept there, whatever their id is now; None where there is none."""
        return await self._accounts.user_by_key(environment, bucket, key)

    async def of(self, environment: Environment, user_id: str, *, owner: User | None = None) -> list[SubscribedPackage]:
        """Return the packages that give the user access now, the oldest subscription first.

        A user who does not exist holds nothing: the Client API may not tell the two apart. With an ``owner``
        it is they who are asked about, though they are given another id meanwhile, and somebody else theirs.

        Raises:
            Unavailable: the owner is given one id after the other.
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
        """Return whose data is kept under an id now, and what they hold."""
        now = self._clock()
        entitled: dict[str, tuple[Entitlement, CounterKey]] = {}
        packages: list[Package] = []

        def want(account: Account, catalog: Catalog) -> Iterator[CounterKey]:
            entitled.clear()
            packages[:] = [catalog.package(s.package_id) for s in account.subscriptions if s.gives_access(now)]
            for feature_id in {held.feature_id for package in packages for held in package.features}:
                answering = effective(account, catalog, catalog.feature(feature_id), now=now)
                assert answering is not None, "a subscription that gives access holds the feature"
                entitled[feature_id] = (answering, answering.counter_at(now))
                yield entitled[feature_id][1]

        snapshot = await self._ledger.snapshot(environment, [user_id], want)
        decisions = {
            feature_id: answering.decide(1, used=snapshot.used.get(counter, 0))
            for feature_id, (answering, counter) in entitled.items()
        }
        account = snapshot.accounts.get(user_id)
        holdings = [_holding(package, snapshot.catalog, decisions) for package in packages]
        return None if account is None else account.user, holdings


def _holding(package: Package, catalog: Catalog, decisions: dict[str, Decision]) -> SubscribedPackage:
    features = [
        SubscribedFeature(catalog.feature(held.feature_id), held, decisions[held.feature_id])
        for held in package.features
    ]
    return SubscribedPackage(package, features)
