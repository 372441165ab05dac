"""A user who is deleted leaves nothing of who they are, and every sum stands, on each kind of database."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kana.engine.ports.deletions import Mark
from kana.engine.ports.store import Store
from kana.engine.ports.users import Signed
from kana.errors import Conflict, UserNotFound
from kana.model.environment import Actor, bucket_of
from kana.model.given import OverrideTerms
from kana.model.insights import Step
from kana.model.segment import EventStatus, Message, MessageType
from kana.model.user_import import Row
from kana.store import deletions
from tests.contract.test_user_imports import an_import, merge
from tests.support.ledger import entries_of
from tests.support.stores import Place
from tests.support.traces import places_of
from tests.support.world import LIVE, NOON, TEST, TESTER, World, a_package, a_usage, allows

PERSON = Actor(kind="person", name="colleague@example.com")
SURROGATE = "deleted-user:" + "5" * 32
FIRST, ID = "lovelace-first", "lovelace-1815"
TRACES = ("lovelace", "ada@", "cus_ada", "countess")
"""What says who the user is: ids, name, e-mail, billing id and metadata contain these."""


def a_message(number: int, kind: MessageType = MessageType.TRACK, **changes: Any) -> Message:
    """A message of Segment, whose raw text has what is given."""
    user_id = changes.pop("user_id", ID)
    fields = {"userId": user_id, "type": kind.value, **changes}
    return Message(
        id=changes.pop("id", f"m-{number}"), type=kind, user_id=user_id, event="sent", timestamp=None,
        properties=changes.get("properties", {}), traits=changes.get("traits", {}),
        raw=json.dumps(fields),
    )  # fmt: skip


async def live(world: World) -> None:
    """Let Ada do all that leaves traces, under two ids one after the other."""
    await world.furnish(a_package("basic", allows(100)))
    details: dict[str, Any] = {"name": "Ada Lovelace", "email": "Ada@Example.com", "metadata": {"is": ["countess"]}}
    await world.accounts.create_user(TEST, id=FIRST, billing_id="cus_ada", by=PERSON, **details)
    await world.accounts.subscribe(TEST, FIRST, ["basic"], by=PERSON)
    await world.engine.segment.receive(TEST, [a_message(1, user_id=FIRST, properties={"featureId": "message"})])
    world.clock.advance(minutes=1)
    await world.accounts.update_user(TEST, FIRST, {"id": ID}, by=PERSON)
    await world.accounts.revoke_tokens(TEST, ID, by=PERSON)
    await world.engine.giving.create_top_up(TEST, ID, "message", 5, reason="for the countess", by=PERSON, key=ID)
    terms = OverrideTerms(limit=50)
    await world.engine.giving.set_override(TEST, ID, "message", terms, reason="Ada Lovelace asked", by=PERSON)
    await world.usage.record(a_usage(3, user_id=ID, key=f"{ID}-1", metadata={"of": "countess"}))
    await world.usage.record(a_usage(1000, user_id=ID, metadata={"of": "countess"}))
    await world.engine.segment.receive(
        TEST,
        [
            a_message(2, MessageType.IDENTIFY, traits={"name": "Ada Lovelace", "email": "ada@example.com"}),
            a_message(3, properties={"featureId": "none yet", "of": "countess"}),
            a_message(4, properties={"of": "countess"}, id=f"{ID}-4"),
            a_message(5, MessageType.GROUP, user_id="bob", traits={"owner": "ADA@example.com", "size": 3}),
            a_message(6, MessageType.ALIAS, user_id="bob", previousId=ID),
            a_message(7, MessageType.PAGE, user_id=None, traits={"mail": "http://x/?m=ada@example.com&y"}),
        ],
    )
    world.clock.advance(minutes=1)


async def delete(world: World, user_id: str = ID) -> str:
    """Delete a user, and see that all is cleared."""
    deleted = await world.engine.deletions.delete(TEST, user_id, by=PERSON, wait_s=None)
    assert deleted.is_cleared
    return deleted.id


async def test_no_trace_is_left_of_a_deleted_user(world: World, store: Store, place: Place) -> None:
    """No table, column or byte of the file has their ids, name, e-mail, billing id or metadata, in any form."""
    await live(world)
    await place.tamper("update subscriptions set calendar = 'Antarctica/Troll'")
    assert len(await places_of(place, TRACES)) > 10
    surrogate = await delete(world)
    assert await places_of(place, [*TRACES, "Antarctica"]) == []
    assert await places_of(place, [surrogate]) != []
    another = await place.open()
    await another.close()
    assert await places_of(place, TRACES) == []


async def test_every_sum_stands(world: World, store: Store) -> None:
    """The ledger and all that is derived from it agree, and insights count what was used; nobody is named."""
    await live(world)
    range_: dict[str, Any] = {"start": NOON.replace(hour=0), "end": NOON.replace(hour=23)}
    before = await world.engine.insights.usage(TEST, **range_, step=Step.DAY)
    entries = (await store.audits.audit()).entries
    await delete(world)
    audit = await store.audits.audit()
    assert audit.is_clean
    assert audit.entries == entries
    assert await world.engine.insights.usage(TEST, **range_, step=Step.DAY) == before
    assert sum(row.units for row in before) == 4
    assert await world.engine.insights.top_users(TEST, "message", **range_) == []
    assert await world.engine.insights.refusals(TEST, **range_) == []
    assert await world.accounts.subscriptions(TEST) == []
    assert await world.catalog.count_subscribers(TEST) == {}


async def test_the_log_keeps_what_was_done_and_by_whom(world: World) -> None:
    """Lines about the user name the surrogate and hold no values; a search for the id finds nothing."""
    await live(world)
    surrogate = await delete(world)
    lines = [line for line in await world.engine.insights.log(TEST) if line.actor == PERSON]
    assert [(line.action, line.subject_kind) for line in lines] == [
        ("deleted", "user"), ("created", "override"), ("created", "top-up"), ("revoked", "user tokens"),
        ("updated", "user"), ("created", "subscription"), ("created", "user"),
    ]  # fmt: skip
    assert {(line.subject_id, line.before, line.after) for line in lines} == {(surrogate, None, None)}
    assert await world.engine.insights.log(TEST, subject_id=ID) == []


async def test_segments_events_keep_what_they_counted_for(world: World) -> None:
    """Their own are empty and no longer open; what others sent keeps all that does not name the user."""
    await live(world)
    surrogate = await delete(world)
    events = {event.message_id: event for event in await world.engine.mapping.events(TEST, first=99)}
    own = {id_: event for id_, event in events.items() if event.user_id == surrogate}
    statuses = {"m-1": "RECORDED", "m-2": "IDENTIFIED", "m-3": "IGNORED"}
    [renamed] = own.keys() - statuses.keys()
    assert renamed.startswith(f"{surrogate}/")
    assert {id_: event.status.value for id_, event in own.items()} == statuses | {renamed: "IGNORED"}
    assert {event.raw for event in own.values()} == {"{}"}
    assert json.loads(events["m-5"].raw)["traits"] == {"owner": surrogate, "size": 3}
    assert json.loads(events["m-6"].raw)["previousId"] == surrogate
    assert json.loads(events["m-7"].raw)["traits"] == {"mail": f"http://x/?m={surrogate}&y"}


async def test_the_id_can_be_used_for_somebody_else(world: World, store: Store) -> None:
    """Who sees nothing of the first: no usage, no entries, no answers to keys, and no token of the first works."""
    await live(world)
    old = await store.users.user(TEST, ID)
    await delete(world)
    for user_id in (ID, FIRST):
        with pytest.raises(UserNotFound):
            await store.users.user(TEST, user_id)
    assert await store.users.user_by_key(TEST, old.bucket, old.key) is None
    with pytest.raises(UserNotFound):
        await world.usage.record(a_usage(3, user_id=ID, key=f"{ID}-1"))

    new = await world.subscribed_user(ID)
    assert (new.key, new.token_version) != (old.key, old.token_version)
    assert await entries_of(store, ID) == []
    receipt = await world.usage.record(a_usage(5, user_id=ID, key=f"{ID}-1"))
    assert not receipt.duplicate
    assert receipt.entry.consumption is not None
    assert receipt.entry.consumption.used == 5
    assert await world.engine.insights.log(TEST, subject_id=ID) == []


async def test_nobody_sees_half_of_it(world: World, store: Store, place: Place) -> None:
    """As soon as it is decided everything reads as if all were cleared; until it is, nobody can take the id."""
    await live(world)
    await store.imports.begin_import(an_import(9))
    await store.imports.keep_page(9, 0, [Row(number=2, id=ID, details={"name": "Ada"})], now=NOON)
    await store.imports.begin_import(an_import(10, LIVE))
    await store.imports.keep_page(10, 0, [Row(number=2, id=ID, details={})], now=NOON)
    deletion = await begin(world)

    async def seen() -> tuple[Any, ...]:
        return await world.engine.insights.log(TEST), await world.engine.mapping.events(TEST, first=99)

    first = await seen()
    assert await world.engine.insights.log(TEST, subject_id=FIRST) == []
    assert await store.segment.segment_events(TEST, status=EventStatus.WAITING, limit=9, before=None) == []
    with pytest.raises(Conflict, match="is still being deleted"):
        await world.accounts.create_user(TEST, id=ID)
    await store.imports.decide_import(9, now=NOON)
    assert await store.imports.merge_page(9, merge, now=NOON) == 0
    assert (await store.deletions.deletions(TEST), await store.deletions.deletions(LIVE)) == ([deletion], [])

    mark: Mark | None = Mark()
    while mark is not None:
        assert await seen() == first
        mark = await store.deletions.clear_page(deletion, mark)
    assert await seen() == first
    assert await store.deletions.deletions(TEST) == []
    assert await places_of(place, ["cus_ada"]) == []
    await world.accounts.create_user(TEST, id=ID)
    await world.accounts.create_user(TEST, id=FIRST)


async def begin(world: World) -> Any:
    """Decide that Ada is deleted, as a process does that is killed right after."""
    signed = Signed(TESTER, world.clock)
    return await world.store.deletions.begin_deletion(TEST, ID, surrogate=SURROGATE, signed=signed)


async def test_traces_are_cleared_in_pages(
    world: World, store: Store, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many there are, each transaction clears a few; done twice it is the same."""
    for bound in ("ENTRIES", "EVENTS", "LINES"):
        monkeypatch.setattr(deletions, bound, 2)
    await live(world)
    deletion = await begin(world)
    marks = []
    for _ in range(2):
        mark: Mark | None = Mark()
        while mark is not None:
            marks.append(mark)
            mark = await store.deletions.clear_page(deletion, mark)
    assert len(marks) > 20
    assert await places_of(place, TRACES) == []


