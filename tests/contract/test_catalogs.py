"""Features and packages are kept as a catalogue with a version, changed by one change at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from itertools import repeat

import pytest

from kana.engine.ports.store import Store
from kana.errors import Conflict, KanaError, Unavailable
from kana.model.catalog import Catalog
from kana.model.environment import Environment
from kana.model.feature import Feature
from kana.model.package import Package, PackageFeature, PackagePrice, PackageStatus
from kana.model.period import ResetPeriod
from kana.store import catalogs as catalog_store
from kana.store import log
from kana.store.session import Row, Session, Work
from tests.support.stores import Place
from tests.support.world import (
    DAY,
    FIRST_PERIODS,
    LIVE,
    MILLISECOND,
    NOON,
    ONE_DAY,
    TEST,
    TESTER,
    World,
    a_feature,
    a_package,
    a_usage,
    allows,
    holds,
)

PRICE = PackagePrice(id="price_1", provider="stripe", amount=1999, currency="usd", interval=None)


async def put(store: Store, *nouns: Feature | Package, environment: Environment = TEST) -> Catalog:
    """Put nouns into the catalogue in one change."""

    def change(catalog: Catalog) -> Catalog:
        for noun in nouns:
            catalog = catalog.with_feature(noun) if isinstance(noun, Feature) else catalog.with_package(noun)
        return catalog

    return await store.catalogs.change_catalog(environment, change, by=TESTER, now=NOON)


async def test_a_new_catalogue_is_empty(store: Store) -> None:
    """Each environment begins with nothing, at a version of its own."""
    for environment in Environment:
        catalog = await store.catalogs.catalog(environment)
        assert (catalog.environment, dict(catalog.features), dict(catalog.packages)) == (environment, {}, {})


async def test_everything_comes_back_as_it_was_put(store: Store, place: Place) -> None:
    """Every field of every noun, whoever reads it, after opening anew too."""
    nouns = (
        a_feature(
            "名/前", name="Ñ", unit_label="u", unit_label_plural="us", metadata={"é": [1.5, None, True, 2**63 - 1]}
        ),
        a_feature("chat", binary=True, metadata=None, created_at=NOON + MILLISECOND),
        a_package(
            "basic",
            PackageFeature(feature_id="chat", name="Chat!"),
            allows(2**53 - 1, DAY, feature="名/前", overage=True),
            prices=(PRICE, replace(PRICE, id="price_2", interval="month")),
            metadata="text",
            updated_at=NOON + ONE_DAY,
        ),
        a_package(
            "draft",
            allows(0, None, feature="名/前"),
            status=PackageStatus.DRAFT,
            created_at=NOON + MILLISECOND,
            trial_days=1,
        ),
        a_package(
            "extra",
            holds("chat"),
            is_addon=True,
            base_package_ids=("draft", "basic"),
            trial_days=365,
            created_at=NOON + 2 * MILLISECOND,
        ),
    )
    written = await put(store, *nouns)
    assert [*written.features.values(), *written.packages.values()] == list(nouns)
    another = await place.open()
    read = await another.catalogs.catalog(TEST)
    await another.close()
    assert read == written
    assert [*read.features, *read.packages] == [noun.id for noun in nouns]


async def test_environments_never_meet(store: Store) -> None:
    """What is put into one is not in the other, and the same ids may stand in both."""
    await put(store, a_feature(name="test"))
    live = await store.catalogs.catalog(LIVE)
    assert (live.version, dict(live.features)) == (0, {})
    await put(store, a_feature(name="live"), environment=LIVE)
    assert (await store.catalogs.catalog(TEST)).feature("message").name == "test"


async def test_each_change_raises_the_version(store: Store) -> None:
    """By one; a change that changes nothing leaves it."""
    versions = [(await put(store, a_feature(name=name))).version for name in ("a", "b", "b")]
    assert versions == [1, 2, 2]


async def test_a_package_is_replaced_whole_and_deleted_whole(store: Store) -> None:
    """Features that it no longer holds are gone, their order is kept, and a deleted id can be used again."""
    features = [a_feature(name) for name in "abc"]
    package = a_package("p", holds("a"), holds("b"), status=PackageStatus.DRAFT)
    await put(store, *features, package)
    changed = replace(package, features=(holds("c"), allows(3, feature="a")), prices=(PRICE,), is_addon=True, name="P")
    assert (await put(store, changed)).package("p") == changed
    without = await store.catalogs.change_catalog(TEST, lambda c: c.without_package("p"), by=TESTER, now=NOON)
    assert "p" not in without.packages
    empty = replace(package, features=())
    assert (await put(store, empty)).package("p") == empty


async def test_a_change_that_fails_writes_nothing(store: Store) -> None:
    """All or nothing: what the change raises is raised, and the catalogue is the one before it."""
    before = await put(store, a_feature())

    def change(catalog: Catalog) -> Catalog:
        catalog = catalog.with_new_feature(a_feature("other"))
        return catalog.with_new_feature(a_feature())

    with pytest.raises(Conflict, match="already exists"):
        await store.catalogs.change_catalog(TEST, change, by=TESTER, now=NOON)
    assert await store.catalogs.catalog(TEST) == before


async def test_a_change_reads_only_what_changed(store: Store, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a large catalogue another process reads the changed nouns, and the one that changed it reads nothing."""
    read: list[tuple[int, int]] = []
    load = catalog_store.catalog_from

    def counted(base: Catalog, version: int, *tables: Iterable[Row]) -> Catalog:
        features, packages, ids = map(list, tables)
        read.append((len(features), len(packages)))
        return load(base, version, features, packages, ids)

    another = await place.open()
    many = [a_feature(f"f{number}") for number in range(300)]
    await put(store, *many, *(a_package(f"p{number}", holds("f1"), holds("f2")) for number in range(50)))
    await another.catalogs.catalog(TEST)
    monkeypatch.setattr(catalog_store, "catalog_from", counted)
    await put(store, a_feature("f7", name="other"), a_package("p7", holds("f3")))
    await store.catalogs.change_catalog(
        TEST, lambda c: c.with_package(a_package("gone", status=PackageStatus.DRAFT)), by=TESTER, now=NOON
    )
    await store.catalogs.change_catalog(TEST, lambda c: c.without_package("gone"), by=TESTER, now=NOON)
    newest = await store.catalogs.catalog(TEST)
    assert read == []
    assert await another.catalogs.catalog(TEST) == newest
    assert read == [(1, 1)]
    await another.close()


