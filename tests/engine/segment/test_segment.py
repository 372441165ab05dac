"""Messages are carried out once, in order; what cannot be yet stays open."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from kana.engine.ports.users import AccountStore
from kana.engine.segment import replay
from kana.engine.segment.segment import SegmentEngine
from kana.errors import Conflict, IdempotencyKeyReused, Internal, InvalidValue, KanaError, NotFound, Unavailable
from kana.model.environment import bucket_of
from kana.model.segment import EventStatus, Message, MessageType, SegmentEvent
from kana.model.usage import Receipt, Usage
from tests.support.ledger import entries_of
from tests.support.world import NOON, TEST, World, a_package, a_usage, a_user, allows


def track(number: int, user_id: str = "ada", **properties: Any) -> Message:
    """A track that names the feature, unless it says another."""
    return a_message(number, MessageType.TRACK, user_id, properties={"featureId": "message", **properties})


def identify(number: int, user_id: str = "ada", **traits: Any) -> Message:
    return a_message(number, MessageType.IDENTIFY, user_id, traits=traits)


def a_message(number: int, kind: MessageType, user_id: str, **parts: Any) -> Message:
    parts = {"properties": {}, "traits": {}} | parts
    return Message(
        id=f"m-{number}", type=kind, user_id=user_id, event="Sent", timestamp=None, raw=json.dumps(parts), **parts
    )


async def outcomes(world: World) -> dict[str, tuple[str, str | None]]:
    events = await world.store.segment.segment_events(TEST, status=None, limit=100, before=None)
    return {event.message_id: (event.status.value, event.reason) for event in events}


@pytest.fixture
async def shop(world: World) -> World:
    """Ada may send three messages a month."""
    await world.furnish(a_package("basic", allows(3)))
    await world.subscribed_user("ada")
    return world


async def used(world: World, user_id: str = "ada") -> int:
    current = (await world.usage.show(TEST, user_id, "message")).current
    return 0 if current is None else current.consumption.used


async def test_tracks_are_recorded_and_refusals_are_answers(shop: World) -> None:
    """What does not fit the limit is refused, for good; the others are recorded."""
    await shop.engine.segment.receive(TEST, [track(1), track(2, delta=2), track(3), track(4, delta=-1)])

    reason = "The limit of 3 is reached for this period: 3 used, 1 more would exceed it, and overage is not enabled."
    assert await outcomes(shop) == {
        "m-1": ("RECORDED", None),
        "m-2": ("RECORDED", None),
        "m-3": ("REFUSED", reason),
        "m-4": ("RECORDED", None),
    }
    assert await used(shop) == 2


async def test_a_message_counts_once_however_often_it_comes(shop: World) -> None:
    """In one call, in several, and where only its usage was written before a crash."""
    await shop.engine.segment.receive(TEST, [track(1), track(1)])
    await shop.engine.segment.receive(TEST, [track(1), track(2)])
    kept = await shop.store.segment.segment_events(TEST, status=None, limit=9, before=None)
    await shop.engine.segment.carry_out([replace(event, status=EventStatus.PENDING) for event in kept])

    assert await used(shop) == 2
    assert len(await entries_of(shop.store, "ada")) == 2


async def test_messages_are_carried_out_in_order(shop: World) -> None:
    """A user who is identified first exists for the tracks that follow, not for those before."""
    await shop.engine.segment.receive(
        TEST, [identify(1, "bob"), track(2, "bob"), track(3), identify(4, "bob", name="B")]
    )

    assert {key: status for key, (status, _) in (await outcomes(shop)).items()} == {
        "m-1": "IDENTIFIED", "m-2": "REFUSED", "m-3": "RECORDED", "m-4": "IDENTIFIED",
    }  # fmt: skip
    assert (await shop.accounts.user(TEST, "bob")).name == "B"


async def test_what_waits_for_a_user_follows_when_they_are_identified(shop: World) -> None:
    """A refusal then, as nobody who was just made has a subscription."""
    await shop.engine.segment.receive(TEST, [track(1, "bob")])
    assert (await outcomes(shop))["m-1"] == ("WAITING", "User not found: 'bob'")

    await shop.engine.segment.receive(TEST, [identify(2, "bob")])

    assert (await outcomes(shop))["m-1"][0] == "REFUSED"
    [entry] = await entries_of(shop.store, "bob")
    assert entry.outcome == "NO_SUBSCRIPTION"


async def test_what_waits_for_a_feature_goes_on_waiting(shop: World) -> None:
    """An identify of its user changes nothing about it, and writes nothing."""
    await shop.engine.segment.receive(TEST, [track(1, featureId="unknown")])
    await shop.engine.segment.receive(TEST, [identify(2)])
    assert (await outcomes(shop))["m-1"] == ("WAITING", "Feature not found: 'unknown'")


async def test_a_track_from_before_the_subscription_has_failed(shop: World) -> None:
    """With the reason, for people to see."""
    early = replace(track(1), timestamp=NOON.replace(hour=11))
    await shop.engine.segment.receive(TEST, [early])
    status, reason = (await outcomes(shop))["m-1"]
    assert status == "FAILED"
    assert reason is not None
    assert reason.startswith("timestamp must not be before 2026-03-10T12:00:00+00:00, since when the user has been")


async def test_an_identify_that_cannot_be_carried_out_has_failed(shop: World) -> None:
    """Its trait is named, and no user is made."""
    await shop.engine.segment.receive(TEST, [identify(1, "bob", email=["b"])])
    assert await outcomes(shop) == {"m-1": ("FAILED", "traits.email must be a text, got ['b']")}
    assert [user.id for user in await shop.accounts.users(TEST)] == ["ada"]


async def test_nobody_is_called_by_a_blank_at_an_end(shop: World) -> None:
    """Neither somebody new nor somebody who is renamed: the event says why, and nobody changes."""
    await shop.accounts.update_user(TEST, "ada", {"email": "a@g.com"})
    await shop.engine.segment.receive(TEST, [identify(1, "bob "), identify(2, "\u00a0", email="a@g.com")])
    assert {status for status, _ in (await outcomes(shop)).values()} == {"FAILED"}
    assert all(str(reason).startswith("userId must not begin") for _, reason in (await outcomes(shop)).values())
    assert [user.id for user in await shop.accounts.users(TEST)] == ["ada"]


async def test_an_import_gets_the_id_and_keeps_what_is_theirs(shop: World) -> None:
    """Subscriptions and usage follow: nothing of the ledger is lost."""
    await shop.accounts.create_user(TEST, id="x@g.com", email="x@g.com", billing_id="cus_1", name="X")
    await shop.accounts.subscribe(TEST, "x@g.com", ["basic"])
    await shop.usage.record(a_usage(2, user_id="x@g.com"))

    await shop.engine.segment.receive(TEST, [identify(1, "42", email="x@g.com")])

    user = await shop.accounts.user(TEST, "42")
    assert (user.name, user.email, user.billing_id) == ("X", "x@g.com", "cus_1")
    assert await used(shop, "42") == 2
    assert [user.id for user in await shop.accounts.users(TEST)] == ["42", "ada"]


async def test_an_identify_that_says_nothing_new_writes_no_user(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Products identify at each log-in."""
    monkeypatch.setattr(shop.store.users, "update_user", None)
    await shop.engine.segment.receive(TEST, [identify(1)])
    assert (await outcomes(shop))["m-1"] == ("IDENTIFIED", None)


