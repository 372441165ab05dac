"""Users and subscriptions, as callers name them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import islice

import pytest

from kana.engine.ids import bucket_of_id
from kana.engine.ports.store import Store
from kana.engine.ports.users import Subscribed
from kana.engine.users.accounts import parse_subscription_id
from kana.errors import Conflict, InvalidValue, SubscriptionNotFound, SubscriptionRefused, Unavailable, UserNotFound
from kana.model.environment import bucket_of
from kana.model.subscription import SubscriptionStatus
from kana.model.terms import ChangeTime, ChangeUsage
from tests.support.world import DAY, LIVE, NOON, ONE_DAY, TEST, TESTER, World, a_package, allows


@pytest.fixture(autouse=True)
async def _furnished(world: World) -> None:
    await world.furnish(
        a_package("basic", allows(10, DAY)), a_package("pro", allows(100)), a_package("extra", is_addon=True)
    )


async def test_a_user_is_made_with_what_was_given(world: World) -> None:
    """Metadata is an empty object unless given; the bucket follows from the id."""
    user = await world.accounts.create_user(TEST, id="ada", billing_id="b", name="n", email="e")
    assert (user.id, user.billing_id, user.name, user.email, user.metadata) == ("ada", "b", "n", "e", {})
    assert (user.bucket, user.created_at) == (bucket_of(TEST, "ada"), NOON)
    assert await world.accounts.user(TEST, "ada") == user
    given = await world.accounts.create_user(TEST, id="bob", metadata=[], time_zone="Asia/Tokyo")
    assert (given.metadata, given.time_zone, user.time_zone) == ([], "Asia/Tokyo", None)
    assert given.key != user.key


async def test_a_user_that_cannot_be_is_not_made(world: World) -> None:
    """The message names the field and nobody is there."""
    with pytest.raises(InvalidValue, match=r"^id must be 1 to 255"):
        await world.accounts.create_user(TEST, id="")
    with pytest.raises(InvalidValue, match=r"^email must be"):
        await world.accounts.create_user(TEST, id="ada", email="")
    with pytest.raises(InvalidValue, match=r"^timeZone must be an IANA name"):
        await world.accounts.create_user(TEST, id="ada", time_zone="Berlin")
    assert await world.accounts.users(TEST) == []


async def test_what_is_left_out_of_an_update_stays(world: World) -> None:
    """None clears, a value replaces, metadata whole."""
    await world.accounts.create_user(TEST, id="ada", name="n", email="e", metadata={"a": 1, "b": 2})
    user = await world.accounts.update_user(TEST, "ada", {"name": None, "metadata": {"a": 3}})
    assert (user.name, user.email, user.metadata) == (None, "e", {"a": 3})
    assert await world.accounts.update_user(TEST, "ada", {}) == user
    with pytest.raises(InvalidValue, match=r"^id must not contain control"):
        await world.accounts.update_user(TEST, "ada", {"id": "\n"})
    with pytest.raises(UserNotFound):
        await world.accounts.update_user(TEST, "bob", {})


async def test_a_users_tokens_are_revoked_and_who_did_it_is_noted(world: World) -> None:
    """Each time raises the version of the one user in the one environment, and leaves a line of the log."""
    ada = await world.accounts.create_user(TEST, id="ada")
    for environment, user_id in ((TEST, "bob"), (LIVE, "ada")):
        await world.accounts.create_user(environment, id=user_id)
    for version in (1, 2):
        world.clock.advance(days=1)
        assert await world.accounts.revoke_tokens(TEST, "ada", by=TESTER) == replace(ada, token_version=version)
    assert (await world.accounts.user(TEST, "ada")).token_version == 2
    assert (await world.accounts.user(TEST, "bob")).token_version == 0
    assert (await world.accounts.user(LIVE, "ada")).token_version == 0
    lines = await world.store.insights.log(TEST, limit=9, before=None, subject_id="ada", shared=False)
    assert [(line.at, line.action, line.subject_kind, line.actor) for line in lines] == [
        (NOON + 2 * ONE_DAY, "revoked", "user tokens", TESTER),
        (NOON + ONE_DAY, "revoked", "user tokens", TESTER),
    ]
    with pytest.raises(UserNotFound):
        await world.accounts.revoke_tokens(TEST, "nobody", by=TESTER)


async def test_lists_are_whole_or_paged(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without ``first`` all of it, unless that is more than may be; with it so many, after an id."""
    for user_id in ("a", "b", "c"):
        await world.subscribed_user(user_id)
        world.clock.advance(seconds=1)
    assert [user.id for user in await world.accounts.users(TEST)] == ["a", "b", "c"]
    assert [user.id for user in await world.accounts.users(TEST, first=1, after="a")] == ["b"]
    subscribed = await world.accounts.subscriptions(TEST)
    assert await world.accounts.subscriptions(TEST, first=2, after=subscribed[0].subscription.id) == subscribed[1:]
    monkeypatch.setattr("kana.model.page.LIST_MAX", 2)
    with pytest.raises(InvalidValue, match=r"^there are more than 2 users; page with first and after"):
        await world.accounts.users(TEST)
    with pytest.raises(InvalidValue, match=r"^there are more than 2 subscriptions"):
        await world.accounts.subscriptions(TEST)
    assert len(await world.accounts.users(TEST, first=2)) == 2
    assert len(await world.accounts.subscriptions(TEST, user_id="a")) == 1


