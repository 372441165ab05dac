"""Webhooks: each notification at least once, of each user in order, and nobody waits for another; on each database."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta

import pytest

from kana.engine.notifications.notifications import KEPT
from kana.engine.ports.store import Store
from kana.engine.webhooks import delivering
from kana.errors import Conflict, WebhookNotFound
from kana.model.webhook import ENDPOINTS_MAX, DeliveryState, Reply, WebhookDelivery, WebhookEndpoint, WebhookRequest
from tests.support.stores import Place, furnish_workspace
from tests.support.traces import places_of
from tests.support.webhooks import BAD, GOOD, URL, NotedSender, body_of, deliver
from tests.support.world import LIVE, TEST, TESTER, World, a_package

PENDING, DELIVERED, FAILED = DeliveryState


@pytest.fixture
def sender() -> NotedSender:
    return NotedSender()


@pytest.fixture
async def world(store: Store, sender: NotedSender) -> World:
    return World(store, sender=sender)


async def create(world: World, url: str = URL, **more: Sequence[str]) -> str:
    """An endpoint's id."""
    endpoint, _ = await world.engine.webhooks.create_endpoint(TEST, url=url, by=TESTER, **more)
    return str(endpoint.id)


async def make_users(world: World, *ids: str) -> None:
    """Create users, one after the other."""
    for each in ids:
        await world.accounts.create_user(TEST, id=each)


async def listed(world: World, id_: str, state: DeliveryState | None = None) -> Sequence[WebhookDelivery]:
    """The deliveries of an endpoint, the newest first."""
    return await world.engine.webhooks.deliveries(TEST, id_, state=state)


async def states(world: World, id_: str) -> list[str]:
    """Their states, the oldest first."""
    return [each.state.value for each in reversed(await listed(world, id_))]


async def found(world: World, id_: str) -> WebhookEndpoint:
    """An endpoint as it is now."""
    [endpoint] = [each for each in await world.engine.webhooks.endpoints(TEST) if str(each.id) == id_]
    return endpoint


async def test_each_endpoint_gets_what_it_wants_from_then_on(world: World, sender: NotedSender) -> None:
    """Nothing of before, nothing of another environment, each type or those it names, once."""
    await make_users(world, "before")
    all_, some = await create(world), await create(world, f"{URL}/2", types=["user.deleted"])
    await world.accounts.create_user(LIVE, id="live")
    await make_users(world, "ada")
    await world.engine.deletions.delete(TEST, "ada", by=TESTER)
    for _ in range(3):
        await deliver(world)
    told = [(request.url, body_of(request)["type"]) for request in sender.sent]
    assert sorted(told) == [(URL, "user.created"), (URL, "user.deleted"), (f"{URL}/2", "user.deleted")]
    assert await states(world, all_) == ["DELIVERED"] * 2
    assert await states(world, some) == ["DELIVERED"]
    [delivery] = await listed(world, some)
    assert [(each.status, each.error, each.body) for each in delivery.attempts] == [(204, None, "")]


async def test_what_fails_holds_up_only_what_is_of_the_same_user(world: World, sender: NotedSender) -> None:
    """Later ones of that user wait until it is received, in order; those of others are sent meanwhile."""
    id_, down = await create(world), True
    sender.answer = lambda request: BAD if down and body_of(request)["data"]["userId"] == "ada" else GOOD
    await make_users(world, "ada", "bob")
    await world.furnish(a_package("basic"))
    for each in ("ada", "bob"):
        await world.accounts.subscribe(TEST, each, ["basic"])
    await deliver(world)
    assert set(sender.told()) == {
        ("user.created", "ada"),
        ("user.created", "bob"),
        ("package.published", None),
        ("subscription.started", "bob"),
    }
    await deliver(world)
    assert sender.told() == [], "not before its time"
    assert (await states(world, id_)).count("PENDING") == 2
    world.clock.advance(seconds=6)
    await deliver(world)
    assert sender.told() == [("user.created", "ada")]
    down = False
    world.clock.advance(seconds=30)
    await deliver(world)
    assert sender.told() == [("user.created", "ada"), ("subscription.started", "ada")]
    [*_, first] = await listed(world, id_)
    assert [each.status for each in first.attempts] == [500, 500, 204]
    assert [each.body for each in first.attempts] == ["out of order", "out of order", ""]


