"""Usage is decided and written in one durable step, listed, and audited against the ledger."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta

import pytest

from kana.engine.ports.store import Store
from kana.engine.ports.usage import Totals
from kana.engine.usage.batch import Batch
from kana.errors import FeatureNotFound, IdempotencyKeyReused, KanaError, UserNotFound
from kana.model.account import Account
from kana.model.catalog import Catalog
from kana.model.entitlement import Consumption, Outcome
from kana.model.grant import CounterKey
from kana.model.text import UNITS_MAX
from kana.model.usage import Action, Receipt, Usage
from tests.support.ledger import entries_of
from tests.support.stores import Place
from tests.support.world import (
    DAY,
    LIVE,
    NOON,
    ONE_DAY,
    TEST,
    World,
    a_feature,
    a_package,
    a_usage,
    allows,
    holds,
)


@pytest.fixture(autouse=True)
async def _furnished(world: World) -> None:
    """Ada may use ten messages a month and chat; bob has no subscription."""
    features = (a_feature(), a_feature("chat", binary=True))
    await world.furnish(
        a_package("basic", allows(10), holds("chat")), a_package("free", allows(None)), features=features
    )
    await world.subscribed_user("ada")
    await world.accounts.create_user(TEST, id="bob")


async def append(world: World, *usages: Usage, store: Store | None = None) -> list[Receipt | KanaError]:
    batch = Batch(usages, clock=world.clock, next_id=world.ids)
    await (store or world.store).ledger.append(batch)
    return [answer for answer in batch.answers if isinstance(answer, Receipt | KanaError)]


def outcome(answer: Receipt | KanaError) -> Outcome:
    assert isinstance(answer, Receipt), answer
    return answer.entry.outcome


async def used(world: World, user_id: str = "ada") -> int:
    """What is used of messages now."""
    decision = await world.usage.check(TEST, user_id, "message")
    assert decision.consumption is not None
    return decision.consumption.used


async def test_a_batch_is_decided_in_order_and_one_bad_usage_harms_nobody(world: World) -> None:
    """Each is decided on what those before it left; errors and refusals stand among the others."""
    answers = await append(
        world,
        a_usage(9),
        a_usage(user_id="nobody"),
        a_usage(2),
        a_usage(feature_id="none"),
        a_usage(1),
        a_usage(1, user_id="bob"),
        a_usage(-3),
        a_usage(8, action=Action.SET),
        a_usage(5, feature_id="chat"),
    )
    assert (type(answers[1]), type(answers[3])) == (UserNotFound, FeatureNotFound)
    receipts = [answer.entry for answer in answers if isinstance(answer, Receipt)]
    assert [
        (entry.outcome.value, entry.change, entry.consumption and entry.consumption.used) for entry in receipts
    ] == [
        ("RECORDED", 9, 9),
        ("LIMIT_EXCEEDED", 0, 9),
        ("RECORDED", 1, 10),
        ("NO_SUBSCRIPTION", 0, None),
        ("RECORDED", -3, 7),
        ("RECORDED", 1, 8),
        ("RECORDED", 5, None),
    ]
    assert await used(world) == 8


async def test_what_was_answered_is_there_after_opening_anew(world: World, place: Place) -> None:
    """Entries, refusals included, and totals, field by field."""
    late = NOON + timedelta(hours=1)
    world.clock.advance(days=1)
    answers = await append(
        world,
        a_usage(4, key="k", timestamp=late, metadata={"é": [1, 1.5, True, None, 10**18, 1e300]}),
        a_usage(99, metadata=""),
        a_usage(2, feature_id="chat"),
        a_usage(1, user_id="bob", action=Action.SET),
    )
    entries = [answer.entry for answer in answers if isinstance(answer, Receipt)]
    assert [entry.recorded for entry in entries] == [True, False, True, False]
    another = await place.open()
    assert await entries_of(another, "ada") == entries[2::-1]
    assert await entries_of(another, "bob") == entries[3:]
    audit = await another.audits.audit()
    assert (audit.entries, audit.counters, audit.drifts) == (4, 2, ())
    [again] = await append(world, a_usage(1), store=another)
    await another.close()
    assert isinstance(again, Receipt)
    assert again.entry.consumption == Consumption(5, 10, overage_enabled=False)


async def test_a_key_counts_once_for_ever(world: World, place: Place) -> None:
    """A thousand days later, on another store, under other limits: the first answer, word for word."""
    first, refused = await append(world, a_usage(7, key="k"), a_usage(7, key="refused"))
    assert isinstance(first, Receipt)
    assert isinstance(refused, Receipt)
    assert (first.duplicate, refused.entry.outcome) == (False, Outcome.LIMIT_EXCEEDED)
    await world.furnish(a_package("basic", allows(1000), holds("chat")), features=(a_feature(),))
    world.clock.advance(days=1000)
    another = await place.open()
    again = await append(world, a_usage(7, key="k"), a_usage(7, key="refused"), store=another)
    await another.close()
    assert again == [Receipt(first.entry, duplicate=True), Receipt(refused.entry, duplicate=True)]
    assert (await world.store.audits.audit()).entries == 2


async def test_a_key_with_other_content_is_an_error(world: World) -> None:
    """Nothing is recorded and the differing fields are named."""
    await append(world, a_usage(1, key="k", metadata={"a": 1}))
    [reused] = await append(world, a_usage(2, key="k", action=Action.SET))
    assert isinstance(reused, IdempotencyKeyReused)
    assert "delta, action, metadata differ" in reused.message
    assert await used(world) == 1


async def test_keys_of_users_and_environments_are_apart(world: World) -> None:
    """The same key of another user, or of the same user in the other environment, is another key."""
    await world.furnish(a_package("basic", allows(10)), environment=LIVE)
    await world.accounts.create_user(LIVE, id="ada")
    await world.accounts.subscribe(LIVE, "ada", ["basic"])
    await world.accounts.subscribe(TEST, "bob", ["basic"])
    usages = [a_usage(2, key="k"), a_usage(3, key="k", user_id="bob"), a_usage(4, key="k", environment=LIVE)]
    answers = await append(world, *usages)
    assert [isinstance(answer, Receipt) and not answer.duplicate for answer in answers] == [True] * 3
    assert await append(world, *usages) == [
        Receipt(answer.entry, duplicate=True) for answer in answers if isinstance(answer, Receipt)
    ]
    decision = await world.usage.check(LIVE, "ada", "message")
    assert decision.consumption == Consumption(4, 10, overage_enabled=False)


async def test_a_key_twice_in_one_batch_counts_once(world: World) -> None:
    """The second is answered with the first's entry, or told what differs."""
    first, second, third = await append(world, a_usage(2, key="k"), a_usage(2, key="k"), a_usage(3, key="k"))
    assert isinstance(first, Receipt)
    assert second == Receipt(first.entry, duplicate=True)
    assert isinstance(third, IdempotencyKeyReused)
    assert await used(world) == 2


