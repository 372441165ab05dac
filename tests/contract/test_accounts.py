"""Users and their subscriptions are kept, renamed and listed; an account is changed under its lock."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from kana.engine.ports.store import Store
from kana.errors import Conflict, InvalidValue, SubscriptionNotFound, UserNotFound
from kana.model.account import Account
from kana.model.catalog import Catalog
from kana.model.environment import Environment, bucket_of
from kana.model.subscription import Subscription, SubscriptionStatus
from kana.model.user import User
from kana.model.user_import import Row
from tests.contract.test_user_imports import an_import
from tests.support.ledger import entries_of
from tests.support.stores import Place
from tests.support.world import (
    DAY,
    LIVE,
    NOON,
    ONE_DAY,
    TEST,
    TESTER,
    World,
    a_package,
    a_usage,
    a_user,
    allows,
    notify_nobody,
)


def at_noon() -> datetime:
    """A clock that stands."""
    return NOON


def new_user(id: str, key: int = 1, environment: Environment = TEST, **changes: object) -> User:  # noqa: A002
    """A user who is kept where their id says."""
    return a_user(id, key=key, environment=environment, bucket=bucket_of(environment, id), **changes)


async def test_users_come_back_as_they_were_put(store: Store, place: Place) -> None:
    """Every field, after opening anew too."""
    users = [
        new_user(
            "名/前",
            2**62,
            billing_id="b",
            name="N",
            email="n@example.com",
            time_zone="Asia/Tokyo",
            metadata={"deep": [{"a": 1e300}]},
        ),
        new_user("'; drop table users; --", 2, metadata=None),
        new_user("🦜", 3, metadata=[0.1, -0.5, 10**18, "", {"": None}]),
    ]
    for user in users:
        assert await store.users.create_user(user) == user
    another = await place.open()
    assert [await another.users.user(TEST, user.id) for user in users] == users
    await another.close()


async def test_unknown_users_are_not_found(store: Store) -> None:
    """By every method that asks for one; ids are case-sensitive, and other environments do not count."""
    await store.users.create_user(new_user("Ada"))
    for environment, user_id in ((TEST, "ada"), (LIVE, "Ada")):
        with pytest.raises(UserNotFound, match=f"^User not found: '{user_id}'$"):
            await store.users.user(environment, user_id)
        with pytest.raises(UserNotFound):
            await store.users.update_user(environment, user_id, lambda user: user, clock=at_noon)
        with pytest.raises(UserNotFound):
            await store.users.change_subscriptions(environment, user_id, lambda *_: [], notify=notify_nobody)
        with pytest.raises(UserNotFound):
            await store.users.subscriptions(environment, user_id=user_id, limit=10, after=None)
        with pytest.raises(UserNotFound):
            await entries_of(store, user_id, environment=environment)


async def test_a_user_is_found_by_where_their_data_is_kept(store: Store) -> None:
    """By bucket and key, renamed or not; None for another place, and in the other environment."""
    user = new_user("ada")
    await store.users.create_user(user)
    renamed = await store.users.update_user(TEST, "ada", lambda user: replace(user, id="bob"), clock=at_noon)
    assert await store.users.user_by_key(TEST, user.bucket, user.key) == renamed
    for environment, bucket, key in (
        (LIVE, user.bucket, user.key),
        (TEST, user.bucket ^ 1, user.key),
        (TEST, user.bucket, 2),
    ):
        assert await store.users.user_by_key(environment, bucket, key) is None


async def test_an_id_is_taken_once_an_environment(store: Store) -> None:
    """The second user with an id is refused and the first one stays; another environment has its own."""
    first = new_user("ada", name="first")
    await store.users.create_user(first)
    with pytest.raises(Conflict, match="User 'ada' already exists"):
        await store.users.create_user(new_user("ada", 2, name="second"))
    assert await store.users.user(TEST, "ada") == first
    await store.users.create_user(new_user("ada", 3, LIVE))
    assert (await store.users.user(LIVE, "ada")).key == 3


async def test_of_many_who_want_one_id_one_gets_it(store: Store) -> None:
    """Created at once, one user stands and the others are told that the id is taken."""
    answers = await asyncio.gather(
        *(store.users.create_user(new_user("ada", key)) for key in range(1, 9)), return_exceptions=True
    )
    assert Counter(type(answer) for answer in answers) == {User: 1, Conflict: 7}
    assert await store.users.user(TEST, "ada") == next(answer for answer in answers if isinstance(answer, User))


async def test_users_are_listed_in_the_order_of_their_ids(store: Store) -> None:
    """By code point, whatever the database's language; a page begins after the last id of the one before."""
    ids = ["A", "B", "_", "a", "a/1", "a1", "b", "é", "名", "🦜"]
    for key, user_id in enumerate(reversed(ids), 1):
        await store.users.create_user(new_user(user_id, key))
    await store.users.create_user(new_user("other", 99, LIVE))
    pages: list[list[str]] = []
    after = None
    while page := [user.id for user in await store.users.users(TEST, limit=3, after=after)]:
        pages.append(page)
        after = page[-1]
    assert pages == [ids[0:3], ids[3:6], ids[6:9], ids[9:]]
    assert [user.id for user in await store.users.users(TEST, limit=100, after="a0")] == ids[5:]