class Meanwhile:
    """Lets something happen just before the first write of a user."""

    def __init__(self, store: AccountStore, monkeypatch: pytest.MonkeyPatch, happens: Any, *, times: int = 1) -> None:
        self.happens, self.times = happens, times
        for name in ("create_user", "update_user"):
            monkeypatch.setattr(store, name, self.after(getattr(store, name)))

    def after(self, write: Any) -> Any:
        async def call(*arguments: Any, **named: Any) -> Any:
            if self.times:
                self.times -= 1
                await self.happens()
            return await write(*arguments, **named)

        return call


async def test_somebody_else_creates_the_user_first(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then that user is meant, and gets what was said."""
    bob = a_user("bob", key=99, bucket=bucket_of(TEST, "bob"), name="B")
    create = shop.store.users.create_user
    Meanwhile(shop.store.users, monkeypatch, lambda: create(bob))
    await shop.engine.segment.receive(TEST, [identify(1, "bob", email="b@g.com")])
    user = await shop.accounts.user(TEST, "bob")
    assert (user.key, user.name, user.email) == (99, "B", "b@g.com")


async def test_an_import_that_got_an_id_meanwhile_is_none(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two identifies race for it: one gets it, the other makes a user."""
    update = shop.store.users.update_user
    await shop.accounts.create_user(TEST, id="x@g.com", email="x@g.com", billing_id="cus_1")

    async def named() -> None:
        await update(TEST, "x@g.com", lambda user: replace(user, billing_id=None), clock=lambda: NOON)

    Meanwhile(shop.store.users, monkeypatch, named)
    await shop.engine.segment.receive(TEST, [identify(1, "42", email="x@g.com")])
    assert sorted(user.id for user in await shop.accounts.users(TEST)) == ["42", "ada", "x@g.com"]


async def test_a_user_who_changes_all_the_time_is_left_for_later(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """After some tries the event stays pending, and is taken up again."""

    async def refuse() -> None:
        raise Conflict("again")

    Meanwhile(shop.store.users, monkeypatch, refuse, times=5)
    await shop.engine.segment.receive(TEST, [identify(1, "bob")])
    assert (await outcomes(shop))["m-1"] == ("PENDING", None)
    await shop.engine.replayer.replay()
    assert (await outcomes(shop))["m-1"] == ("IDENTIFIED", None)


class Answering:
    """Usage that is answered as the test says."""

    def __init__(self, answer: KanaError) -> None:
        self.answer = answer

    async def record_many(self, usages: list[Usage]) -> list[Receipt | KanaError]:
        return [self.answer for _ in usages]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Unavailable("later"), "PENDING"),
        (Internal("a defect"), "PENDING"),
        (IdempotencyKeyReused("used"), "FAILED"),
        (InvalidValue("wrong"), "FAILED"),
    ],
)
async def test_what_may_succeed_later_stays_open(shop: World, error: KanaError, status: str) -> None:
    """What fails again each time has failed, with the reason."""
    usage: Any = Answering(error)
    engine = SegmentEngine(
        shop.store.segment, shop.store.users, usage, clock=shop.clock, ids=shop.ids, meter=shop.meter
    )
    await engine.receive(TEST, [track(1)])
    assert await outcomes(shop) == {"m-1": (status, error.message if status == "FAILED" else None)}


