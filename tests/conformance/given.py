"""What the documentation takes for granted before each of its requests, made through the engine.

Prices and ended subscriptions cannot be made through the API, so nothing here is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from kana.model.environment import Environment
from kana.model.feature import FeatureType
from kana.model.package import PackageFeature, PackagePrice
from kana.model.period import ResetPeriod
from kana.model.usage import Usage
from tests.support.serving import Served
from tests.support.world import TESTER, allows

TEST = Environment.TEST
POUND_MONTH = ("price_1L7NHvIiEnRX8aivoxbSWREF", 5000, "month")
LABELS = {"api-calls": ("API Calls", "API Call", "API Calls"), "messages": ("Messages", "Message", "Messages")}
FREE_TRIAL_AT = "2021-11-25T16:57:42.778Z"

Ids = dict[str, str]
"""Ids of ours by those that the documentation shows in their place."""


def at(served: Served, moment: str) -> None:
    """Set the clock."""
    served.clock.now = datetime.fromisoformat(moment).astimezone(UTC)


def feature(served: Served, id: str, *, unit_label_plural: str | None = None) -> None:  # noqa: A002
    """A CONSUMABLE feature with the documented labels."""
    name, label, plural = LABELS[id]
    served.run(
        served.engine.catalog.create_feature(
            TEST,
            id=id,
            type=FeatureType.CONSUMABLE,
            name=name,
            unit_label=label,
            unit_label_plural=unit_label_plural or plural,
            by=TESTER,
        )
    )


def package(
    served: Served,
    id: str,  # noqa: A002
    name: str,
    *held: PackageFeature,
    updated_at: str = FREE_TRIAL_AT,
    price: tuple[str, int, str | None] = POUND_MONTH,
    is_addon: bool = False,
    publish: bool = True,
) -> None:
    """A package with one price in pounds, PUBLISHED at its documented time."""
    at(served, updated_at)
    price_id, amount, interval = price
    served.run(
        served.engine.catalog.create_package(
            TEST,
            id=id,
            name=name,
            is_addon=is_addon,
            features=held,
            prices=[
                PackagePrice(id=price_id, provider="STRIPE", amount=amount, currency="gbp", interval=interval),
            ],
            by=TESTER,
        )
    )
    if publish:
        served.run(served.engine.catalog.publish_package(TEST, id, by=TESTER))


def user(served: Served, *, billing_id: str = "cus_Lp1bSKob4laHDD") -> None:
    """User 124."""
    made = served.engine.accounts.create_user(
        TEST, id="124", billing_id=billing_id, name="Test User", email="test@usekana.com"
    )
    served.run(made)


def calls(limit: int) -> PackageFeature:
    """So many API calls a month."""
    return allows(limit, ResetPeriod.MONTH, feature="api-calls")


def subscribe(served: Served, *package_ids: str) -> list[str]:
    """Subscribe user 124 and return the ids of the subscriptions."""
    subscribed = served.run(served.engine.accounts.subscribe(TEST, "124", package_ids))
    return [str(subscription.id) for _, subscription in subscribed]


def nothing(_served: Served) -> None:
    """An empty environment."""


def two_features(served: Served) -> None:
    feature(served, "api-calls")
    feature(served, "messages")
    moment = "2022-01-21T16:08:09.640Z"
    package(served, "pro-plan", "Pro Plan", calls(1000), updated_at=moment)
    package(served, "free-plan", "Free Plan", allows(50, feature="messages"), updated_at=moment)


def fifty_calls(served: Served) -> None:
    feature(served, "api-calls")
    package(served, "free-plan", "Free Plan", calls(50))
    user(served)
    subscribe(served, "free-plan")


def two_periods(served: Served) -> None:
    feature(served, "api-calls")
    package(served, "free-plan", "Free Plan", calls(50))
    at(served, "2022-07-10T15:07:01.803Z")
    user(served)
    subscribe(served, "free-plan")
    at(served, "2022-07-20T00:00:00Z")
    served.run(served.engine.usage.record(Usage(environment=TEST, user_id="124", feature_id="api-calls", delta=48)))
    at(served, "2022-08-20T00:00:00Z")


def pro_plan(served: Served) -> None:
    feature(served, "api-calls")
    package(served, "pro-plan", "Pro Plan", calls(1000))


def pro_plan_draft(served: Served) -> None:
    feature(served, "api-calls")
    package(served, "pro-plan", "Pro Plan", calls(1000), publish=False)


def two_packages(served: Served) -> None:
    feature(served, "api-calls")
    package(served, "free-plan", "Free Plan", calls(1000))
    package(
        served,
        "premium-plan",
        "Premium Plan",
        calls(10_000),
        updated_at="2021-11-26T12:50:12.298Z",
        price=("price_id_36w8sjd", 10_000, "month"),
    )


def one_user(served: Served) -> None:
    user(served)


def updatable_user(served: Served) -> None:
    user(served, billing_id="cus_883y74hdjjdjdnd")


def one_feature(served: Served) -> None:
    feature(served, "api-calls")


def free_trial(served: Served) -> None:
    feature(served, "api-calls")
    package(served, "free-trial", "Free Trial", calls(1000))
    package(
        served,
        "extra-500-api-calls",
        "Extra 500 API Calls",
        calls(500),
        updated_at="2022-02-23T11:19:48.604Z",
        price=("price_6378hdsjhshgsu4w8AJNSGL", 3500, None),
        is_addon=True,
    )
    user(served)


def two_subscriptions(served: Served) -> Ids:
    free_trial(served)
    base, addon = subscribe(served, "free-trial", "extra-500-api-calls")
    served.run(served.engine.accounts.cancel_subscription(TEST, int(addon)))
    return {"2": base, "3": addon}


def messaging(served: Served) -> None:
    feature(served, "api-calls")
    feature(served, "messages", unit_label_plural="Message")
    package(served, "free-trial", "Free Trial", calls(1000))
    package(
        served,
        "proactive-messaging",
        "Proactive Messaging",
        allows(50, feature="messages"),
        updated_at="2021-11-27T18:25:10.081Z",
        price=("price_id_6gSGwU839shamnskk7LSNME", 2000, None),
        is_addon=True,
    )
    user(served)


def hundred_calls(served: Served) -> None:
    feature(served, "api-calls")
    package(served, "free-plan", "Free Plan", calls(100))
    user(served)
    subscribe(served, "free-plan")


GIVEN: dict[str, Callable[[Served], Ids | None]] = {
    "ref-feature": fifty_calls,
    "ref-features": two_features,
    "ref-canUseFeature": fifty_calls,
    "ref-showUsage": two_periods,
    "ref-package": pro_plan,
    "ref-packages": two_packages,
    "ref-user": one_user,
    "ref-users": one_user,
    "ref-subscription": two_subscriptions,
    "ref-subscriptions": two_subscriptions,
    "ref-createFeature": nothing,
    "ref-updateFeature": pro_plan,
    "ref-createPackage": one_feature,
    "ref-updatePackage": pro_plan_draft,
    "ref-createUser": nothing,
    "ref-updateUser": updatable_user,
    "ref-subscribe": messaging,
    "ref-recordUsage": hundred_calls,
    "ref-generateSubscriptionLinks": one_user,
    "ref-generateUserToken": one_user,
}

REFUSED: dict[str, tuple[Callable[[Served], Ids | None], Sequence[str]]] = {
    "err-subscribe-cannot-subscribe-to-addon": (free_trial, ["extra-500-api-calls"]),
    "err-subscribe-cannot-subscribe-to-multiple-tiers": (two_packages, ["free-plan", "premium-plan"]),
    "err-subscribe-package-id-not-found-for-app": (free_trial, ["no-such-package"]),
}
"""What is given, and the packages whose subscription is refused."""