async def test_a_user_is_changed_under_its_lock(store: Store) -> None:
    """Of 16 changes at once none is lost; one that raises changes nothing."""
    await store.users.create_user(new_user("ada", name="0"))

    def count_up(user: User) -> User:
        assert user.name is not None
        return replace(user, name=str(int(user.name) + 1))

    await asyncio.gather(*(store.users.update_user(TEST, "ada", count_up, clock=at_noon) for _ in range(16)))
    with pytest.raises(InvalidValue):
        await store.users.update_user(TEST, "ada", lambda user: replace(user, name=""), clock=at_noon)
    assert await store.users.user(TEST, "ada") == new_user("ada", name="16")


async def test_all_of_a_user_may_change_but_the_key(store: Store) -> None:
    """What the change returns is kept whole."""
    await store.users.create_user(new_user("ada"))
    changed = new_user("ada", billing_id="b", name="n", email="e", metadata=[1])
    assert await store.users.update_user(TEST, "ada", lambda _: changed, clock=at_noon) == changed
    assert await store.users.user(TEST, "ada") == changed


async def test_tokens_are_revoked_at_once_everywhere(store: Store, place: Place) -> None:
    """Another store on the database reads the raised version with the very next call; no change of the user undoes it.

    Of many at once none is lost.
    """
    another = await place.open()
    user = await store.users.create_user(new_user("ada"))
    await store.users.create_user(new_user("ada", 2, LIVE))
    assert user.token_version == 0

    assert await store.users.revoke_tokens(TEST, "ada", by=TESTER, now=NOON) == replace(user, token_version=1)
    assert await another.users.user_by_key(TEST, user.bucket, user.key) == replace(user, token_version=1)

    renamed = replace(user, id="bob", name="B")
    await asyncio.gather(
        *(each.users.revoke_tokens(TEST, "ada", by=TESTER, now=NOON) for each in (store, another) * 4),
        store.users.update_user(TEST, "ada", lambda user: replace(user, name="B"), clock=at_noon),
    )
    await store.users.update_user(TEST, "ada", lambda user: replace(user, id="bob"), clock=at_noon)
    user_import = an_import(1)
    await store.imports.begin_import(user_import)
    await store.imports.keep_page(1, 0, [Row(number=2, id="bob", details={"email": "b@example.com"})], now=NOON)
    await store.imports.decide_import(1, now=NOON)
    await store.imports.merge_page(1, lambda _, row, old: replace(old or user, **row.details), now=NOON)
    kept = replace(renamed, email="b@example.com", token_version=9)
    assert await another.users.user(TEST, "bob") == kept
    assert await another.users.users(TEST, limit=9, after=None) == [kept]
    assert await another.users.users_by_id(TEST, ["bob"]) == {"bob": kept}
    assert (await another.users.user(LIVE, "ada")).token_version == 0
    with pytest.raises(UserNotFound):
        await store.users.revoke_tokens(TEST, "ada", by=TESTER, now=NOON)
    await another.close()


