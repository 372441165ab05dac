"""Manages the rules that map Segment's events to features, and shows what helps to write them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypedDict

from kana.engine.ids import IdMaker
from kana.engine.ports.catalog import CatalogStore
from kana.engine.ports.clock import Clock
from kana.engine.ports.segment import SegmentStore
from kana.errors import Conflict, NotFound
from kana.model.environment import Actor, Environment
from kana.model.page import page_size
from kana.model.segment import (
    RULES_MAX,
    EventStatus,
    MappingRule,
    PropertyCondition,
    SegmentEvent,
    leaves,
    properties_of,
)
from kana.model.text import TEXT_LENGTH_MAX, shown
from kana.model.value import value_object

LIST_MAX = 1000
"""Most events, names or properties in one list."""

PROPERTY_EVENTS_MAX = 1000
"""How many of the newest unmapped events are searched for properties."""


class RuleChanges(TypedDict, total=False):
    """The fields of a rule that may change. A field that is left out stays."""

    name: str
    event_name: str | None
    conditions: tuple[PropertyCondition, ...]
    feature_id: str


@value_object()
class EventCounts:
    """How many events are stored, how many of them are open or failed, and when the newest arrived."""

    total: int
    unmapped: int
    waiting: int
    failed: int
    last_received_at: datetime | None


@value_object()
class UnmappedEventName:
    """How many unmapped events have one name. None: no name."""

    event: str | None
    unmapped: int


@value_object()
class UnmappedProperty:
    """How many of the newest unmapped events have one value at a path."""

    path: str
    value: str
    unmapped: int


class MappingEngine:
    """Manages mapping rules, and lists events. ``on_change`` is called when a rule has to be replayed."""

    def __init__(
        self, store: SegmentStore, catalogs: CatalogStore, *, clock: Clock, ids: IdMaker, on_change: Callable[[], None]
    ) -> None:
        self._store = store
        self._catalogs = catalogs
        self._clock = clock
        self._ids = ids
        self._on_change = on_change

    async def rules(self, environment: Environment) -> list[MappingRule]:
        """Return all mapping rules, the oldest first: if several match an event, the oldest counts."""
        return await self._store.mapping_rules(environment)

    async def create_rule(
        self,
        environment: Environment,
        *,
        name: str,
        event_name: str | None,
        conditions: tuple[PropertyCondition, ...],
        feature_id: str,
        by: Actor,
    ) -> MappingRule:
        """Create a rule; unmapped events that it matches are recorded soon after, each once.

        Raises:
            FeatureNotFound: there is no such feature.
            Conflict: there are 500 rules already.
            InvalidValue: a field is not allowed.
        """
        now = self._clock()
        rule = MappingRule(
            environment=environment,
            id=str(self._ids()),
            name=name,
            event_name=event_name,
            conditions=conditions,
            feature_id=feature_id,
            created_at=now,
            updated_at=now,
        )
        await self._check_feature(environment, feature_id)

        def change(rules: Mapping[str, MappingRule]) -> Mapping[str, MappingRule]:
            if len(rules) >= RULES_MAX:
                raise Conflict(f"there are {RULES_MAX} mapping rules already; delete one first")
            return {**rules, rule.id: rule}

        await self._change_rules(environment, change, by=by, now=now)
        return rule

    async def update_rule(
        self, environment: Environment, rule_id: str, changes: RuleChanges, *, by: Actor
    ) -> MappingRule:
        """Change a rule. What it recorded before stays; unmapped events that it matches now are recorded.

        Raises:
            NotFound: there is no such rule.
            FeatureNotFound: there is no such feature.
            InvalidValue: a field is not allowed.
        """
        now = self._clock()
        changed: list[MappingRule] = []
        if (feature_id := changes.get("feature_id")) is not None:
            await self._check_feature(environment, feature_id)

        def change(rules: Mapping[str, MappingRule]) -> Mapping[str, MappingRule]:
            old = _rule(rules, rule_id)
            new = replace(old, **changes, revision=old.revision + 1, is_replayed=False, updated_at=now)
            changed[:] = [new]
            return {**rules, rule_id: new}

        await self._change_rules(environment, change, by=by, now=now)
        return changed[0]

    async def delete_rule(self, environment: Environment, rule_id: str, *, by: Actor) -> MappingRule:
        """Delete a rule and return it. What it recorded stays.

        Raises:
            NotFound: there is no such rule.
        """
        deleted: list[MappingRule] = []

        def change(rules: Mapping[str, MappingRule]) -> Mapping[str, MappingRule]:
            deleted[:] = [_rule(rules, rule_id)]
            return {key: rule for key, rule in rules.items() if key != rule_id}

        await self._store.change_mapping_rules(environment, change, by=by, now=self._clock())
        return deleted[0]

    async def events(
        self, environment: Environment, *, status: EventStatus | None = None, first: int, before: int | None = None
    ) -> list[SegmentEvent]:
        """Return at most ``first`` events, 1 to 1000, before a number, the newest first.

        Raises:
            InvalidValue: ``first`` is out of range.
        """
        limit = page_size(first, most=LIST_MAX)
        return await self._store.segment_events(environment, status=status, limit=limit, before=before)

    async def counts(self, environment: Environment) -> EventCounts:
        """Return how many events there are. It takes time in proportion to their number, but delays nobody."""
        found = await self._store.count_segment_events(environment)
        count = {status: number for status, (number, _) in found.items()}
        return EventCounts(
            total=sum(count.values()),
            unmapped=count.get(EventStatus.UNMAPPED, 0),
            waiting=count.get(EventStatus.WAITING, 0),
            failed=count.get(EventStatus.FAILED, 0),
            last_received_at=max((newest for _, newest in found.values()), default=None),
        )

    async def failed(self, environment: Environment) -> int:
        """Return how many events have failed, counting at most 1000, so that it is always quick."""
        return await self._store.count_failed_events(environment, most=LIST_MAX)

    async def unmapped_names(self, environment: Environment, *, first: int) -> list[UnmappedEventName]:
        """Return the names of unmapped events, the most frequent first.

        Raises:
            InvalidValue: ``first`` is not 1 to 1000.
        """
        found = await self._store.count_unmapped_events(environment, limit=page_size(first, most=LIST_MAX))
        return [UnmappedEventName(event, count) for event, count in found]

    async def unmapped_properties(self, environment: Environment, *, first: int) -> list[UnmappedProperty]:
        """Return paths and values of the newest 1000 unmapped events, the most frequent first.

        Raises:
            InvalidValue: ``first`` is not 1 to 1000.
        """
        limit = page_size(first, most=LIST_MAX)
        newest = await self._store.segment_events(
            environment, status=EventStatus.UNMAPPED, limit=PROPERTY_EVENTS_MAX, before=None
        )
        return (await asyncio.to_thread(_count_leaves, newest))[:limit]

    async def _check_feature(self, environment: Environment, feature_id: str) -> None:
        (await self._catalogs.catalog(environment)).feature(feature_id)

    async def _change_rules(
        self,
        environment: Environment,
        change: Callable[[Mapping[str, MappingRule]], Mapping[str, MappingRule]],
        *,
        by: Actor,
        now: datetime,
    ) -> None:
        await self._store.change_mapping_rules(environment, change, by=by, now=now)
        self._on_change()


def _rule(rules: Mapping[str, MappingRule], rule_id: str) -> MappingRule:
    if rule_id not in rules:
        raise NotFound(f"Mapping rule not found: {shown(rule_id)}")
    return rules[rule_id]


def _count_leaves(events: Sequence[SegmentEvent]) -> list[UnmappedProperty]:
    """Return how many events have each value at each path; what no condition can match is left out."""
    counts = Counter(
        (path, value)
        for event in events
        for path, value in set(leaves(properties_of(event)))
        if 0 < len(path) <= TEXT_LENGTH_MAX and 0 < len(value) <= TEXT_LENGTH_MAX
    )
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [UnmappedProperty(path, value, count) for (path, value), count in ordered]