async def test_a_usage_that_was_wrong_binds_no_key(world: World) -> None:
    """After an error the key is free."""
    [wrong] = await append(world, a_usage(key="k", timestamp=NOON - ONE_DAY))
    assert isinstance(wrong, KanaError)
    [right] = await append(world, a_usage(key="k"))
    assert isinstance(right, Receipt)
    assert not right.duplicate


async def test_totals_reach_two_to_the_53_less_one(world: World) -> None:
    """The last unit counts exactly, the next is refused in words, and nothing turns into a float."""
    await world.accounts.subscribe(TEST, "bob", ["free"])
    answers = await append(
        world,
        a_usage(UNITS_MAX - 1, user_id="bob"),
        a_usage(2, user_id="bob"),
        a_usage(1, user_id="bob"),
        a_usage(1, user_id="bob"),
    )
    assert [outcome(answer) for answer in answers] == [
        Outcome.RECORDED,
        Outcome.TOTAL_TOO_LARGE,
        Outcome.RECORDED,
        Outcome.TOTAL_TOO_LARGE,
    ]
    total = await used(world, "bob")
    assert (total, type(total)) == (UNITS_MAX, int)
    assert (await world.store.audits.audit()).drifts == ()
    [given_back] = await append(world, a_usage(-UNITS_MAX, user_id="bob"))
    assert outcome(given_back) is Outcome.RECORDED
    assert await used(world, "bob") == 0


