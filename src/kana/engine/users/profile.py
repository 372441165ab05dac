"""Everything about one user at one moment: what they have, which subscription answers, and why."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from kana.engine.ports.clock import Clock
from kana.engine.ports.usage import Ledger, Snapshot
from kana.engine.ports.users import AccountStore
from kana.engine.usage.counted import Counted, counted_features
from kana.errors import UserNotFound
from kana.model.account import Account
from kana.model.allowance import Allowance
from kana.model.catalog import Catalog
from kana.model.entitlement import Candidate, CounterKey, Decision, Entitlement, candidates
from kana.model.environment import Environment
from kana.model.explanation import RankedSubscription, explain
from kana.model.feature import Feature
from kana.model.grant import Grant, grants_at
from kana.model.package import Package
from kana.model.period import Period
from kana.model.subscription import Subscription
from kana.model.text import shown
from kana.model.usage import Entry
from kana.model.user import User
from kana.model.value import value_object


@value_object()
class ProfileSubscription:
    """One of the user's subscriptions with its status now, ended or not, and its package."""

    subscription: Subscription
    package: Package
    stands: bool


@value_object()
class GrantState:
    """A grant that holds: which package it is of, how much of it is used since when, and when the rest is lost."""

    package: Package
    allowance: Allowance
    used: int
    since: datetime
    ends_at: datetime | None


@value_object()
class FeatureState:
    """One feature: what the user may do with it now, in which period, and which subscription answers.

    ``grants`` are in the order in which they are used up.
    """

    feature: Feature
    entitlement: Entitlement
    package: Package
    period: Period
    decision: Decision
    grants: Sequence[GrantState]
    ranked: Sequence[RankedSubscription]


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

        def want(account: Account, catalog: Catalog) -> _Usable:
            return _usable(account, catalog, now=now)

        snapshot = await self._ledger.snapshot(environment, [user_id], want, history=True)
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
            [_feature_state(*usable, snapshot, now=now) for usable in snapshot.wanted[user_id].features],
        )

    async def entries(
        self, environment: Environment, user_id: str, *, before: int | None = None, first: int = 50
    ) -> list[Entry]:
        """Return lines of the user's ledger before an entry's id, refusals included, the newest first.

        Raises:
            UserNotFound: no user has this id.
        """
        return await self._ledger.entries(environment, user_id, limit=first, before=before)


@value_object()
class _Usable:
    """Each feature that a user may use: the entitlement that answers for it, and all that could."""

    features: Sequence[tuple[Counted, Sequence[Candidate]]]

    def counters(self) -> list[CounterKey]:
        return [counter for (_, counters), _ in self.features for counter in counters]


def _usable(account: Account, catalog: Catalog, *, now: datetime) -> _Usable:
    counted = counted_features(account, catalog, catalog.features.values(), now=now)
    return _Usable([(each, candidates(account, catalog, each[0].feature, now=now)) for each in counted.values()])


def _feature_state(
    counted: Counted, ranked: Sequence[Candidate], snapshot: Snapshot[_Usable], *, now: datetime
) -> FeatureState:
    entitlement, counters = counted
    return FeatureState(
        entitlement.feature,
        entitlement,
        ranked[0].package,
        entitlement.period_at(now),
        entitlement.decide(1, used=snapshot.total(counters)),
        [_grant_state(grant, snapshot, now=now) for grant in grants_at(entitlement, now)],
        explain(ranked),
    )


def _grant_state(grant: Grant, snapshot: Snapshot[_Usable], *, now: datetime) -> GrantState:
    part, counter = grant.part, grant.counter
    package = snapshot.catalog.package(part.subscription.package_id)
    return GrantState(package, part.allowance, snapshot.total((counter,)), counter.period_start, part.ends_at(now))