def read_again(event: SegmentEvent) -> Message:
    """The message of an event, whose raw text is its parts; an odd amount is none, as a later version might have it."""
    parts = json.loads(event.raw)
    if parts["properties"].get("delta") == "unreadable":
        raise InvalidValue("still unreadable")
    if parts["properties"].get("delta") == "of nothing":
        parts["properties"] = {}
    if parts["properties"].get("delta") == "many":
        del parts["properties"]["delta"]
    return Message(
        id=event.message_id, type=event.type, user_id=event.user_id, event=event.event, timestamp=None, raw=event.raw,
        **parts,
    )  # fmt: skip


@pytest.fixture
def segment(shop: World) -> SegmentEngine:
    """An engine that reads failed events anew."""
    return SegmentEngine(
        shop.store.segment,
        shop.store.users,
        shop.usage,
        clock=shop.clock,
        ids=shop.ids,
        meter=shop.meter,
        read_again=read_again,
    )


async def number_of(shop: World, message_id: str) -> int:
    events = await shop.store.segment.segment_events(TEST, status=None, limit=100, before=None)
    return next(event.number for event in events if event.message_id == message_id)


async def test_a_failed_event_is_tried_again(shop: World, segment: SegmentEngine) -> None:
    """It answers what became of it; its neighbours are left alone, and it counts once."""
    await segment.receive(TEST, [track(1, delta="many"), track(2, delta="many"), track(3, delta="unreadable")])
    assert await shop.engine.mapping.failed(TEST) == 3

    event = await segment.retry(TEST, await number_of(shop, "m-2"))
    assert (event.message_id, event.status, event.delta) == ("m-2", EventStatus.RECORDED, 1)
    assert {key: status for key, (status, _) in (await outcomes(shop)).items()} == {
        "m-1": "FAILED", "m-2": "RECORDED", "m-3": "FAILED",
    }  # fmt: skip
    assert (await segment.retry(TEST, await number_of(shop, "m-3"))).status is EventStatus.FAILED
    assert (await used(shop), await shop.engine.mapping.failed(TEST)) == (1, 2)
    for number in (event.number, event.number + 10_000, 0):
        with pytest.raises(NotFound, match="Failed event not found"):
            await segment.retry(TEST, number)
    assert await used(shop) == 1