async def test_subscriptions_and_usage_follow_a_rename(world: World) -> None:
    """Under the new id all is as before, keys included; the old id is nobody's."""
    await world.furnish(a_package("basic", allows(10)))
    before = await world.subscribed_user("ada")
    first = await world.usage.record(a_usage(4, key="k"))
    renamed = await world.accounts.update_user(TEST, "ada", {"id": "名/前"})
    assert renamed == replace(before, id="名/前")
    with pytest.raises(UserNotFound):
        await world.usage.record(a_usage())
    again = await world.usage.record(a_usage(4, key="k", user_id="名/前"))
    assert (again.entry, again.duplicate) == (first.entry, True)
    shown = await world.usage.show(TEST, "名/前", "message")
    assert shown.current is not None
    assert shown.current.consumption.used == 4
    [held] = await world.accounts.subscriptions(TEST, user_id="名/前")
    assert held.user_id == "名/前"
    assert (await world.accounts.subscription(TEST, held.subscription.id)).user_id == "名/前"
    assert await entries_of(world.store, "名/前") == [first.entry]


async def test_a_former_id_can_be_used_again(world: World) -> None:
    """Who is created with it is another user: their subscriptions, usage and idempotency keys are apart."""
    await world.furnish(a_package("basic", allows(10)))
    old = await world.subscribed_user("ada")
    await world.usage.record(a_usage(4, key="k"))
    await world.accounts.update_user(TEST, "ada", {"id": "ada-2"})
    new = await world.accounts.create_user(TEST, id="ada")
    assert (new.bucket, new.key != old.key) == (old.bucket, True)
    assert await world.accounts.subscriptions(TEST, user_id="ada") == []
    await world.accounts.subscribe(TEST, "ada", ["basic"])
    receipt = await world.usage.record(a_usage(9, key="k"))
    assert (receipt.duplicate, receipt.entry.recorded) == (False, True)
    assert (await world.store.users.user(TEST, "ada-2")).key == old.key
    # And back: the ids change hands.
    await world.accounts.update_user(TEST, "ada", {"id": "ada-3"})
    await world.accounts.update_user(TEST, "ada-2", {"id": "ada"})
    assert (await world.store.users.user(TEST, "ada")).key == old.key
    assert not (await world.store.audits.audit()).drifts


async def test_nobody_is_renamed_onto_another(store: Store) -> None:
    """The id is taken: both users stay as they are. Renaming to the same id is none."""
    ada, bob = new_user("ada", 1), new_user("bob", 2)
    await store.users.create_user(ada)
    await store.users.create_user(bob)
    with pytest.raises(Conflict, match="User 'bob' already exists"):
        await store.users.update_user(TEST, "ada", lambda user: replace(user, id="bob", name="lost"), clock=at_noon)
    assert [await store.users.user(TEST, user_id) for user_id in ("ada", "bob")] == [ada, bob]
    assert await store.users.update_user(TEST, "ada", lambda user: replace(user, id="ada"), clock=at_noon) == ada
    await store.users.create_user(new_user("bob", 3, LIVE))


async def test_subscriptions_come_back_as_they_were_put(world: World, place: Place) -> None:
    """Every field and every status, those that ended too, the oldest first."""
    await world.furnish(a_package("basic"))
    user = await world.accounts.create_user(TEST, id="ada")
    put = [
        Subscription(
            id=world.ids.with_bucket(user.bucket),
            bucket=user.bucket,
            user_key=user.key,
            package_id="basic",
            status=status,
            start=NOON + timedelta(milliseconds=number),
            ends_at=NOON + ONE_DAY if number % 2 else None,
        )
        for number, status in enumerate(SubscriptionStatus)
    ]
    assert await world.store.users.change_subscriptions(TEST, "ada", lambda *_: put, notify=notify_nobody) == put
    another = await place.open()
    found = await another.users.subscriptions(TEST, user_id="ada", limit=100, after=None)
    assert [held.subscription for held in found] == put
    assert {held.user_id for held in found} == {"ada"}
    assert [(await another.users.subscription(TEST, each.id)).subscription for each in put] == put
    await another.close()