@pytest.mark.parametrize("callers", [2, 8, 32])
async def test_the_last_units_go_to_exactly_as_many(world: World, place: Place, callers: int) -> None:
    """Batches at once, over two stores on the same database, never pass the limit together."""
    await append(world, a_usage(9))
    another = await place.open()
    answers = await asyncio.gather(
        *(append(world, a_usage(), store=(world.store, another)[number % 2]) for number in range(callers))
    )
    await another.close()
    assert Counter(outcome(answer) for [answer] in answers) == {
        Outcome.RECORDED: 1,
        Outcome.LIMIT_EXCEEDED: callers - 1,
    }
    assert await used(world) == 10


async def test_one_key_at_once_is_one_entry(world: World, place: Place) -> None:
    """Thirty-two batches with the same key on two stores: one original and 31 duplicates of it."""
    another = await place.open()
    answers = await asyncio.gather(
        *(append(world, a_usage(3, key="k"), store=(world.store, another)[number % 2]) for number in range(32))
    )
    await another.close()
    receipts = [answer for [answer] in answers if isinstance(answer, Receipt)]
    assert Counter(receipt.duplicate for receipt in receipts) == {False: 1, True: 31}
    assert len({receipt.entry.id for receipt in receipts}) == 1
    assert await used(world) == 3


async def test_two_batches_that_cross_both_commit(world: World, place: Place) -> None:
    """Accounts are locked in one order, whatever the order of the usages: nobody deadlocks."""
    await world.accounts.subscribe(TEST, "bob", ["free"])
    another = await place.open()
    forth, back = [a_usage(), a_usage(user_id="bob")], [a_usage(user_id="bob"), a_usage()]
    answers = await asyncio.gather(
        *(append(world, *forth, store=world.store) for _ in range(5)),
        *(append(world, *back, store=another) for _ in range(5)),
    )
    await another.close()
    assert [outcome(answer) for pair in answers for answer in pair] == [Outcome.RECORDED] * 20
    assert (await used(world), await used(world, "bob")) == (10, 10)


async def test_a_batch_is_decided_on_the_newest_limits_and_subscriptions(world: World, place: Place) -> None:
    """What another store has just changed holds for the next batch: limit lowered, then subscription cancelled."""
    another = World(await place.open(), clock=world.clock)
    assert [outcome(answer) for answer in await append(world, a_usage(5))] == [Outcome.RECORDED]
    await another.furnish(a_package("basic", allows(5), holds("chat")), features=(a_feature(),))
    assert [outcome(answer) for answer in await append(world, a_usage())] == [Outcome.LIMIT_EXCEEDED]
    [held] = await another.accounts.subscriptions(TEST, user_id="ada")
    await another.accounts.cancel_subscription(TEST, held.subscription.id)
    assert [outcome(answer) for answer in await append(world, a_usage(-1))] == [Outcome.NO_SUBSCRIPTION]
    await another.store.close()


async def test_a_batch_that_cannot_be_decided_writes_nothing(world: World) -> None:
    """Whatever is raised while deciding is raised, and the transaction is undone whole."""

    def fails() -> int:
        raise LookupError("no id")

    with pytest.raises(LookupError, match="no id"):
        await world.store.ledger.append(Batch([a_usage()], clock=world.clock, next_id=fails))
    assert (await world.store.audits.audit()).entries == 0
    assert [outcome(answer) for answer in await append(world, a_usage(10))] == [Outcome.RECORDED]


async def test_an_empty_batch_is_nothing(world: World) -> None:
    """It commits, and there is no answer."""
    assert await append(world) == []


async def test_a_lane_is_the_same_for_the_same_user(world: World) -> None:
    """Who shares a lane shares batches; a user never changes lanes within a process."""
    assert world.store.ledger.lane(TEST, "ada") == world.store.ledger.lane(TEST, "ada")


