"""Events are kept once, mapped by the rules of one moment, and settled once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from kana.engine.ports.store import Store
from kana.errors import Conflict
from kana.model.environment import Environment, bucket_of
from kana.model.segment import EventStatus, MappingRule, MessageType, PropertyCondition, SegmentEvent, mapped
from tests.support.stores import Place
from tests.support.world import LIVE, NOON, TEST, TESTER, a_user

UNMAPPED, PENDING, WAITING = EventStatus.UNMAPPED, EventStatus.PENDING, EventStatus.WAITING
RAW = '{"properties":{"type":"addon","ключ":"é"}}'
FOREVER = NOON + timedelta(days=36_500)


def an_event(
    number: int = 1, *, environment: Environment = TEST, user_id: str | None = "ada", **changes: Any
) -> SegmentEvent:
    """An unmapped event, kept where its user is."""
    values: dict[str, Any] = {
        "environment": environment, "bucket": bucket_of(environment, user_id or f"m-{number}"),
        "message_id": f"m-{number}", "number": number, "type": MessageType.TRACK, "user_id": user_id, "event": "Sent",
        "status": UNMAPPED, "happened_at": NOON, "received_at": NOON, "raw": RAW,
    } | changes  # fmt: skip
    return SegmentEvent(**values)


def a_rule(id: str = "1", **changes: Any) -> MappingRule:  # noqa: A002
    """A rule with two conditions."""
    conditions = (PropertyCondition(path="type", value="addon"), PropertyCondition(path="ключ", value="é"))
    values: dict[str, Any] = {
        "environment": TEST, "name": "правило", "event_name": "Sent", "conditions": conditions, "feature_id": "message",
        "created_at": NOON, "updated_at": NOON,
    } | changes  # fmt: skip
    return MappingRule(id=id, **values)


async def keep(store: Store, *events: SegmentEvent, environment: Environment = TEST) -> list[SegmentEvent]:
    return await store.segment.keep_events(environment, lambda _: events)


async def put_rules(store: Store, *rules: MappingRule, environment: Environment = TEST) -> None:
    await store.segment.change_mapping_rules(
        environment, lambda old: {**old, **{rule.id: rule for rule in rules}}, by=TESTER, now=NOON
    )


async def all_of(store: Store, environment: Environment = TEST) -> list[SegmentEvent]:
    return await store.segment.segment_events(environment, status=None, limit=1000, before=None)


async def test_events_come_back_as_they_were_kept(store: Store, place: Place) -> None:
    """Every field, in any script, from any store on the database; the answer is in the order of the question."""
    events = [
        an_event(3, status=EventStatus.FAILED, reason="почему", delta=-(2**31), raw='{"nul":"\\u0000"}'),
        an_event(1, user_id=None, event=None, type=MessageType.PAGE, status=EventStatus.IGNORED),
        an_event(2, status=PENDING, feature_id="message", rule_id="9", delta=2**31 - 1),
    ]
    another = await place.open()
    assert await keep(store, *events) == events
    assert await all_of(another) == [events[0], events[2], events[1]]
    assert await keep(store) == []
    await another.close()


async def test_a_message_is_kept_once(store: Store) -> None:
    """The same id again, in one call or another, answers what is kept: the first, with what has become of it."""
    first = an_event()
    assert await keep(store, first, an_event(2, message_id="m-1")) == [first, first]
    settled = replace(first, status=EventStatus.RECORDED, feature_id="message")
    await store.segment.settle_events([settled])
    assert await keep(store, replace(first, number=9, raw="{}")) == [settled]
    assert await all_of(store) == [settled]


async def test_many_who_keep_the_same_messages_at_once_keep_them_once(store: Store) -> None:
    """In whatever order each has them."""
    events = [an_event(number) for number in range(1, 41)]
    orders = [events, events[::-1], events[20:] + events[:20], events[1::2] + events[::2]]
    answers = await asyncio.gather(*(keep(store, *order) for order in orders))
    assert [[event.message_id for event in answer] for answer in answers] == [
        [event.message_id for event in order] for order in orders
    ]
    assert sorted(await all_of(store), key=lambda event: event.number) == events


async def test_what_is_settled_stays(store: Store) -> None:
    """An event that waits or is unmapped may become anything; one that was recorded or failed stays so."""
    await keep(store, *(an_event(number, status=status) for number, status in enumerate(EventStatus, 1)))
    await store.segment.settle_events([replace(event, status=WAITING, reason="later") for event in await all_of(store)])
    now = {event.number: event.status for event in await all_of(store)}
    assert now == {number: status if number > 3 else WAITING for number, status in enumerate(EventStatus, 1)}


async def test_events_are_kept_by_the_rules_of_the_moment(store: Store) -> None:
    """Whoever keeps an event is given all rules, the oldest first."""
    newer = a_rule("1", created_at=NOON + timedelta(seconds=1), event_name=None, is_replayed=True, revision=7)
    await put_rules(store, newer, a_rule("2"))
    given: list[MappingRule] = []

    def read(rules: Sequence[MappingRule]) -> list[SegmentEvent]:
        given[:] = rules
        return []

    await store.segment.keep_events(TEST, read)
    assert given == [a_rule("2"), newer] == await store.segment.mapping_rules(TEST)
    await store.segment.keep_events(LIVE, read)
    assert given == []


async def test_rules_are_changed_and_deleted(store: Store) -> None:
    """A change is of the newest rules; what it raises is raised, and nothing is written."""
    await put_rules(store, a_rule("1"), a_rule("2"))
    changed = a_rule("1", name="other", revision=2)
    await store.segment.change_mapping_rules(TEST, lambda _: {"1": changed}, by=TESTER, now=NOON)
    assert await store.segment.mapping_rules(TEST) == [changed]

    def refuse(_: object) -> Any:
        raise Conflict("no")

    with pytest.raises(Conflict):
        await store.segment.change_mapping_rules(TEST, refuse, by=TESTER, now=NOON)
    assert await store.segment.mapping_rules(TEST) == [changed]


async def test_a_rule_is_marked_as_it_was_seen(store: Store) -> None:
    """One that was changed meanwhile is to be replayed again, and stays unmarked."""
    await put_rules(store, a_rule("1"), a_rule("2", revision=2))
    await store.segment.mark_replayed([a_rule("1"), a_rule("2", revision=1)])
    assert [rule.is_replayed for rule in await store.segment.mapping_rules(TEST)] == [True, False]


async def test_unmapped_events_are_mapped_page_by_page(store: Store) -> None:
    """In order of arrival, by the rules of the moment; each is mapped once, and those without a rule stay."""
    await put_rules(store, a_rule())
    await keep(store, *(an_event(number, event="Sent" if number % 2 else "Other") for number in range(1, 8)))
    await keep(store, an_event(8, environment=LIVE), environment=LIVE)
    first, last = await store.segment.map_events(TEST, after=0, limit=4, map_event=mapped)
    assert ([event.number for event in first], last) == ([1, 3], 4)
    assert {(event.status, event.feature_id, event.rule_id) for event in first} == {(PENDING, "message", "1")}
    rest, last = await store.segment.map_events(TEST, after=4, limit=4, map_event=mapped)
    assert ([event.number for event in rest], last) == ([5, 7], 7)
    assert await store.segment.map_events(TEST, after=7, limit=4, map_event=mapped) == ([], None)
    again, last = await store.segment.map_events(TEST, after=0, limit=9, map_event=mapped)
    assert (again, last) == ([], 6)
    assert {event.number: event.status for event in await all_of(store)} == {
        number: PENDING if number % 2 else UNMAPPED for number in range(1, 8)
    }
    assert [event.status for event in await all_of(store, LIVE)] == [UNMAPPED]


async def test_open_events_are_listed_in_order_of_arrival(store: Store) -> None:
    """Of one status and environment, received by then, after a number."""
    for number in range(1, 7):
        await keep(store, an_event(number, status=PENDING, received_at=NOON + timedelta(seconds=number)))
    await keep(store, an_event(7, status=WAITING))
    until = NOON + timedelta(seconds=5)
    found = await store.segment.open_events(TEST, PENDING, until=until, after=1, limit=3)
    assert [event.number for event in found] == [2, 3, 4]
    assert [
        event.number for event in await store.segment.open_events(TEST, PENDING, until=until, after=4, limit=3)
    ] == [5]
    assert await store.segment.open_events(LIVE, PENDING, until=FOREVER, after=0, limit=3) == []


async def test_events_that_wait_for_a_user_are_found(store: Store) -> None:
    """Those of this user alone, in order of arrival."""
    await keep(store, *(an_event(number, status=WAITING) for number in (4, 2, 3)))
    await keep(store, an_event(5), an_event(6, user_id="bob", status=WAITING))
    assert [event.number for event in await store.segment.waiting_events(TEST, "ada", limit=2)] == [2, 3]
    assert await store.segment.waiting_events(LIVE, "ada", limit=2) == []


async def test_events_are_listed_and_counted(store: Store) -> None:
    """The newest first, by status where asked; counts and names of each environment alone."""
    names = ["b", "a", "b", None, "c"]
    await keep(store, *(an_event(number, event=name) for number, name in enumerate(names, 1)))
    await keep(store, an_event(9, status=WAITING, received_at=NOON + timedelta(seconds=1)))
    await keep(store, an_event(10, environment=LIVE, event="b"), environment=LIVE)
    page = await store.segment.segment_events(TEST, status=UNMAPPED, limit=2, before=5)
    assert [event.number for event in page] == [4, 3]
    assert [event.number for event in await store.segment.segment_events(TEST, status=None, limit=2, before=None)] == [
        9,
        5,
    ]
    assert await store.segment.count_segment_events(TEST) == {
        UNMAPPED: (5, NOON),
        WAITING: (1, NOON + timedelta(seconds=1)),
    }
    counted = await store.segment.count_unmapped_events(TEST, limit=9)
    assert counted[0] == ("b", 2)
    assert set(counted[1:]) == {("a", 1), ("c", 1), (None, 1)}
    assert len(await store.segment.count_unmapped_events(TEST, limit=2)) == 2


async def test_users_are_found_by_their_email(store: Store) -> None:
    """Those that the billing provider knows, the oldest first, in one environment."""
    for key, (billing_id, email, environment, age) in enumerate(
        [
            ("cus_1", "x", TEST, 1),
            ("cus_2", "x", TEST, 2),
            (None, "x", TEST, 3),
            ("cus_4", "y", TEST, 4),
            ("c", "x", LIVE, 5),
        ]
    ):
        await store.users.create_user(
            a_user(
                f"u-{key}", key=key + 1, environment=environment, bucket=bucket_of(environment, f"u-{key}"),
                billing_id=billing_id, email=email, created_at=NOON - timedelta(days=age),
            )
        )  # fmt: skip
    assert [user.id for user in await store.users.users_by_email(TEST, "x", limit=9)] == ["u-1", "u-0"]
    assert [user.id for user in await store.users.users_by_email(TEST, "x", limit=1)] == ["u-1"]


async def test_failed_events_are_reopened_once(store: Store) -> None:
    """As they are made then, in order of arrival. What stays failed, has another status or is tried already stays."""
    failed: dict[str, Any] = {"status": EventStatus.FAILED, "reason": "odd"}
    await keep(store, *(an_event(number, **failed) for number in range(1, 5)), an_event(5), an_event(6, status=WAITING))
    await keep(store, an_event(7, environment=LIVE, **failed), environment=LIVE)
    await put_rules(store, a_rule())
    seen: list[str] = []

    def again(event: SegmentEvent, rules: Sequence[MappingRule]) -> SegmentEvent:
        seen.extend(rule.id for rule in rules)
        if event.number == 2:
            return event
        return replace(
            event, status=PENDING, reason=None, feature_id="message", rule_id="1", delta=2**40, happened_at=FOREVER
        )

    reopened, last = await store.segment.reopen_events(TEST, after=0, limit=3, map_event=again)
    assert ([event.number for event in reopened], last, seen) == ([1, 3], 3, ["1"] * 3)
    assert await store.segment.reopen_events(TEST, after=4, limit=3, map_event=again) == ([], None)
    kept = {event.number: event for event in await all_of(store)}
    assert kept[1] == reopened[0] == again(an_event(1, **failed), [])
    assert {number: event.status for number, event in kept.items()} == {
        1: PENDING, 2: EventStatus.FAILED, 3: PENDING, 4: EventStatus.FAILED, 5: UNMAPPED, 6: WAITING,
    }  # fmt: skip
    reopened, last = await store.segment.reopen_events(TEST, after=0, limit=1, map_event=again)
    assert (reopened, last) == ([], 2)
    assert [event.status for event in await all_of(store, LIVE)] == [EventStatus.FAILED]


async def test_of_two_who_reopen_an_event_one_does(store: Store) -> None:
    """The other finds it tried."""
    await keep(store, an_event(1, status=EventStatus.FAILED))
    pairs = await asyncio.gather(
        *(
            store.segment.reopen_events(
                TEST, after=0, limit=9, map_event=lambda event, _: replace(event, status=PENDING)
            )
            for _ in range(4)
        )
    )
    assert sorted(len(events) for events, _ in pairs) == [0, 0, 0, 1]


async def test_failed_events_are_counted_no_further_than_asked(store: Store) -> None:
    """Those of one environment alone."""
    await keep(store, *(an_event(number, status=EventStatus.FAILED) for number in range(1, 5)), an_event(5))
    assert [await store.segment.count_failed_events(TEST, most=most) for most in (1, 4, 9)] == [1, 4, 4]
    assert await store.segment.count_failed_events(LIVE, most=9) == 0
