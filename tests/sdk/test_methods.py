"""Every method of both clients, against a real server."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kana.errors import (
    Conflict,
    FeatureNotFound,
    InvalidValue,
    KanaError,
    PackageNotFound,
    QueryTooComplex,
    SubscriptionLinkRefused,
    SubscriptionNotFound,
    SubscriptionRefused,
    Unauthenticated,
    UserNotFound,
)
from kana.sdk import (
    Action,
    Combine,
    Consumption,
    EnvironmentSettings,
    Feature,
    FeatureType,
    Grant,
    KanaAdmin,
    KanaUserClient,
    PackageEntitlement,
    PackageFeature,
    PackageStatus,
    ResetPeriod,
    Rollover,
    SubscriptionStatus,
    User,
)
from tests.sdk.people import meter, subscribed, value
from tests.support.server import KanaServer


async def test_features_are_created_changed_read_and_listed(either: Any, number: int) -> None:
    """What was written is what is read; a field left out stays, None takes it back to its default."""
    feature_id = f"calls-{number}"
    expected = Feature(
        id=feature_id,
        name="API calls",
        type=FeatureType.CONSUMABLE,
        unit_label="call",
        unit_label_plural="calls",
        metadata={"team": "core"},
    )
    created = await value(
        either.features.create(
            id=feature_id,
            type="CONSUMABLE",
            name="API calls",
            unit_label="call",
            unit_label_plural="calls",
            metadata={"team": "core"},
        )
    )
    assert created == expected
    assert await value(either.features.retrieve(id=feature_id)) == expected
    assert expected in await value(either.features.list())

    changed = await value(either.features.update(id=feature_id, name=None, metadata={}))
    assert (changed.name, changed.unit_label, changed.metadata) == (feature_id, "call", {})


async def test_packages_live_from_draft_to_archive(either: Any, number: int) -> None:
    """A package is a DRAFT, then PUBLISHED, then ARCHIVED; drafts are copied and deleted."""
    calls, package_id = f"calls-{number}", f"package-{number}"
    await value(either.features.create(id=calls, type="CONSUMABLE"))
    grant = Grant(
        id=calls,
        limit="1000",
        reset_period="MONTH",
        overage_enabled=True,
        name="Calls",
        combine="ADD",
        rollover=Rollover(limit=500, periods=2),
        grace_percent="10",
    )

    created = await value(either.packages.create(id=package_id, features=[grant], name="Basic", metadata={"a": [1]}))
    assert (created.status, created.name, created.is_addon) == (PackageStatus.DRAFT, "Basic", False)
    assert (created.metadata, created.features) == ({"a": [1]}, None)
    assert (await value(either.packages.update(id=package_id, name="Basics", features=[grant]))).name == "Basics"

    held = PackageFeature(
        id=calls,
        name="Calls",
        type=FeatureType.CONSUMABLE,
        limit=1000,
        unit_label=None,
        unit_label_plural=None,
        metadata={},
        overage_enabled=True,
        reset_period=ResetPeriod.MONTH,
        combine=Combine.ADD,
        entitlement=PackageEntitlement(
            limit=1000,
            reset_period=ResetPeriod.MONTH,
            overage_enabled=True,
            combine=Combine.ADD,
            rollover=Rollover(limit=500, periods=2),
            grace_percent=10,
            cost=None,
        ),
    )
    read = await value(either.packages.retrieve(id=package_id, include_features=True))
    assert read.features == (held,)
    assert (await value(either.packages.retrieve(id=package_id))).features is None

    copied = await value(either.packages.duplicate(id=package_id, new_id=f"{package_id}-copy", name="Copy"))
    assert (copied.id, copied.name, copied.status) == (f"{package_id}-copy", "Copy", PackageStatus.DRAFT)
    assert (await value(either.packages.delete(id=copied.id))).id == copied.id

    assert (await value(either.packages.publish(id=package_id))).status is PackageStatus.PUBLISHED
    published = await value(either.packages.list(include_features=True))
    assert [package.features for package in published if package.id == package_id] == [(held,)]
    assert (await value(either.packages.archive(id=package_id))).status is PackageStatus.ARCHIVED
    assert package_id in [package.id for package in await value(either.packages.list(status="ARCHIVED"))]
    assert (await value(either.packages.unarchive(id=package_id))).status is PackageStatus.PUBLISHED


async def test_addons_name_their_base_packages(either: Any, number: int) -> None:
    """An add-on keeps the base packages that it goes with."""
    base, addon, sso = f"base-{number}", f"addon-{number}", f"sso-{number}"
    await value(either.features.create(id=sso, type=FeatureType.BINARY))
    await value(either.packages.create(id=base, features=[]))
    created = await value(
        either.packages.create(id=addon, features=[Grant(id=sso)], is_addon=True, base_package_ids=[base])
    )
    assert (created.is_addon, created.base_package_ids) == (True, (base,))
    opened = await value(either.packages.update(id=addon, base_package_ids=[]))
    assert opened.base_package_ids == ()


async def test_users_are_created_changed_read_and_listed(either: Any, number: int) -> None:
    """A user keeps what was given; their id may change, None clears their name."""
    user_id = f"person-{number}"
    created = await value(
        either.users.create(id=user_id, billing_id="cus_1", name="Ada", email="ada@example.com", metadata={"n": 1})
    )
    assert created == User(id=user_id, billing_id="cus_1", name="Ada", email="ada@example.com", metadata={"n": 1})
    assert await value(either.users.retrieve(id=user_id)) == created
    changed = await value(either.users.update(id=user_id, new_id=f"{user_id}-b", name=None))
    assert (changed.id, changed.name, changed.email) == (f"{user_id}-b", None, "ada@example.com")
    assert changed in await value(either.users.list())
    token = await value(either.users.generate_token(user_id=changed.id))
    assert token.token.count(".") == 2


async def test_a_users_tokens_are_revoked(either: Any, server: KanaServer, number: int) -> None:
    """A token opens until all of its user's are revoked; one made afterwards opens."""
    user_id = f"leaver-{number}"
    created = await value(either.users.create(id=user_id))
    token = (await value(either.users.generate_token(user_id=user_id))).token

    assert await value(either.users.revoke_tokens(user_id=user_id)) == created

    with (
        KanaUserClient(user_token=token, endpoint=server.address) as page,
        pytest.raises(Unauthenticated, match=r"^Unauthenticated"),
    ):
        page.get_subscribed_packages()
    token = (await value(either.users.generate_token(user_id=user_id))).token
    with KanaUserClient(user_token=token, endpoint=server.address) as page:
        assert page.get_subscribed_packages() == []


