"""Managing endpoints: what is refused, and what background work does when something fails."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

import pytest

from kana.engine.ports.store import Store
from kana.engine.webhooks import delivering
from kana.errors import InvalidValue, Unavailable, WebhookNotFound
from kana.model.webhook import Reply, WebhookRequest
from tests.support.webhooks import URL, NotedSender, deliver
from tests.support.world import TEST, TESTER, World


@pytest.fixture
def sender() -> NotedSender:
    return NotedSender()


@pytest.fixture
async def world(store: Store, sender: NotedSender) -> World:
    return World(store, sender=sender)


async def test_what_is_refused(world: World) -> None:
    """A value that is not allowed, or an id that is nobody's; nothing is changed."""
    webhooks = world.engine.webhooks
    for url, types in (("https://private.example", []), ("nowhere", []), (URL, ["user"])):
        with pytest.raises(InvalidValue):
            await webhooks.create_endpoint(TEST, url=url, types=types, by=TESTER)
    assert await webhooks.endpoints(TEST) == []
    endpoint, _ = await webhooks.create_endpoint(TEST, url=URL, by=TESTER)
    id_ = str(endpoint.id)
    with pytest.raises(InvalidValue):
        await webhooks.update_endpoint(TEST, id_, {"url": "https://private.example", "types": []}, by=TESTER)
    with pytest.raises(InvalidValue):
        await webhooks.update_endpoint(TEST, id_, {"url": URL, "types": ["user"]}, by=TESTER)
    assert await webhooks.endpoints(TEST) == [endpoint]
    with pytest.raises(InvalidValue, match="after must be the id of a notification, got 'x'"):
        await webhooks.deliveries(TEST, id_, after="x")
    with pytest.raises(InvalidValue, match="first must be 1 to 1000, got 0"):
        await webhooks.deliveries(TEST, id_, after="9", first=0)
    for call in (webhooks.delete_endpoint(TEST, "x", by=TESTER), webhooks.resend(TEST, id_, "x")):
        with pytest.raises(WebhookNotFound, match="not found: 'x'"):
            await call


async def test_what_may_change(world: World) -> None:
    """Each field alone; what is left out stays."""
    webhooks = world.engine.webhooks
    endpoint, _ = await webhooks.create_endpoint(TEST, url=URL, by=TESTER)
    id_ = str(endpoint.id)
    changed = await webhooks.update_endpoint(TEST, id_, {"types": ["user.created"]}, by=TESTER)
    assert (changed.url, changed.types) == (URL, ("user.created",))
    changed = await webhooks.update_endpoint(TEST, id_, {"url": f"{URL}/2", "is_enabled": False}, by=TESTER)
    assert (changed.url, changed.types, changed.is_enabled) == (f"{URL}/2", ("user.created",), False)
    assert changed.disabled_because == "Somebody disabled it."
    changed = await webhooks.update_endpoint(TEST, id_, {"is_enabled": True, "types": []}, by=TESTER)
    assert (changed.types, changed.is_enabled) == ((), True)


async def test_what_was_sent_can_be_sent_again(
    world: World, sender: NotedSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One, or all since a time; with the newest secret first."""
    monkeypatch.setattr(delivering, "_FILLED_TOGETHER", 1)
    webhooks = world.engine.webhooks
    endpoint, secret = await webhooks.create_endpoint(TEST, url=URL, by=TESTER)
    id_ = str(endpoint.id)
    for each in ("ada", "bob"):
        await world.accounts.create_user(TEST, id=each)
    await deliver(world)
    assert len(sender.told()) == 2
    newest, oldest = await webhooks.deliveries(TEST, id_)
    assert await webhooks.deliveries(TEST, id_, after=str(newest.notification_id)) == [oldest]
    await webhooks.resend(TEST, id_, str(oldest.notification_id))
    await deliver(world)
    assert sender.told() == [("user.created", "ada")]
    await webhooks.replay(TEST, id_, since=world.clock())
    rotated, new_secret = await webhooks.rotate_secret(TEST, id_, by=TESTER)
    assert new_secret != secret
    assert rotated.previous_secret_ends_at == world.clock() + timedelta(days=1)
    await deliver(world)
    assert [each.headers["webhook-signature"].count("v1,") for each in sender.sent] == [2, 2]


async def test_what_is_new_is_sent_in_the_background(world: World, sender: NotedSender) -> None:
    """Soon, while the process runs; and what it is sending when it ends is waited for."""
    await world.engine.webhooks.create_endpoint(TEST, url=URL, by=TESTER)
    async with world.engine.deliverer.running():
        await world.accounts.create_user(TEST, id="ada")
        world.engine.deliverer.wake()
        await asyncio.wait_for(sender.began.wait(), 10)
    assert sender.told() == [("user.created", "ada")]
    await world.engine.deliverer.settled()


class Hanging(NotedSender):
    """Never gets an answer."""

    async def send(self, request: WebhookRequest) -> Reply:
        await super().send(request)
        await asyncio.Event().wait()
        raise AssertionError


async def test_who_ends_does_not_wait_for_a_receiver_for_long(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What got no answer is sent again when its time is over, by whoever runs then, and not before."""
    monkeypatch.setattr(delivering, "ENDING_S", 0.05)
    hanging, good = Hanging(), NotedSender()
    world = World(store, sender=hanging)
    await world.engine.webhooks.create_endpoint(TEST, url=URL, by=TESTER)
    await world.accounts.create_user(TEST, id="ada")
    async with world.engine.deliverer.running():
        await asyncio.wait_for(hanging.began.wait(), 10)
        await world.engine.deliverer.deliver()
    assert len(hanging.sent) == 1
    other = World(store, sender=good, clock=world.clock)
    await deliver(other)
    assert good.told() == [], "it may still be on its way"
    world.clock.advance(minutes=1)
    await deliver(other)
    assert good.told() == [("user.created", "ada")]


@pytest.mark.parametrize(
    ("error", "logged"),
    [
        (Unavailable("down"), "delivering to the webhook endpoint {} failed: down"),
        (ValueError("odd"), "delivering to the webhook endpoint {} failed"),
        (WebhookNotFound("gone"), ""),
    ],
)
async def test_an_error_is_logged_and_the_next_round_goes_on(
    world: World,
    sender: NotedSender,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    logged: str,
) -> None:
    """Whatever goes wrong with one endpoint, others are served, and it is tried again."""
    first, _ = await world.engine.webhooks.create_endpoint(TEST, url=f"{URL}/1", by=TESTER)
    await world.engine.webhooks.create_endpoint(TEST, url=f"{URL}/2", by=TESTER)
    await world.accounts.create_user(TEST, id="ada")
    settle = world.store.webhooks.settle
    failing = True

    async def fails_once(environment: object, delivery: object, *rest: object, **more: object) -> None:
        if failing and getattr(delivery, "endpoint_id") == first.id:  # noqa: B009
            raise error
        await settle(environment, delivery, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(world.store.webhooks, "settle", fails_once)
    with caplog.at_level(logging.WARNING, "kana.webhooks"):
        await deliver(world)
    assert [record.getMessage() for record in caplog.records] == ([logged.format(first.id)] if logged else [])
    assert sender.told() == [("user.created", "ada")] * 2
    failing = False
    world.clock.advance(minutes=1)
    await deliver(world)
    assert sender.told() == [("user.created", "ada")]