async def test_an_endpoint_waits_for_no_other(world: World, sender: NotedSender) -> None:
    """While the first one hangs, the second one gets everything."""
    await create(world, f"{URL}/slow")
    await create(world)
    waiting = asyncio.Event()

    class Slow(NotedSender):
        async def send(self, request: WebhookRequest) -> Reply:
            if request.url.endswith("slow"):
                await waiting.wait()
            return await super().send(request)

    slow = Slow()
    other = World(world.store, sender=slow, clock=world.clock)
    await make_users(world, *(f"u{number}" for number in range(20)))
    await other.engine.deliverer.deliver()
    await other.engine.deliverer.settled(timeout_s=0.01)
    async with asyncio.timeout(20):
        while len(slow.sent) < 20:
            await other.engine.deliverer.deliver()
            await other.engine.deliverer.settled(timeout_s=0.01)
    assert {request.url for request in slow.sent} == {URL}
    waiting.set()
    await other.engine.deliverer.settled()
    assert len(slow.sent) == 40


async def test_many_processes_deliver_each_once_and_in_order(place: Place) -> None:
    """Four at the same time, with receivers that fail by chance: each is received once, of each user in order."""
    chance, store = random.Random(1), await place.open()
    await furnish_workspace(store)
    received: defaultdict[str, list[int]] = defaultdict(list)

    class Flaky(NotedSender):
        async def send(self, request: WebhookRequest) -> Reply:
            await asyncio.sleep(chance.random() / 100)
            if chance.random() < 0.3:
                return BAD
            data = body_of(request)["data"]
            received[data["userId"]].append(int(data["id"]))
            return GOOD

    worlds = [World(store, sender=Flaky())]
    worlds += [World(store, sender=Flaky(), clock=worlds[0].clock) for _ in range(3)]
    await create(worlds[0])
    users = [f"u{number}" for number in range(12)]
    await worlds[0].furnish()
    for _ in range(2):
        await make_users(worlds[0], *users)
        for each in users:
            await worlds[0].engine.deletions.delete(TEST, each, by=TESTER)
    for _ in range(12):
        await asyncio.gather(*(deliver(each) for each in worlds))
        worlds[0].clock.advance(hours=3)
    assert sum(map(len, received.values())) == 48
    assert sorted(number for numbers in received.values() for number in numbers) == list(range(1, 49))
    assert all(numbers == sorted(numbers) for numbers in received.values())
    await store.close()


async def test_gone_disables_and_enabling_goes_on(world: World, sender: NotedSender) -> None:
    """Nothing is sent then, the log says so, and what came meanwhile is sent when it is enabled again."""
    id_ = await create(world)
    sender.answer = lambda _: Reply(status=410)
    await make_users(world, "ada", "bob")
    await deliver(world)
    assert len(sender.told()) == 2, "both were on their way"
    await make_users(world, "eve")
    world.clock.advance(days=1)
    await deliver(world)
    assert sender.told() == []
    endpoint = await found(world, id_)
    assert (endpoint.is_enabled, endpoint.disabled_because) == (False, "The receiver answered 410 Gone.")
    [line, *_] = await world.engine.insights.log(TEST)
    assert (line.actor.kind, line.action, line.subject_kind, line.subject_id) == (
        "server", "updated", "webhook endpoint", id_,
    )  # fmt: skip
    assert isinstance(line.after, dict)
    assert line.after["disabledBecause"] == "The receiver answered 410 Gone."
    sender.answer = lambda _: GOOD
    await world.engine.webhooks.update_endpoint(TEST, id_, {"is_enabled": True}, by=TESTER)
    await deliver(world)
    assert sorted(sender.told()) == [("user.created", "ada"), ("user.created", "bob"), ("user.created", "eve")]