@pytest.mark.parametrize("first", [0, -1, 10_001])
async def test_a_page_is_1_to_10000_rows(world: World, first: int) -> None:
    """Anything else names the range."""
    for listed in (world.accounts.users, world.accounts.subscriptions):
        with pytest.raises(InvalidValue, match=rf"^first must be 1 to 10000, got {first}$"):
            await listed(TEST, first=first)


async def test_subscriptions_are_answered_in_the_order_asked_for(world: World) -> None:
    """With ids that say where to look, which is where the user's data is kept."""
    user = await world.accounts.create_user(TEST, id="ada")
    answers = await world.accounts.subscribe(TEST, "ada", ["extra", "basic"])
    assert [(answer.user_id, answer.subscription.package_id) for answer in answers] == [
        ("ada", "extra"),
        ("ada", "basic"),
    ]
    assert {bucket_of_id(answer.subscription.id) for answer in answers} == {user.bucket}
    assert await world.accounts.subscriptions(TEST, user_id="ada") == answers


async def test_all_or_nothing_is_subscribed(world: World) -> None:
    """A package that may not be leaves the user without any."""
    await world.accounts.create_user(TEST, id="ada")
    with pytest.raises(SubscriptionRefused):
        await world.accounts.subscribe(TEST, "ada", ["basic", "none"])
    with pytest.raises(UserNotFound):
        await world.accounts.subscribe(LIVE, "ada", ["none"])
    assert await world.accounts.subscriptions(TEST) == []


async def test_a_change_answers_with_the_new_subscription(world: World) -> None:
    """The old one ended as the new one started."""
    await world.subscribed_user("ada")
    world.clock.advance(hours=1)
    new = await world.accounts.change_subscription(TEST, "ada", "pro")
    assert (new.subscription.package_id, new.subscription.start) == ("pro", NOON + timedelta(hours=1))
    [old, same] = await world.accounts.subscriptions(TEST, user_id="ada")
    assert same == new
    assert (old.subscription.status, old.subscription.ends_at) == (SubscriptionStatus.CANCELLED, new.subscription.start)


async def test_a_cancelled_subscription_is_answered_as_it_stands(world: World) -> None:
    """At period end it is ACTIVE until then and CANCELLED from then on, by time alone."""
    await world.subscribed_user("ada", "basic", "extra")
    [base, _] = await world.accounts.subscriptions(TEST, user_id="ada")
    number = base.subscription.id
    later = await world.accounts.cancel_subscription(TEST, number, at_period_end=True)
    assert (later.user_id, later.subscription.status, later.subscription.ends_at) == ("ada", "ACTIVE", NOON + ONE_DAY)
    assert await world.accounts.cancel_subscription(TEST, number, at_period_end=True) == later
    world.clock.advance(days=1)
    ended = await world.accounts.subscription(TEST, number)
    assert ended.subscription.status is SubscriptionStatus.CANCELLED
    assert await world.accounts.cancel_subscription(TEST, number) == ended
    assert {held.subscription.status for held in await world.accounts.subscriptions(TEST)} == {"CANCELLED"}


async def test_cancelling_what_never_was_is_an_error(world: World) -> None:
    """Also with the id of the other environment; without a period to wait for there is a conflict."""
    with pytest.raises(SubscriptionNotFound):
        await world.accounts.cancel_subscription(TEST, 1)
    await world.furnish(a_package("plain"))
    await world.subscribed_user("ada", "plain")
    [held] = await world.accounts.subscriptions(TEST)
    with pytest.raises(SubscriptionNotFound):
        await world.accounts.cancel_subscription(LIVE, held.subscription.id)
    with pytest.raises(Conflict, match="no reset period"):
        await world.accounts.cancel_subscription(TEST, held.subscription.id, at_period_end=True)
    assert await world.accounts.subscriptions(TEST) == [held]