async def test_lists_go_on_behind_the_first_page(either: Any, kana: KanaAdmin, number: int) -> None:
    """A page is as long as asked for and begins after an id; without a length all pages come."""
    ids = [f"page-{number}-{index}" for index in range(3)]
    for user_id in ids:
        kana.users.create(id=user_id)
    page = await value(either.users.list(first=2, after=ids[0]))
    assert [user.id for user in page] == ids[1:]


async def test_subscriptions_are_created_changed_and_cancelled(either: Any, kana: KanaAdmin, number: int) -> None:
    """Subscribing, moving to another package and cancelling answer the subscription as it is then."""
    user_id = f"member-{number}"
    for package_id in (f"small-{number}", f"large-{number}"):
        kana.packages.create(id=package_id, features=[])
        kana.packages.publish(id=package_id)
    kana.users.create(id=user_id)

    [first] = await value(either.subscriptions.create(user_id=user_id, package_ids=[f"small-{number}"]))
    assert (first.user_id, first.status, first.package.id) == (user_id, SubscriptionStatus.ACTIVE, f"small-{number}")
    assert first.ends_at is None
    second = await value(either.subscriptions.change(user_id=user_id, package_id=f"large-{number}"))
    assert await value(either.subscriptions.retrieve(id=second.id)) == second
    assert [held.status for held in await value(either.subscriptions.list(user_id=user_id))] == [
        SubscriptionStatus.CANCELLED,
        SubscriptionStatus.ACTIVE,
    ]
    ended = await value(either.subscriptions.cancel(id=second.id))
    assert (ended.status, ended.ends_at is None) == (SubscriptionStatus.CANCELLED, False)


