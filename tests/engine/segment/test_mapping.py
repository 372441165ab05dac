"""Mapping rules are kept and checked, and events are shown."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from kana.engine.segment import mapping as module
from kana.engine.segment.mapping import EventCounts, UnmappedEventName, UnmappedProperty
from kana.errors import Conflict, FeatureNotFound, InvalidValue, NotFound
from kana.model.segment import EventStatus, MappingRule, MessageType, PropertyCondition
from tests.engine.segment.test_segment import a_message, track
from tests.support.world import LIVE, NOON, TEST, TESTER, World, a_package, allows


@pytest.fixture
async def shop(world: World) -> World:
    await world.furnish(a_package("basic", allows(3)))
    return world


async def create(world: World, **changes: Any) -> MappingRule:
    given: dict[str, Any] = {"name": "r", "event_name": "Sent", "conditions": (), "feature_id": "message", **changes}
    return await world.engine.mapping.create_rule(TEST, **given, by=TESTER)


async def test_a_rule_is_made_changed_and_deleted(shop: World) -> None:
    """A change counts up its revision and has it replayed; a field left out stays."""
    mapping = shop.engine.mapping
    made = await create(shop)
    await shop.store.segment.mark_replayed([made])
    shop.clock.advance(seconds=5)
    condition = PropertyCondition(path="a", value="b")
    changed = await mapping.update_rule(
        TEST, made.id, {"name": "s", "conditions": (condition,), "feature_id": "message"}, by=TESTER
    )
    assert (changed.name, changed.event_name, changed.conditions) == ("s", "Sent", (condition,))
    assert (changed.revision, changed.is_replayed) == (2, False)
    assert (changed.created_at, changed.updated_at) == (NOON, NOON + timedelta(seconds=5))
    assert await mapping.rules(TEST) == [changed]
    assert await mapping.rules(LIVE) == []
    assert (await mapping.update_rule(TEST, made.id, {"name": "t"}, by=TESTER)).feature_id == "message"
    assert (await mapping.delete_rule(TEST, made.id, by=TESTER)).name == "t"
    assert await mapping.rules(TEST) == []


async def test_a_rule_names_a_feature_that_exists(shop: World) -> None:
    """When it is made and when it is changed; nothing is written otherwise."""
    with pytest.raises(FeatureNotFound):
        await create(shop, feature_id="unknown")
    made = await create(shop)
    with pytest.raises(FeatureNotFound):
        await shop.engine.mapping.update_rule(TEST, made.id, {"feature_id": "unknown"}, by=TESTER)
    assert await shop.engine.mapping.rules(TEST) == [made]


async def test_a_rule_of_another_environment_is_none(shop: World) -> None:
    """It can be neither changed nor deleted from there."""
    made = await create(shop)
    with pytest.raises(NotFound, match="Mapping rule not found"):
        await shop.engine.mapping.update_rule(LIVE, made.id, {"name": "x"}, by=TESTER)
    with pytest.raises(NotFound, match="Mapping rule not found"):
        await shop.engine.mapping.delete_rule(LIVE, made.id, by=TESTER)
    assert await shop.engine.mapping.rules(TEST) == [made]


async def test_there_is_a_bound_on_rules(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one is refused."""
    monkeypatch.setattr(module, "RULES_MAX", 2)
    await create(shop)
    await create(shop)
    with pytest.raises(Conflict, match="there are 2 mapping rules already"):
        await create(shop)


async def test_unmapped_events_are_summed_up(shop: World) -> None:
    """By name, and by each path and value once an event; values that no condition can hold are left out."""
    mapping = shop.engine.mapping
    properties = [{"type": "addon", "n": 1}, {"type": "addon", "o": {"type": "addon"}}, {"long": "x" * 256, "": "e"}]
    messages = [a_message(n, MessageType.TRACK, "ada", properties=each) for n, each in enumerate(properties)]
    await shop.engine.segment.receive(TEST, [*messages, track(9, "ada")])
    assert await mapping.unmapped_names(TEST, first=9) == [UnmappedEventName("Sent", 3)]
    assert await mapping.unmapped_properties(TEST, first=9) == [
        UnmappedProperty("type", "addon", 2), UnmappedProperty("n", "1", 1), UnmappedProperty("o.type", "addon", 1),
    ]  # fmt: skip
    assert await mapping.unmapped_properties(TEST, first=1) == [UnmappedProperty("type", "addon", 2)]
    assert await mapping.unmapped_properties(LIVE, first=1) == []
    assert await mapping.counts(TEST) == EventCounts(4, 3, 1, 0, NOON)
    assert await mapping.counts(LIVE) == EventCounts(0, 0, 0, 0, None)
    [newest] = await mapping.events(TEST, status=EventStatus.UNMAPPED, first=1)
    assert newest.message_id == "m-2"
    older = await mapping.events(TEST, first=9, before=newest.number)
    assert [event.message_id for event in older] == ["m-1", "m-0"]


@pytest.mark.parametrize("first", [0, 1001])
async def test_a_list_is_bounded(shop: World, first: int) -> None:
    """What is asked for must be 1 to 1000."""
    with pytest.raises(InvalidValue, match="first must be 1 to 1000"):
        await shop.engine.mapping.events(TEST, first=first)
