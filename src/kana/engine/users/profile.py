"""Everything about one user at one moment: what they have, and what they may use of each feature."""

from __future__ import annotations

from collections.abc import Sequence

from kana.engine.ports.clock import Clock
from kana.engine.ports.usage import Ledger, Snapshot
from kana.engine.ports.users import AccountStore
from kana.engine.usage.counted import CountedFeatures, counted_features
from kana.errors import UserNotFound
from kana.model.account import Account
from kana.model.catalog import Catalog
from kana.model.entitlement import Decision, Entitlement, Place
from kana.model.environment import Environment
from kana.model.feature import Feature
from kana.model.grant import Grant
from kana.model.package import Package
from kana.model.period import Period
from kana.model.subscription import Subscription
from kana.model.text import shown
from kana.model.user import User
from kana.model.value import value_object


@value_object()
class ProfileSubscription:
    """One of the user's subscriptions with its status now, ended or not, and its package."""

    subscription: Subscription
    package: Package
    stands: bool


@value_object()
class FeatureState:
    """One feature: what the user may do with it now, in which period, and what answers.

    ``grants`` are in the order in which they are used up. ``package=None``: it was given to this user alone.
    """

    feature: Feature
    entitlement: Entitlement
    package: Package | None
    period: Period
    decision: Decision
    grants: Sequence[Grant]


@value_object()
class Profile:
    """A user, all their subscriptions with the newest first, and each feature that they may use."""

    user: User
    catalog: Catalog
    subscriptions: Sequence[ProfileSubscription]
    features: Sequence[FeatureState]


class ProfileEngine:
    """Reads the profile of one user."""

    def __init__(self, accounts: AccountStore, ledger: Ledger, *, clock: Clock) -> None:
        self._accounts = accounts
        self._ledger = ledger
        self._clock = clock

    async def of(self, environment: Environment, user_id: str) -> Profile:
        """Return a user's profile, with the features that a subscription gives them, in the order of the catalogue.

        Raises:
            UserNotFound: no user has this id.
        """
        now = self._clock()
        user = await self._accounts.user(environment, user_id)

        def want(account: Account, catalog: Catalog) -> CountedFeatures:
            return counted_features(account, catalog, catalog.features.values(), now=now)

        snapshot = await self._ledger.snapshot(environment, [user_id], want, now=now, history=True)
        if user_id not in snapshot.accounts:
            raise UserNotFound(f"User not found: {shown(user_id)}")
        catalog = snapshot.catalog
        return Profile(
            user,
            catalog,
            [
                ProfileSubscription(held.at(now), catalog.package(held.package_id), held.stands(now))
                for held in reversed(snapshot.accounts[user_id].subscriptions)
            ],
            [_feature_state(place, snapshot) for place in snapshot.wanted[user_id].values()],
        )


def _feature_state(place: Place, snapshot: Snapshot[CountedFeatures]) -> FeatureState:
    standing = place.standing(snapshot.used)
    entitlement = standing.entitlement
    return FeatureState(
        entitlement.feature,
        entitlement,
        snapshot.catalog.packages.get(entitlement.holder.package_id),
        entitlement.period_at(place.moment),
        place.decide(1, snapshot.used),
        place.entitlement.pool_at(place.moment, snapshot.used).grants,
    )