async def test_usage_is_checked_recorded_given_back_set_and_shown(either: Any, user: str) -> None:
    """The guide's way through a feature: each step answers what is used after it."""
    whose = {"user_id": user, "feature_id": meter(user)}
    assert (await value(either.features.can_use(**whose, delta="10"))).access is True
    recorded = await value(either.features.record_usage(**whose, delta="4"))
    assert (recorded.recorded, recorded.reason, recorded.duplicate) == (True, None, False)
    assert recorded.consumption == Consumption(used=4, budget=10, overage_enabled=False)

    returned = await value(either.features.record_usage(**whose, delta=-1))
    assert returned.consumption == Consumption(used=3, budget=10, overage_enabled=False)
    refused = await value(either.features.record_usage(**whose, delta=8))
    assert (refused.recorded, refused.reason is None) == (False, False)
    assert (await value(either.features.can_use(**whose, delta=8))).access is False

    replaced = await value(either.features.record_usage(**whose, delta=9, action=Action.SET, metadata={"by": "test"}))
    assert replaced.consumption is not None
    assert replaced.consumption.used == 9
    shown = await value(either.features.show_usage(**whose))
    assert shown.current is not None
    assert shown.current.consumption.used == 9
    assert shown.current.period_end > shown.current.period_start
    assert shown.past == ()


async def test_many_are_checked_at_once(either: Any, kana: KanaAdmin, user: str, number: int) -> None:
    """Each user and feature has the answer that asking for it alone has, whatever kind of feature it is."""
    stranger, switch, endless = (
        f"stranger-{number}",
        f"switch-{number}",
        subscribed(kana, f"endless-{number}", limit=None),
    )
    kana.users.create(id=stranger)
    kana.features.create(id=switch, type="BINARY")
    kana.features.record_usage(user_id=user, feature_id=meter(user), delta=9)
    users, features = [user, stranger, endless], (switch, meter(endless), meter(user))

    found = await value(either.features.can_use_many(user_ids=users, feature_ids=features, delta="2"))

    assert {user_id: list(row) for user_id, row in found.items()} == {user_id: list(features) for user_id in users}
    for user_id, row in found.items():
        for feature_id, entitlement in row.items():
            assert entitlement == kana.features.can_use(user_id=user_id, feature_id=feature_id, delta=2)
    assert found[user][meter(user)].consumption == Consumption(used=9, budget=10, overage_enabled=False)
    assert [found[user][meter(user)].access, found[endless][meter(endless)].access] == [False, True]


async def test_a_check_of_many_says_what_is_wrong(either: Any, user: str) -> None:
    """One that is not there, too many, none, and what is no whole number are errors, each as its class."""
    wrong: list[tuple[type[KanaError], dict[str, Any]]] = [
        (UserNotFound, {"user_ids": [user, "nobody"], "feature_ids": [meter(user)]}),
        (FeatureNotFound, {"user_ids": [user], "feature_ids": ["nothing"]}),
        (QueryTooComplex, {"user_ids": [user] * 101, "feature_ids": [meter(user)]}),
        (InvalidValue, {"user_ids": [user], "feature_ids": []}),
        (InvalidValue, {"user_ids": [user], "feature_ids": [meter(user)], "delta": 0}),
        (InvalidValue, {"user_ids": [user], "feature_ids": [meter(user)], "delta": 1.5}),
    ]
    for expected, arguments in wrong:
        with pytest.raises(expected) as caught:
            await value(either.features.can_use_many(**arguments))
        assert type(caught.value) is expected


