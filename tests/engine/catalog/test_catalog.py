"""Features and packages, changed by the rules of their status."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from kana.engine.catalog.catalog import PackageChanges
from kana.errors import Conflict, FeatureNotFound, InvalidValue, KanaError, PackageNotFound
from kana.model.feature import FeatureType
from kana.model.package import PackagePrice, PackageStatus
from tests.support.world import LIVE, NOON, TEST, TESTER, World, allows, holds

PRICE = PackagePrice(id="price", provider="stripe", amount=1, currency="usd", interval=None)


@pytest.fixture(autouse=True)
async def _furnished(world: World) -> None:
    await world.catalog.create_feature(TEST, id="message", type=FeatureType.CONSUMABLE, by=TESTER)
    await world.catalog.create_package(TEST, id="basic", features=[allows(10)], by=TESTER)
    world.clock.advance(hours=1)


async def test_names_default_to_ids(world: World) -> None:
    """For features and packages; metadata defaults to an empty object."""
    feature = await world.catalog.create_feature(TEST, id="chat", type=FeatureType.BINARY, by=TESTER)
    assert (feature.name, feature.metadata, feature.created_at) == ("chat", {}, NOON + timedelta(hours=1))
    named = await world.catalog.create_feature(
        TEST, id="photo", type=FeatureType.CONSUMABLE, name="Photos", unit_label="photo", unit_label_plural="photos",
        metadata=[1], by=TESTER,
    )  # fmt: skip
    assert (named.name, named.unit_label, named.unit_label_plural, named.metadata) == ("Photos", "photo", "photos", [1])
    package = await world.catalog.create_package(TEST, id="pro", by=TESTER)
    assert (package.name, package.status, package.metadata, package.features) == ("pro", PackageStatus.DRAFT, {}, ())
    given = await world.catalog.create_package(
        TEST,
        id="extra",
        name="Extra",
        is_addon=True,
        base_package_ids=["pro"],
        trial_days=14,
        prices=[PRICE],
        metadata=1,
        by=TESTER,
    )
    assert (given.name, given.base_package_ids, given.prices, given.metadata) == ("Extra", ("pro",), (PRICE,), 1)
    assert given.trial_days == 14
    assert (await world.catalog.read(TEST)).package("extra") == given


async def test_ids_are_taken_once(world: World) -> None:
    """A second noun with the id is refused and the first one stays."""
    before = await world.catalog.read(TEST)
    with pytest.raises(Conflict):
        await world.catalog.create_feature(TEST, id="message", type=FeatureType.BINARY, by=TESTER)
    with pytest.raises(Conflict):
        await world.catalog.create_package(TEST, id="basic", by=TESTER)
    assert await world.catalog.read(TEST) == before


async def test_a_feature_changes_in_all_but_id_and_type(world: World) -> None:
    """A field left out stays, None as a name goes back to the id."""
    changed = await world.catalog.update_feature(TEST, "message", {"name": "M", "unit_label": "m"}, by=TESTER)
    assert (changed.name, changed.unit_label) == ("M", "m")
    again = await world.catalog.update_feature(TEST, "message", {"name": None}, by=TESTER)
    assert (again.name, again.unit_label, again.type) == ("message", "m", FeatureType.CONSUMABLE)
    with pytest.raises(FeatureNotFound):
        await world.catalog.update_feature(TEST, "none", {}, by=TESTER)
    with pytest.raises(InvalidValue):
        await world.catalog.update_feature(TEST, "message", {"name": ""}, by=TESTER)


async def test_a_draft_changes_freely(world: World) -> None:
    """All of it, noting when; a change to what it is already is none."""
    unchanged = await world.catalog.update_package(TEST, "basic", {"name": "basic"}, by=TESTER)
    assert unchanged.updated_at == NOON
    changes: PackageChanges = {
        "name": None, "is_addon": True, "features": (holds("message"),), "prices": (PRICE,), "metadata": {"a": 1},
        "base_package_ids": (), "trial_days": 30,
    }  # fmt: skip
    changed = await world.catalog.update_package(TEST, "basic", changes, by=TESTER)
    assert (changed.name, changed.is_addon, changed.features, changed.prices) == (
        "basic",
        True,
        (holds("message"),),
        (PRICE,),
    )
    assert changed.trial_days == 30
    assert (changed.metadata, changed.created_at, changed.updated_at) == ({"a": 1}, NOON, NOON + timedelta(hours=1))


@pytest.mark.parametrize(
    ("status", "changes", "confirm", "refusal"),
    [
        ("PUBLISHED", {"metadata": 1}, False, None),
        ("PUBLISHED", {"prices": (PRICE,)}, False, None),
        ("PUBLISHED", {"name": "B"}, False, "only its metadata can change here. Duplicate it, or confirm the impact"),
        ("PUBLISHED", {"features": (), "metadata": 1}, False, "only its metadata can change here"),
        ("PUBLISHED", {"name": "B"}, True, None),
        ("PUBLISHED", {"features": ()}, True, None),
        ("PUBLISHED", {"is_addon": False, "name": "B"}, True, None),
        ("PUBLISHED", {"is_addon": True}, True, "it cannot turn from base package to add-on or back"),
        ("ARCHIVED", {"metadata": 1}, False, None),
        ("ARCHIVED", {"name": "B"}, True, "Package 'basic' is ARCHIVED; only its metadata can change"),
    ],
)  # fmt: skip
async def test_what_each_status_lets_change(
    world: World, status: str, changes: PackageChanges, confirm: bool, refusal: str | None
) -> None:
    """Published packages with the impact confirmed, archived ones in metadata; a refusal changes nothing."""
    await world.catalog.publish_package(TEST, "basic", by=TESTER)
    if status == "ARCHIVED":
        await world.catalog.archive_package(TEST, "basic", by=TESTER)
    before = (await world.catalog.read(TEST)).package("basic")
    update = world.catalog.update_package(TEST, "basic", changes, confirm_impact=confirm, by=TESTER)
    if refusal is None:
        changed = await update
        assert {name: getattr(changed, name) for name in changes} == dict(changes)
        assert changed.status == status
    else:
        with pytest.raises(Conflict, match=refusal):
            await update
        assert (await world.catalog.read(TEST)).package("basic") == before


async def test_a_package_lives_forward(world: World) -> None:
    """Draft, published, archived, published; each step again changes nothing, not even when it was last changed."""
    published = await world.catalog.publish_package(TEST, "basic", by=TESTER)
    assert (published.status, published.updated_at) == (PackageStatus.PUBLISHED, NOON + timedelta(hours=1))
    world.clock.advance(hours=1)
    assert await world.catalog.publish_package(TEST, "basic", by=TESTER) == published
    archived = await world.catalog.archive_package(TEST, "basic", by=TESTER)
    assert archived.status is PackageStatus.ARCHIVED
    assert await world.catalog.archive_package(TEST, "basic", by=TESTER) == archived
    with pytest.raises(Conflict):
        await world.catalog.publish_package(TEST, "basic", by=TESTER)
    world.clock.advance(hours=1)
    again = await world.catalog.unarchive_package(TEST, "basic", by=TESTER)
    assert again == replace(published, updated_at=NOON + timedelta(hours=3))
    assert await world.catalog.unarchive_package(TEST, "basic", by=TESTER) == again


async def test_a_duplicate_is_a_draft_of_its_own(world: World) -> None:
    """It equals the package in all but id, status and times; its name may be given."""
    original = await world.catalog.publish_package(TEST, "basic", by=TESTER)
    world.clock.advance(hours=1)
    copy = await world.catalog.duplicate_package(TEST, "basic", new_id="copy", by=TESTER)
    assert (copy.id, copy.name, copy.status, copy.features) == ("copy", "basic", PackageStatus.DRAFT, original.features)
    assert copy.created_at == copy.updated_at == NOON + timedelta(hours=2)
    named = await world.catalog.duplicate_package(TEST, "basic", new_id="named", name="Named", by=TESTER)
    assert named.name == "Named"
    with pytest.raises(Conflict):
        await world.catalog.duplicate_package(TEST, "basic", new_id="copy", by=TESTER)


async def test_only_drafts_are_deleted(world: World) -> None:
    """A package that somebody may hold stays."""
    await world.catalog.delete_package(TEST, "basic", by=TESTER)
    assert dict((await world.catalog.read(TEST)).packages) == {}
    await world.catalog.create_package(TEST, id="basic", by=TESTER)
    await world.catalog.publish_package(TEST, "basic", by=TESTER)
    with pytest.raises(Conflict):
        await world.catalog.delete_package(TEST, "basic", by=TESTER)


@pytest.mark.parametrize(
    "verb",
    [
        lambda c, env: c.update_package(env, "none", {}, by=TESTER),
        lambda c, env: c.publish_package(env, "none", by=TESTER),
        lambda c, env: c.archive_package(env, "none", by=TESTER),
        lambda c, env: c.unarchive_package(env, "none", by=TESTER),
        lambda c, env: c.duplicate_package(env, "none", new_id="copy", by=TESTER),
        lambda c, env: c.delete_package(env, "none", by=TESTER),
    ],
)
async def test_unknown_packages_are_not_found(
    world: World, verb: Callable[..., Coroutine[Any, Any, KanaError]]
) -> None:
    """By each verb, in the environment asked for."""
    for environment in (TEST, LIVE):
        with pytest.raises(PackageNotFound, match=r"^Package not found: 'none'$"):
            await verb(world.catalog, environment)


async def test_subscribers_are_counted_as_of_now(world: World) -> None:
    """Those who stand, by the engine's clock."""
    await world.catalog.publish_package(TEST, "basic", by=TESTER)
    await world.subscribed_user("ada")
    [held] = await world.accounts.subscriptions(TEST)
    await world.accounts.cancel_subscription(TEST, held.subscription.id, at_period_end=True)
    assert await world.catalog.count_subscribers(TEST) == {"basic": 1}
    world.clock.advance(days=40)
    assert await world.catalog.count_subscribers(TEST) == {}


async def test_a_change_is_refused_when_the_package_was_seen_otherwise(world: World) -> None:
    """With the fingerprint of what the caller saw, only the state that they saw is changed."""
    seen = (await world.catalog.read(TEST)).package("basic").fingerprint
    await world.catalog.update_package(TEST, "basic", {"name": "B"}, seen=seen, by=TESTER)
    with pytest.raises(Conflict, match=r"^Nothing was saved: somebody changed this package in the meantime\."):
        await world.catalog.update_package(TEST, "basic", {"name": "C"}, seen=seen, by=TESTER)
    assert (await world.catalog.read(TEST)).package("basic").name == "B"


async def test_settling_what_is_settled_changes_nothing(world: World) -> None:
    """As nearly always, when no process has left a change behind."""
    before = await world.catalog.read(TEST)
    await world.catalog.settle(TEST)
    assert await world.catalog.read(TEST) == before