async def test_a_check_after_another_process_s_change_makes_what_it_asks_for(
    store: Store, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many packages were changed, the first question makes the one package that it is about, once."""
    made: list[str] = []
    make = catalog_store._package_from

    def noted(row: Row) -> Package:
        made.append(row[0])
        return make(row)

    another = await place.open()
    monkeypatch.setattr(catalog_store, "_package_from", noted)
    written = await put(store, a_feature("f"), *(a_package(f"p{number}", holds("f")) for number in range(50)))
    read = await another.catalogs.catalog(TEST)
    assert [read.held("p7", "f"), read.held("p7", "f"), "p8" in read.packages, len(read.packages)] == [
        holds("f"), holds("f"), True, 50,
    ]  # fmt: skip
    assert made == ["p7"]
    await put(store, a_package("p9", status=PackageStatus.DRAFT))
    newer = await another.catalogs.catalog(TEST)
    assert (newer.package("p7"), made) == (read.package("p7"), ["p7"])
    assert read == written
    assert sorted(made) == sorted(written.packages)
    await another.close()


async def test_what_is_known_is_what_is_kept(store: Store, place: Place) -> None:
    """After every kind of change, whoever made it: in the same order too, as who opens the database anew reads it."""
    another = await place.open()
    later = replace(a_package("a later", holds("b")), created_at=NOON + ONE_DAY)
    stores = (store, another)
    changes: list[Callable[[Catalog], Catalog]] = [
        lambda c: c.with_feature(a_feature("z")).with_feature(a_feature("b")).with_feature(a_feature("é")),
        lambda c: c.with_package(later).with_package(a_package("p", holds("z"), status=PackageStatus.DRAFT)),
        lambda c: c.with_package(a_package("B", allows(7, feature="z"))).with_feature(a_feature("y", metadata=[1.5])),
        lambda c: c.without_package("p"),
        lambda c: c.published("B", now=NOON).with_package(replace(later, features=(holds("z"), holds("b")))),
        lambda c: c.archived("B", now=NOON + MILLISECOND),
    ]
    for number, change in enumerate(changes):
        made = await stores[number % 2].catalogs.change_catalog(TEST, change, by=TESTER, now=NOON)
        anew = await place.open()
        for each in (*stores, anew):
            read = await each.catalogs.catalog(TEST)
            assert read == made
            assert [*read.features, *read.packages] == [*made.features, *made.packages]
        await anew.close()
    await another.close()


async def test_a_change_that_cannot_be_written_is_not_known(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalogue stays as it was, and the next change of another store is read as it is."""
    before = await put(store, a_feature())
    [taken] = await store.insights.log(TEST, limit=1, before=None, subject_id=None, shared=False)
    with monkeypatch.context() as patched:
        patched.setattr(log, "_LINES", repeat(taken.id))
        with pytest.raises(KanaError, match="admin_log"):
            await put(store, a_feature("other"))
    assert await store.catalogs.catalog(TEST) == before
    assert list((await put(store, a_feature("third"))).features) == ["message", "third"]


async def test_a_version_that_failed_to_commit_is_another_change_s(
    store: Store, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was all but committed is not taken for the change of the same version that another process then makes."""
    await put(store, a_feature())
    transactions = store.catalogs._transactions  # type: ignore[attr-defined]
    write = transactions.write

    def failing(work: Work[bool]) -> Awaitable[bool]:
        async def fail(session: Session) -> bool:
            assert await work(session)
            raise Unavailable("at the commit")

        return write(fail)  # type: ignore[no-any-return]

    with monkeypatch.context() as patched:
        patched.setattr(transactions, "write", failing)
        with pytest.raises(Unavailable, match="at the commit"):
            await put(store, a_feature("lost"))
    another = await place.open()
    made = await put(another, a_feature("made"))
    assert (made.version, list(made.features)) == (2, ["made", "message"])
    assert await store.catalogs.catalog(TEST) == made
    await another.close()


async def test_changes_at_once_are_all_kept(store: Store, place: Place) -> None:
    """Changes are serialised, each made on the newest catalogue: of 16 counts up by one none is lost."""
    await put(store, a_feature(name="0"))

    def count_up(catalog: Catalog) -> Catalog:
        feature = catalog.feature("message")
        return catalog.with_feature(replace(feature, name=str(int(feature.name) + 1)))

    another = await place.open()
    stores = (store, another) * 8
    await asyncio.gather(*(each.catalogs.change_catalog(TEST, count_up, by=TESTER, now=NOON) for each in stores))
    assert (await store.catalogs.catalog(TEST)).feature("message").name == "16"
    await another.close()


async def test_a_change_in_one_process_holds_in_another_at_once(store: Store, place: Place) -> None:
    """A second store on the same database reads the newest catalogue, and changes it without losing anything."""
    another = await place.open()
    await put(store, a_feature("a"))
    assert list((await another.catalogs.catalog(TEST)).features) == ["a"]
    await put(another, a_feature("b"))
    assert list((await store.catalogs.catalog(TEST)).features) == ["a", "b"]
    await put(store, a_feature("c"))
    assert list((await another.catalogs.catalog(TEST)).features) == ["a", "b", "c"]
    await another.close()


async def test_subscribers_are_counted(world: World) -> None:
    """Subscriptions that stand, a package at a time; packages without any are left out."""
    extra = a_package("extra", is_addon=True)
    await world.furnish(a_package("basic", allows(1, DAY)), a_package("pro"), extra)
    for user_id, packages in (
        ("ada", ("basic", "extra")),
        ("bob", ("basic",)),
        ("eve", ("basic",)),
        ("joe", ("basic",)),
    ):
        await world.subscribed_user(user_id, *packages)
    [eve] = await world.accounts.subscriptions(TEST, user_id="eve")
    await world.accounts.cancel_subscription(TEST, eve.subscription.id)
    [joe] = await world.accounts.subscriptions(TEST, user_id="joe")
    await world.accounts.cancel_subscription(TEST, joe.subscription.id, at_period_end=True)
    assert await world.store.catalogs.count_subscribers(TEST, now=NOON) == {"basic": 3, "extra": 1}
    assert await world.store.catalogs.count_subscribers(TEST, now=NOON + ONE_DAY) == {"basic": 2, "extra": 1}
    assert await world.store.catalogs.count_subscribers(LIVE, now=NOON) == {}


@pytest.mark.parametrize(("reset", "lasting"), FIRST_PERIODS.items())
async def test_those_over_a_limit_are_counted(world: World, reset: ResetPeriod | None, lasting: timedelta) -> None:
    """Subscriptions that stand to the package, by what is used in the current period of each from its own start."""
    await world.furnish(a_package("basic", allows(None, reset)), a_package("other", allows(None, reset)))
    for user_id, package, used in (
        ("ada", "basic", 10),
        ("bob", "basic", 11),
        ("eve", "other", 99),
        ("joe", "basic", 12),
    ):
        await world.subscribed_user(user_id, package)
        await world.usage.record(a_usage(used, user_id=user_id))
    [joe] = await world.accounts.subscriptions(TEST, user_id="joe")
    await world.accounts.cancel_subscription(TEST, joe.subscription.id)

    async def over(limit: int, package: str = "basic", environment: Environment = TEST) -> int:
        now = world.clock()
        return await world.store.catalogs.count_over(environment, package, "message", limit=limit, reset=reset, now=now)

    assert [await over(limit) for limit in (9, 10, 11)] == [2, 1, 0]
    assert [await over(0, "none"), await over(0, environment=LIVE), await over(98, "other")] == [0, 0, 1]
    world.clock.now += lasting - MILLISECOND
    assert await over(10) == 1
    world.clock.advance(milliseconds=1)
    assert await over(10) == (1 if reset is None else 0)