async def test_secure_mode_is_switched_and_read(either: Any, server: KanaServer) -> None:
    """The answer says what is set from now on, and it is."""
    with KanaUserClient(
        api_key=server.keys["environments"]["test"]["public_key"], user_id="anyone", endpoint=server.address
    ) as page:
        for required in (True, False):
            expected = EnvironmentSettings(environment="test", requires_secure_mode=required, time_zone="UTC")
            assert await value(either.settings.require_secure_mode(required=required)) == expected
            assert await value(either.settings.retrieve()) == expected
            if required:
                with pytest.raises(Unauthenticated, match="requires secure mode"):
                    page.reset_cache()
            else:
                page.reset_cache()
                assert page.get_subscribed_packages() == []


async def test_the_time_zone_of_calendars_is_set_and_read(either: Any, user: str, number: int) -> None:
    """Of the environment and of a user, who may have none; a calendar without a zone follows them."""
    try:
        changed = await value(either.settings.set_time_zone("Asia/Tokyo"))
        assert (changed.time_zone, await value(either.settings.retrieve())) == ("Asia/Tokyo", changed)
        package = f"zoned-{number}"
        await value(either.packages.create(id=package, features=[]))
        await value(either.packages.publish(id=package))
        for user_id, zone, followed in (
            (f"zone-{number}", "Europe/Berlin", "Europe/Berlin"),
            (user, None, "Asia/Tokyo"),
        ):
            if zone is not None:
                assert (await value(either.users.create(id=user_id, time_zone=zone))).time_zone == zone
            else:
                assert (await value(either.users.update(id=user_id, time_zone="UTC"))).time_zone == "UTC"
                assert (await value(either.users.update(id=user_id, name="Z"))).time_zone == "UTC"
                assert (await value(either.users.update(id=user_id, time_zone=None))).time_zone is None
                for held in await value(either.subscriptions.list(user_id=user_id)):
                    await value(either.subscriptions.cancel(id=held.id))
            [held] = await value(either.subscriptions.create(user_id=user_id, package_ids=[package], anchor="CALENDAR"))
            assert held.time_zone == followed
        with pytest.raises(InvalidValue, match="timeZone must be an IANA name"):
            await value(either.settings.set_time_zone("Mars"))
    finally:
        await value(either.settings.set_time_zone("UTC"))


async def test_a_key_counts_once_and_is_told(either: Any, user: str) -> None:
    """The SDK makes a key of its own for each call; a key that is given twice gets the first answer again."""
    whose = {"user_id": user, "feature_id": meter(user)}
    one, two = [await value(either.features.record_usage(**whose)) for _ in range(2)]
    assert one.idempotency_key != two.idempotency_key
    again = await value(either.features.record_usage(**whose, idempotency_key=one.idempotency_key))
    assert (again.duplicate, again.id, again.idempotency_key) == (True, one.id, one.idempotency_key)
    assert (await value(either.features.show_usage(**whose))).current.consumption.used == 2


async def test_usage_of_another_time_names_its_zone(either: Any, user: str) -> None:
    """A time with its zone is sent; one without a zone is refused before anything is."""
    now = datetime.now(UTC)
    whose = {"user_id": user, "feature_id": meter(user)}
    zoned = (now + timedelta(seconds=30)).astimezone()
    assert (await value(either.features.record_usage(**whose, timestamp=zoned))).recorded is True
    with pytest.raises(InvalidValue, match="timestamp must have a time zone"):
        await value(either.features.record_usage(**whose, timestamp=now.replace(tzinfo=None)))
    assert (await value(either.features.show_usage(**whose))).current.consumption.used == 1