async def test_what_names_no_feature_any_more_waits_for_a_rule(shop: World, segment: SegmentEngine) -> None:
    """It is unmapped when it is tried again, and nothing is recorded."""
    await segment.receive(TEST, [track(1, delta="of nothing")])
    assert (await segment.retry(TEST, await number_of(shop, "m-1"))).status is EventStatus.UNMAPPED
    assert await used(shop) == 0


async def test_without_a_reader_nothing_is_tried_again(shop: World) -> None:
    """What could not be read stays as it is."""
    await shop.engine.segment.receive(TEST, [track(1, delta="many")])
    assert (await shop.engine.segment.retry(TEST, await number_of(shop, "m-1"))).status is EventStatus.FAILED


async def test_all_that_failed_is_tried_again_in_the_background(
    shop: World, segment: SegmentEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Page after page, each once, where it was asked for; what fails again waits for the next time."""
    monkeypatch.setattr(replay, "PAGE", 2)
    await segment.receive(TEST, [track(number, delta="many") for number in range(3)])
    await segment.receive(TEST, [track(3, delta="unreadable"), identify(4, name=["odd"])])
    replayer = replay.Replayer(shop.store.segment, segment.carry_out, clock=shop.clock, again=segment.again)
    await replayer.replay()
    assert (await used(shop), await shop.engine.mapping.failed(TEST)) == (0, 5)

    replayer.retry_failed(TEST)
    await replayer.replay()
    assert (await used(shop), await shop.engine.mapping.failed(TEST)) == (3, 2)
    await replayer.replay()
    assert await used(shop) == 3


async def test_a_page_of_what_failed_is_the_last_when_it_ends(shop: World, segment: SegmentEngine) -> None:
    """What is left stays failed, and is tried again when somebody says so."""
    await segment.receive(TEST, [track(1, delta="many")])
    replayer = replay.Replayer(shop.store.segment, segment.carry_out, clock=shop.clock, again=segment.again)
    async with replayer.running():
        pass
    replayer.retry_failed(TEST)
    await replayer.replay()
    assert await used(shop) == 0


async def test_what_becomes_of_events_is_counted(shop: World, segment: SegmentEngine) -> None:
    """Each outcome once, and no message that comes again."""
    messages = [
        track(1),
        track(2, delta="many"),
        a_message(3, MessageType.PAGE, "ada"),
        track(4, "nobody"),
        identify(5),
    ]
    for _ in range(2):
        await segment.receive(TEST, messages)
    assert sorted(shop.meter.events) == ["FAILED", "IDENTIFIED", "IGNORED", "RECORDED", "WAITING"]