async def test_two_who_cancel_at_once_both_get_an_answer(
    world: World, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where another call ended it between reading and deciding, the answer is what that call left."""
    await world.subscribed_user("ada")
    [held] = await world.accounts.subscriptions(TEST)
    number = held.subscription.id
    read = store.users.subscription

    async def read_then_lose_the_race(*asked: object) -> Subscribed:
        found = await read(*asked)  # type: ignore[arg-type]
        monkeypatch.undo()
        await world.accounts.cancel_subscription(TEST, number)
        return found

    monkeypatch.setattr(store.users, "subscription", read_then_lose_the_race)
    answer = await world.accounts.cancel_subscription(TEST, number)
    assert (answer.subscription.id, answer.subscription.status) == (number, SubscriptionStatus.CANCELLED)


async def test_an_end_is_taken_back_until_it_is_reached(world: World) -> None:
    """Resuming answers the subscription as it is then; what has ended stays ended."""
    await world.subscribed_user("ada")
    [held] = await world.accounts.subscriptions(TEST)
    number = held.subscription.id
    await world.accounts.change_subscription(TEST, "ada", "pro", when=ChangeTime.PERIOD_END, usage=ChangeUsage.CARRY)
    assert (await world.accounts.subscription(TEST, number)).subscription.ends_at == NOON + ONE_DAY
    assert await world.accounts.resume_subscription(TEST, number) == held
    assert await world.accounts.resume_subscription(TEST, number) == held
    await world.accounts.cancel_subscription(TEST, number)
    with pytest.raises(SubscriptionRefused, match="has ended; subscribe the user again"):
        await world.accounts.resume_subscription(TEST, number)


@pytest.mark.parametrize("times", [1, 4])
async def test_cancelling_finds_a_user_who_is_renamed_meanwhile(
    world: World, store: Store, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """The subscription is named by its own id: whatever its user is called by now, it is theirs and ends."""
    await world.subscribed_user("ada 0")
    [held] = await world.accounts.subscriptions(TEST)
    await rename_whenever_read(world, store, monkeypatch, times)
    answer = await world.accounts.cancel_subscription(TEST, held.subscription.id)
    assert (answer.user_id, answer.subscription.status) == (f"ada {times}", SubscriptionStatus.CANCELLED)


async def test_cancelling_does_not_run_after_a_user_for_ever(
    world: World, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is renamed each time is tried again later; nothing has changed."""
    await world.subscribed_user("ada 0")
    [held] = await world.accounts.subscriptions(TEST)
    await rename_whenever_read(world, store, monkeypatch, 5)
    with pytest.raises(Unavailable, match="try again"):
        await world.accounts.cancel_subscription(TEST, held.subscription.id)
    assert (await world.accounts.subscription(TEST, held.subscription.id)).subscription == held.subscription


async def rename_whenever_read(world: World, store: Store, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Have ada's id change right after each of the next so many times that her subscription is looked up."""
    read, ids = store.users.subscription, iter(range(times))

    async def read_and_rename(*asked: object) -> Subscribed:
        found = await read(*asked)  # type: ignore[arg-type]
        for number in islice(ids, 1):
            await world.accounts.update_user(TEST, f"ada {number}", {"id": f"ada {number + 1}"})
        return found

    monkeypatch.setattr(store.users, "subscription", read_and_rename)


@pytest.mark.parametrize(("text", "number"), [("1", 1), ("0", 0), (str(2**63 - 1), 2**63 - 1)])
def test_subscription_ids_are_decimal_on_the_wire(text: str, number: int) -> None:
    """Digits that fit into 63 bits."""
    assert parse_subscription_id(text) == number


@pytest.mark.parametrize("text", ["", "-1", "1.0", " 1", "a", "٣", str(2**63), "9" * 5000, "\ud800"])
def test_what_cannot_be_a_subscription_id_is_not_found(text: str) -> None:
    """It is no other error than that of an unknown id, and shows what was asked for."""
    with pytest.raises(SubscriptionNotFound, match=r"^Subscription not found: "):
        parse_subscription_id(text)