async def test_a_day_of_failures_disables(world: World, sender: NotedSender) -> None:
    """Not before; a success in between begins anew."""
    id_ = await create(world)
    sender.answer = lambda _: BAD
    await make_users(world, "ada", "bob", "eve")
    for _ in range(20):
        await deliver(world)
        world.clock.advance(minutes=50)
    assert (await found(world, id_)).is_enabled
    assert (await found(world, id_)).failures >= 20
    for _ in range(12):
        await deliver(world)
        world.clock.advance(hours=4)
    endpoint = await found(world, id_)
    assert not endpoint.is_enabled
    assert "It failed each time since" in (endpoint.disabled_because or "")


async def test_what_is_given_up_can_be_sent_again(world: World, sender: NotedSender) -> None:
    """After eleven tries; then later ones of the user are sent, and it is when somebody says so."""
    id_ = await create(world)
    sender.answer = lambda request: BAD if "created" in body_of(request)["type"] else GOOD
    await make_users(world, "ada")
    await world.engine.deletions.delete(TEST, "ada", by=TESTER)
    for _ in range(11):
        assert await states(world, id_) in ([], ["PENDING", "PENDING"])
        await deliver(world)
        world.clock.advance(hours=12)
    assert await states(world, id_) == ["FAILED", "DELIVERED"]
    [failed] = await listed(world, id_, FAILED)
    sender.told()
    sender.answer = lambda _: GOOD
    again = await world.engine.webhooks.resend(TEST, id_, str(failed.notification_id))
    assert (again.state, again.tries) == (PENDING, 0)
    await deliver(world)
    assert [type_ for type_, _ in sender.told()] == ["user.created"]
    assert [each.state for each in await listed(world, id_, DELIVERED)] == [DELIVERED] * 2
    assert len((await listed(world, id_))[1].attempts) == 11, "the last eleven"
    for unknown in ((id_, "999"), ("999", "1")):
        with pytest.raises(WebhookNotFound):
            await world.engine.webhooks.resend(TEST, *unknown)


async def test_one_that_waits_for_an_earlier_one_waits_on(world: World, sender: NotedSender) -> None:
    """Sending it again does not change the order of a user."""
    id_ = await create(world)
    sender.answer = lambda _: BAD
    await make_users(world, "ada")
    await world.engine.deletions.delete(TEST, "ada", by=TESTER)
    await deliver(world)
    waiting, first = await listed(world, id_)
    sender.told()
    assert (await world.engine.webhooks.resend(TEST, id_, str(waiting.notification_id))).next_at is None
    await deliver(world)
    assert sender.told() == []
    await world.engine.webhooks.resend(TEST, id_, str(first.notification_id))
    sender.answer = lambda _: GOOD
    await deliver(world)
    assert [type_ for type_, _ in sender.told()] == ["user.created", "user.deleted"]


async def test_replay(world: World, sender: NotedSender) -> None:
    """What happened since a time is sent again, and nothing else; what is on its way is not sent twice."""
    id_ = await create(world)
    await make_users(world, "ada")
    world.clock.advance(hours=1)
    await make_users(world, "bob", "eve")
    await deliver(world)
    sender.told()
    for since in (world.clock(), world.clock()):
        await world.engine.webhooks.replay(TEST, id_, since=since)
    await deliver(world)
    assert sorted(sender.told()) == [("user.created", "bob"), ("user.created", "eve")]
    await world.engine.webhooks.replay(TEST, id_, since=world.clock() + timedelta(hours=1))
    await deliver(world)
    assert sender.told() == []
    await world.engine.webhooks.replay(TEST, id_, since=world.clock() - timedelta(days=9))
    await deliver(world)
    assert len(sender.told()) == 3