async def test_a_change_sees_the_whole_account_and_the_newest_catalogue(world: World) -> None:
    """The account under its lock, ended subscriptions too; what the change returns is written and returned."""
    await world.furnish(a_package("basic", allows(1, DAY)), a_package("extra", is_addon=True))
    user = await world.subscribed_user("ada", "basic", "extra")
    [base, addon] = [held.subscription for held in await world.accounts.subscriptions(TEST, user_id="ada")]
    await world.accounts.cancel_subscription(TEST, addon.id)
    await world.furnish(a_package("pro"))
    seen: list[tuple[Account, Catalog]] = []

    def change(account: Account, catalog: Catalog) -> Sequence[Subscription]:
        seen.append((account, catalog))
        return [replace(base, ends_at=NOON + ONE_DAY)]

    assert await world.store.users.change_subscriptions(TEST, "ada", change, notify=notify_nobody) == [
        replace(base, ends_at=NOON + ONE_DAY)
    ]
    account, catalog = seen[-1]
    assert (account.user.environment, account.user.id, account.user.key) == (TEST, "ada", user.key)
    assert account.user.bucket == user.bucket
    assert [each.id for each in account.subscriptions] == [base.id, addon.id]
    assert account.state(NOON) == [base]
    assert "pro" in catalog.packages
    assert (await world.store.users.subscription(TEST, base.id)).subscription.ends_at == NOON + ONE_DAY


async def test_a_change_of_subscriptions_that_fails_writes_nothing(world: World) -> None:
    """What it raises is raised."""
    await world.furnish(a_package("basic"))
    await world.accounts.create_user(TEST, id="ada")

    def change(account: Account, catalog: Catalog) -> Sequence[Subscription]:
        raise Conflict("no")

    with pytest.raises(Conflict, match="no"):
        await world.store.users.change_subscriptions(TEST, "ada", change, notify=notify_nobody)
    assert await world.store.users.subscriptions(TEST, user_id="ada", limit=9, after=None) == []


async def test_of_many_who_subscribe_a_user_one_does(world: World) -> None:
    """Accounts are changed one change at a time: never two base packages."""
    await world.furnish(a_package("basic"))
    await world.accounts.create_user(TEST, id="ada")
    answers = await asyncio.gather(
        *(world.accounts.subscribe(TEST, "ada", ["basic"]) for _ in range(8)), return_exceptions=True
    )
    assert sum(isinstance(answer, list) for answer in answers) == 1
    assert len(await world.accounts.subscriptions(TEST, user_id="ada")) == 1


async def test_unknown_subscriptions_are_not_found(world: World) -> None:
    """An id of nothing, and one of the other environment."""
    await world.furnish(a_package("basic"))
    await world.subscribed_user("ada")
    [held] = await world.accounts.subscriptions(TEST)
    for environment, number in ((TEST, 1), (LIVE, held.subscription.id), (TEST, 2**63 - 1)):
        with pytest.raises(SubscriptionNotFound, match=f"Subscription not found: '{number}'"):
            await world.store.users.subscription(environment, number)


async def test_subscriptions_are_listed_the_oldest_first(world: World) -> None:
    """Of all users or of one, a page at a time, each environment for itself."""
    await world.furnish(a_package("basic"))
    await world.furnish(a_package("basic"), environment=LIVE)
    for user_id in ("c", "a", "b"):
        await world.subscribed_user(user_id)
        world.clock.advance(hours=1)
    await world.accounts.create_user(LIVE, id="a")
    await world.accounts.subscribe(LIVE, "a", ["basic"])
    listed = await world.store.users.subscriptions(TEST, user_id=None, limit=100, after=None)
    assert [held.user_id for held in listed] == ["c", "a", "b"]
    [first, second, third] = [held.subscription.id for held in listed]
    assert first < second < third
    assert await world.store.users.subscriptions(TEST, user_id=None, limit=1, after=first) == listed[1:2]
    assert await world.store.users.subscriptions(TEST, user_id="a", limit=100, after=None) == listed[1:2]
    assert await world.store.users.subscriptions(TEST, user_id="a", limit=100, after=second) == []
