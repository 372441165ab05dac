"""A small world for tests of the core: a clock to set, nouns with defaults, and the engines over one store."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import settings

from kana.app import create_engine
from kana.engine.ports.store import Store
from kana.engine.ports.webhooks import Sender
from kana.model.account import Account
from kana.model.allowance import UNLIMITED, Allowance, Combine, Rollover
from kana.model.catalog import Catalog
from kana.model.entitlement import Outcome
from kana.model.environment import Actor, Environment
from kana.model.feature import Feature, FeatureType
from kana.model.given import Given, Override, TopUp
from kana.model.grant import CounterKey
from kana.model.notification import NewNotification
from kana.model.package import Package, PackageFeature, PackageStatus
from kana.model.period import ResetPeriod
from kana.model.subscription import Subscription, SubscriptionStatus
from kana.model.usage import Entry, Usage, entry_for
from kana.model.user import User, UserRef

TEST, LIVE = Environment.TEST, Environment.LIVE
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAY, MONTH, YEAR = ResetPeriod.DAY, ResetPeriod.MONTH, ResetPeriod.YEAR
ONE_DAY = timedelta(days=1)
FIRST_PERIODS: dict[ResetPeriod | None, timedelta] = {
    ResetPeriod.HOUR: timedelta(hours=1),
    DAY: ONE_DAY,
    ResetPeriod.WEEK: 7 * ONE_DAY,
    MONTH: 31 * ONE_DAY,
    ResetPeriod.QUARTER: 92 * ONE_DAY,
    YEAR: 365 * ONE_DAY,
    None: 4000 * ONE_DAY,
}
"""How long a period lasts that begins at noon; without a reset something that is shorter."""
MILLISECOND = timedelta(milliseconds=1)
TESTER = Actor(kind="cli", name="tester")

EXPLORES = bool(os.environ.get("KANA_TEST_EXPLORE"))
"""Whether Hypothesis draws anew in each run. By default it repeats itself, so that a red build is no chance."""


IS_DEEP = bool(os.environ.get("KANA_TEST_DEEP"))
"""Whether tests that can be thorough for as long as one likes are to take their time, as `make test-deep` says."""


def examples(count: int, **options: Any) -> settings:
    """The settings of a property test: so many examples, the same ones in every run unless it is to explore."""
    return settings(max_examples=count, derandomize=not EXPLORES, deadline=None, **options)


class SetClock:
    """A clock that stands until it is set."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **delta: float) -> datetime:
        """Move the clock; negative amounts move it back."""
        self.now += timedelta(**delta)
        return self.now


@dataclass
class NotedMeter:
    """Keeps what was metered."""

    decisions: list[tuple[str, str]] = field(default_factory=list)
    commits: list[int] = field(default_factory=list)
    events: list[str] = field(default_factory=list)

    def segment(self, statuses: Iterable[str]) -> None:
        self.events += statuses

    def decided(self, operation: str, reasons: Iterable[str]) -> None:
        self.decisions += [(operation, reason) for reason in reasons]

    def batch(self, size: int, seconds: float) -> None:
        assert seconds >= 0
        self.commits.append(size)


def a_feature(id: str = "message", *, binary: bool = False, **changes: Any) -> Feature:  # noqa: A002
    """A CONSUMABLE feature, or a BINARY one."""
    type = FeatureType.BINARY if binary else FeatureType.CONSUMABLE  # noqa: A001
    values: dict[str, Any] = {"name": id, "metadata": {}, "created_at": NOON, **changes}
    return Feature(id=id, type=type, **values)


def allows(
    limit: int | None = None, reset: ResetPeriod | None = MONTH, *, feature: str = "message", overage: bool = False
) -> PackageFeature:
    """A feature as it sits in a package, limited."""
    allowance = Allowance(limit=limit, overage_enabled=overage, reset_period=reset)
    return PackageFeature(feature_id=feature, allowance=allowance)


def adds(
    limit: int | None = None, reset: ResetPeriod | None = MONTH, *, feature: str = "message", overage: bool = False
) -> PackageFeature:
    """A feature as it sits in a package that allows so much on top of others."""
    allowance = Allowance(limit=limit, overage_enabled=overage, reset_period=reset, combine=Combine.ADD)
    return PackageFeature(feature_id=feature, allowance=allowance)


def rolls_over(
    limit: int, reset: ResetPeriod | None = MONTH, *, most: int, periods: int, grace_percent: int = 0
) -> PackageFeature:
    """The feature "message" with a limit, of which so much at most is carried over for so many periods."""
    rollover = Rollover(limit=most, periods=periods)
    allowance = Allowance(limit=limit, reset_period=reset, rollover=rollover, grace_percent=grace_percent)
    return PackageFeature(feature_id="message", allowance=allowance)


def holds(feature: str) -> PackageFeature:
    """A feature as it sits in a package, without limits."""
    return PackageFeature(feature_id=feature, allowance=UNLIMITED)