async def test_only_so_many_are_open(world: World, sender: NotedSender, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest stays among the notifications until there is room, and none is missed."""
    monkeypatch.setattr(delivering, "PENDING_MAX", 10)
    monkeypatch.setattr(delivering, "_FILLED_TOGETHER", 5)
    id_ = await create(world)
    sender.answer = lambda _: BAD
    await make_users(world, *(f"u{number:02}" for number in range(23)))
    await deliver(world)
    assert len(await listed(world, id_)) == 10
    sender.answer = lambda _: GOOD
    sender.told()
    for _ in range(3):
        world.clock.advance(seconds=6)
        await deliver(world)
    assert sorted(sender.told()) == [("user.created", f"u{number:02}") for number in range(23)]


async def test_old_ones_are_forgotten(world: World, sender: NotedSender) -> None:
    """With the notifications; one that was never sent holds nothing up that came after it."""
    id_ = await create(world)
    sender.answer = lambda _: BAD
    await make_users(world, "ada")
    await deliver(world)
    await world.engine.webhooks.update_endpoint(TEST, id_, {"is_enabled": False}, by=TESTER)
    world.clock.advance(seconds=KEPT.total_seconds() + 1)
    await world.engine.notifications.look()
    await world.engine.deletions.delete(TEST, "ada", by=TESTER)
    sender.answer = lambda _: GOOD
    sender.told()
    await world.engine.webhooks.update_endpoint(TEST, id_, {"is_enabled": True}, by=TESTER)
    await deliver(world)
    await deliver(world)
    assert [type_ for type_, _ in sender.told()] == ["user.deleted"]
    world.clock.advance(seconds=KEPT.total_seconds() + 1)
    await deliver(world)
    assert await listed(world, id_) == []


async def test_what_receivers_answered_about_a_deleted_user_is_gone(
    world: World, sender: NotedSender, place: Place
) -> None:
    """It may repeat who they were; what was on its way then is cleared as well. Of others it stays."""
    id_ = await create(world)
    sender.answer = lambda request: Reply(status=200, body=str(body_of(request)["data"]["userId"]))
    await make_users(world, "lovelace-1815", "bob")
    await deliver(world)
    assert await places_of(place, ["lovelace"]) != []
    await world.engine.deletions.delete(TEST, "lovelace-1815", by=TESTER)
    await world.engine.deletions.take_up()
    assert await places_of(place, ["lovelace"]) == []
    assert [each.body for delivery in await listed(world, id_) for each in delivery.attempts] == ["bob"]


async def test_a_deleted_endpoint_gets_nothing_more(world: World, sender: NotedSender) -> None:
    """What was open is gone with it, and so is its secret; others keep theirs."""
    id_ = await create(world)
    await make_users(world, "ada")
    await world.engine.webhooks.delete_endpoint(TEST, id_, by=TESTER)
    await deliver(world)
    assert sender.told() == []
    for call in (
        world.engine.webhooks.deliveries(TEST, id_),
        world.engine.webhooks.rotate_secret(TEST, id_, by=TESTER),
        world.engine.webhooks.delete_endpoint(TEST, id_, by=TESTER),
    ):
        with pytest.raises(WebhookNotFound, match=f"Webhook endpoint not found: '{id_}'"):
            await call


async def test_there_are_only_so_many(world: World) -> None:
    """One more is refused, however many are created at once; the other environment has its own."""
    for _ in range(ENDPOINTS_MAX - 1):
        await create(world)
    tries = await asyncio.gather(*(create(world) for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in tries].count(Conflict) == 2
    await world.engine.webhooks.create_endpoint(LIVE, url=URL, by=TESTER)
    with pytest.raises(WebhookNotFound):
        await world.engine.webhooks.deliveries(LIVE, str((await world.engine.webhooks.endpoints(TEST))[0].id))