async def test_what_others_had_stays_theirs(world: World, store: Store) -> None:
    """An id that went from one user to another: each one's events and lines go with them alone."""
    await live(world)
    other = await world.accounts.create_user(TEST, id=FIRST, name="Ada Other", by=PERSON)
    await world.engine.segment.receive(TEST, [a_message(20, MessageType.PAGE, user_id=FIRST)])
    surrogate = await delete(world)
    [line] = await world.engine.insights.log(TEST, subject_id=FIRST)
    assert (line.action, line.after) == ("created", {
        "id": FIRST, "name": "Ada Other", "email": None, "billing_id": None, "metadata": {}
    })  # fmt: skip
    events = {event.message_id: event.user_id for event in await world.engine.mapping.events(TEST, first=99)}
    assert (events["m-1"], events["m-20"]) == (surrogate, FIRST)
    assert await store.users.user(TEST, FIRST) == other


async def test_environments_never_meet(world: World, store: Store) -> None:
    """The same user in live keeps everything, in the log and among the events too."""
    await live(world)
    await world.accounts.create_user(LIVE, id=ID, email="ada@example.com", by=PERSON)
    await world.engine.segment.receive(LIVE, [a_message(2, MessageType.PAGE)])
    with pytest.raises(UserNotFound):
        await world.engine.deletions.delete(LIVE, FIRST, by=PERSON)
    await delete(world)
    assert (await store.users.user(LIVE, ID)).bucket == bucket_of(LIVE, ID)
    assert [line.subject_id for line in await world.engine.insights.log(LIVE)] == [ID]
    assert [event.user_id for event in await world.engine.mapping.events(LIVE, first=99)] == [ID]