async def test_a_snapshot_is_of_accounts_and_totals(world: World) -> None:
    """Unknown users are left out; what was wanted comes back for each; ended subscriptions come with history only."""
    await append(world, a_usage(3))
    [held] = await world.accounts.subscriptions(TEST, user_id="ada")
    resets = {"message": allows(10).allowance.reset_period, "chat": None}

    def want(account: Account, _: Catalog) -> Totals:
        return Totals(
            CounterKey(subscription.bucket, subscription.id, feature_id, reset, subscription.start)
            for subscription in account.subscriptions
            for feature_id, reset in resets.items()
        )

    snapshot = await world.store.ledger.snapshot(TEST, ["bob", "nobody", "ada"], want, now=world.clock())
    assert set(snapshot.accounts) == {"ada", "bob"}
    assert snapshot.accounts["ada"].subscriptions == (held.subscription,)
    assert snapshot.accounts["bob"].subscriptions == ()
    assert {user_id: len(totals) for user_id, totals in snapshot.wanted.items()} == {"ada": 2, "bob": 0}
    assert [snapshot.used.get(each, 0) for each in snapshot.wanted["ada"]] == [3, 0]
    assert list(snapshot.used.values()) == [3]
    assert snapshot.catalog == await world.store.catalogs.catalog(TEST)
    await world.accounts.cancel_subscription(TEST, held.subscription.id)
    for history, number in ((False, 0), (True, 1)):
        later = await world.store.ledger.snapshot(
            TEST, ["ada"], lambda *_: Totals(), now=world.clock(), history=history
        )
        assert len(later.accounts["ada"].subscriptions) == number
    assert (
        dict((await world.store.ledger.snapshot(LIVE, ["ada"], lambda *_: Totals(), now=world.clock())).accounts) == {}
    )
    assert dict((await world.store.ledger.snapshot(TEST, [], lambda *_: Totals(), now=world.clock())).accounts) == {}


async def test_what_want_raises_is_raised(world: World) -> None:
    """And the store goes on."""

    def want(_: Account, catalog: Catalog) -> Totals:
        catalog.feature("none")
        return Totals()

    with pytest.raises(FeatureNotFound):
        await world.store.ledger.snapshot(TEST, ["ada"], want, now=world.clock())
    assert await used(world) == 0


async def test_an_audit_counts_and_finds_nothing_where_all_is_well(world: World) -> None:
    """Counters of several periods, features and refusals: every one equals its lines."""
    await append(world, a_usage(3), a_usage(-1), a_usage(99), a_usage(feature_id="chat"), a_usage(user_id="bob"))
    world.clock.advance(days=40)
    await append(world, a_usage(5), a_usage(2, timestamp=NOON))
    audit = await world.store.audits.audit()
    assert (audit.entries, audit.counters, audit.drifts) == (7, 3, ())


@pytest.mark.parametrize(
    ("statement", "counted", "in_ledger"),
    [
        ("update counters set used = used + 1", 4, 3),
        ("delete from counters", 0, 3),
        ("update entries set change = change + 1", 3, 4),
        ("delete from entries", 3, 0),
    ],
)
async def test_an_audit_finds_what_was_tampered_with(
    world: World, place: Place, statement: str, counted: int, in_ledger: int
) -> None:
    """A counter or a line changed or removed by hand is a drift that names the counter and both sums."""
    [receipt] = await append(world, a_usage(3))
    assert isinstance(receipt, Receipt)
    await place.tamper(statement)
    [drift] = (await world.store.audits.audit()).drifts
    assert (drift.counter, drift.counted, drift.in_ledger) == (receipt.entry.counter, counted, in_ledger)


async def test_a_period_that_was_never_used_is_zero_whatever_came_before(world: World) -> None:
    """Daily totals do not add up across days, and a late usage counts on its own day alone."""
    await world.furnish(a_package("daily", allows(2, DAY)), features=(a_feature(),))
    await world.subscribed_user("eve", "daily")
    await append(world, a_usage(2, user_id="eve"))
    world.clock.advance(days=2)
    answers = await append(
        world,
        a_usage(2, user_id="eve"),
        a_usage(2, user_id="eve", timestamp=NOON + ONE_DAY),
        a_usage(1, user_id="eve", timestamp=NOON),
    )
    assert [outcome(answer) for answer in answers] == [Outcome.RECORDED, Outcome.RECORDED, Outcome.LIMIT_EXCEEDED]