def a_package(id: str = "basic", *features: PackageFeature, **changes: Any) -> Package:  # noqa: A002
    """A published base package."""
    values: dict[str, Any] = {
        "name": id, "status": PackageStatus.PUBLISHED, "metadata": {}, "created_at": NOON, "updated_at": NOON,
    } | changes  # fmt: skip
    return Package(id=id, features=features, **values)


def a_catalog(*nouns: Feature | Package) -> Catalog:
    """A catalogue of these, put in one after the other."""
    catalog = Catalog(environment=TEST)
    for noun in nouns:
        catalog = catalog.with_new_feature(noun) if isinstance(noun, Feature) else catalog.with_new_package(noun)
    return catalog


def a_user(id: str = "ada", *, key: int = 1, bucket: int = 7, **changes: Any) -> User:  # noqa: A002
    """A user."""
    values: dict[str, Any] = {"environment": TEST, "metadata": {}, "created_at": NOON, **changes}
    return User(id=id, key=key, bucket=bucket, **values)


def a_subscription(id: int = 1, package: str = "basic", **changes: Any) -> Subscription:  # noqa: A002
    """An active subscription of ``a_user`` since noon."""
    values: dict[str, Any] = {
        "bucket": 7, "user_key": 1, "status": SubscriptionStatus.ACTIVE, "start": NOON,
    } | changes  # fmt: skip
    return Subscription(id=id, package_id=package, **values)


def a_top_up(id: int, amount: int, **changes: Any) -> TopUp:  # noqa: A002
    """Units of "message" for the user of ``a_ref``, from noon on."""
    given = {"bucket": 7, "user_key": 1, "feature_id": "message", "start": NOON, "reason": "sold", "by": "eve"}
    return TopUp(id=id, amount=amount, **{**given, "created_at": NOON, **changes})


def an_override(id: int, **changes: Any) -> Override:  # noqa: A002
    """Something else of "message" for the user of ``a_ref``, from noon on, by months."""
    given = {"bucket": 7, "user_key": 1, "feature_id": "message", "start": NOON, "reason": "asked", "by": "eve"}
    return Override(id=id, **{**given, "reset_period": MONTH, **changes})


def a_ref(**changes: Any) -> UserRef:
    """``a_user`` as far as deciding needs them."""
    return UserRef(**{"environment": TEST, "bucket": 7, "key": 1, "id": "ada", **changes})


def an_account(*subscriptions: Subscription, given: tuple[Given, ...] = ()) -> Account:
    """``a_user`` with these subscriptions, and what was given to them alone."""
    return Account(a_ref(), subscriptions, given)


def a_usage(delta: int = 1, **changes: Any) -> Usage:
    """Usage of ``a_feature`` by ``a_user``."""
    values: dict[str, Any] = {"environment": TEST, "user_id": "ada", "feature_id": "message", **changes}
    return Usage(delta=delta, **values)


def an_entry(id: int, *, change: int, counter: CounterKey, **changes: Any) -> Entry:  # noqa: A002
    """The entry of a usage of "message" by the user of ``a_ref`` that was recorded at noon."""
    entry = entry_for(a_usage(change or 1), a_ref(), None, entry_id=id, now=NOON)
    recorded = {"outcome": Outcome.RECORDED, "reason": None, "change": change, "counter": counter}
    return replace(entry, **{**recorded, **changes})


def notify_nobody(_account: Account, _changed: Sequence[object]) -> Sequence[NewNotification]:
    """No notifications of a change."""
    return ()


class World:
    """The engines over one store, with a clock to set."""

    def __init__(self, store: Store, *, clock: SetClock | None = None, sender: Sender | None = None) -> None:
        self.store = store
        self.clock = clock or SetClock()
        self.meter = NotedMeter()
        self.engine = create_engine(store, clock=self.clock, meter=self.meter, sender=sender)
        self.catalog, self.accounts, self.usage = self.engine.catalog, self.engine.accounts, self.engine.usage
        self.recorder, self.access = self.engine.recorder, self.engine.access
        self.ids = self.accounts._ids

    async def furnish(
        self, *packages: Package, features: Sequence[Feature] = (), environment: Environment = TEST
    ) -> None:
        """Put features (``a_feature`` alone unless given) and packages into the catalogue."""

        def change(catalog: Catalog, _: datetime) -> Catalog:
            for feature in features or (a_feature(),):
                catalog = catalog.with_feature(feature)
            for package in packages:
                catalog = catalog.with_package(package)
            return catalog

        await self.catalog.apply(environment, change, by=TESTER)

    async def subscribed_user(self, id: str = "ada", *package_ids: str) -> User:  # noqa: A002
        """Create a user and subscribe them."""
        user = await self.accounts.create_user(TEST, id=id)
        await self.accounts.subscribe(TEST, id, package_ids or ("basic",))
        return user