async def test_errors_of_the_server_are_raised_by_their_class(either: Any, user: str, number: int) -> None:
    """What the server says no with arrives as the class of kana.errors that it is."""
    whose = {"user_id": user, "feature_id": meter(user)}
    nobody = {"user_id": "nobody", "feature_id": meter(user)}
    calls: list[tuple[type[KanaError], Callable[[], Any]]] = [
        (UserNotFound, lambda: either.features.can_use(**nobody)),
        (UserNotFound, lambda: either.users.retrieve(id="nobody")),
        (UserNotFound, lambda: either.users.revoke_tokens(user_id="nobody")),
        (UserNotFound, lambda: either.users.delete(user_id="nobody")),
        (UserNotFound, lambda: either.users.export(user_id="nobody")),
        (UserNotFound, lambda: either.users.merge(source="nobody", into=user)),
        (FeatureNotFound, lambda: either.features.record_usage(user_id=user, feature_id="nothing")),
        (FeatureNotFound, lambda: either.features.retrieve(id="nothing")),
        (PackageNotFound, lambda: either.packages.retrieve(id="nothing")),
        (SubscriptionNotFound, lambda: either.subscriptions.retrieve(id="404")),
        (SubscriptionRefused, lambda: either.subscriptions.create(user_id=user, package_ids=[f"package-of-{user}"])),
        (Conflict, lambda: either.users.create(id=user)),
        (InvalidValue, lambda: either.features.record_usage(**whose, delta=0)),
        (
            SubscriptionLinkRefused,
            lambda: either.payments.generate_link(
                user_id=user, template_id="pro", success_url="https://example.com", cancel_url="https://example.com"
            ),
        ),
    ]
    for expected, call in calls:
        with pytest.raises(expected) as caught:
            await value(call())
        assert type(caught.value) is expected


@pytest.mark.parametrize("delta", [1.5, True, "1.5", "one", "", " 1", "1_000", None, 2**53, "99999999999999999"])
async def test_only_whole_numbers_are_sent(either: Any, user: str, delta: Any) -> None:
    """Anything but a whole number of 53 bits, or its digits, is refused before sending, and nothing counts."""
    whose = {"user_id": user, "feature_id": meter(user)}
    for call in (either.features.can_use, either.features.record_usage):
        with pytest.raises(InvalidValue, match=r"^delta must be") as caught:
            await value(call(**whose, delta=delta))
        assert caught.value.field == "delta"
    assert (await value(either.features.show_usage(**whose))).current.consumption.used == 0


def test_a_wrong_key_and_a_wrong_address_say_so(server: KanaServer) -> None:
    """A key that opens nothing is Unauthenticated; what cannot be an address or a key is refused at once."""
    with (
        KanaAdmin(api_key="prv_test_wrong", endpoint=server.address) as stranger,
        pytest.raises(Unauthenticated, match=r"^Unauthenticated"),
    ):
        stranger.features.list()
    with KanaAdmin(api_key=server.private_key, endpoint=f"{server.address}/graphql") as exact:
        assert isinstance(exact.features.list(), list)
    for endpoint in ("", "127.0.0.1:8080", "ftp://127.0.0.1", "http://x?y", "http://x/#y", "http://a:b@x", "http://[x"):
        with pytest.raises(InvalidValue, match=r"^endpoint must be"):
            KanaAdmin(api_key="prv_test_x", endpoint=endpoint)
    for api_key in ("", "prv\nx", "schlüssel"):
        with pytest.raises(InvalidValue, match=r"^authorization must be"):
            KanaAdmin(api_key=api_key, endpoint=server.address)


async def test_unlimited_has_no_budget(either: Any, kana: KanaAdmin, number: int) -> None:
    """A grant with a period and without a limit is unlimited, and None says so."""
    user_id = subscribed(kana, f"unlimited-{number}", limit=None)
    found = await value(either.features.can_use(user_id=user_id, feature_id=meter(user_id), delta=2**53 - 1))
    assert found.access is True
    assert found.consumption == Consumption(used=0, budget=None, overage_enabled=False)
