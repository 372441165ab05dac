"""Where a row becomes an event of Segment's or a rule, and back; beside ``rows.py``, for every store."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from kana.engine.ports.segment import EventMapper
from kana.model.environment import Actor, Environment
from kana.model.period import from_milliseconds, to_milliseconds
from kana.model.segment import EventStatus, MappingRule, MessageType, PropertyCondition, SegmentEvent
from kana.store.log import log_row
from kana.store.session import Row
from kana.store.values import to_json

NUMBER_MAX = 2**63 - 1
"""Stands for no number to begin before."""


def event_from(row: Row) -> SegmentEvent:
    """Read a row of ``load_segment_event`` and of the lists of events."""
    return SegmentEvent(
        bucket=row[0],
        environment=Environment(row[1]),
        message_id=row[2],
        number=row[3],
        type=MessageType(row[4]),
        user_id=row[5],
        event=row[6],
        status=EventStatus(row[7]),
        reason=row[8],
        feature_id=row[9],
        rule_id=row[10],
        delta=row[11],
        happened_at=from_milliseconds(row[12]),
        received_at=from_milliseconds(row[13]),
        raw=row[14],
    )


def event_row(event: SegmentEvent) -> tuple[Any, ...]:
    """Write a row of ``add_segment_event``."""
    return (
        *event_key(event),
        event.number,
        event.type.value,
        event.user_id,
        event.event,
        event.status.value,
        event.reason,
        event.feature_id,
        event.rule_id,
        event.delta,
        to_milliseconds(event.happened_at),
        to_milliseconds(event.received_at),
        event.raw,
    )


def event_key(event: SegmentEvent) -> tuple[int, str, str]:
    """Write what ``load_segment_event`` takes of each event."""
    return (event.bucket, event.environment.value, event.message_id)


def settled_row(event: SegmentEvent) -> tuple[Any, ...]:
    """Write what ``settle_segment_event`` takes."""
    return (*event_key(event), event.status.value, event.reason, event.feature_id, event.rule_id)


def reopened_row(event: SegmentEvent) -> tuple[Any, ...]:
    """Write what ``reopen_segment_event`` takes."""
    return (*settled_row(event), event.delta, to_milliseconds(event.happened_at))


def in_order(events: Iterable[SegmentEvent]) -> list[SegmentEvent]:
    """Return events in the order of their keys, so that no transactions wait for each other in a circle."""
    return sorted(events, key=event_key)


def newly_mapped(
    found: Iterable[Row], rules: Sequence[MappingRule], map_event: EventMapper
) -> tuple[list[SegmentEvent], int | None]:
    """Read unmapped events; return those that a rule matches, and the number of the last of all."""
    events = [event_from(row) for row in found]
    pairs = [(event, map_event(event, rules)) for event in events]
    return [new for old, new in pairs if new is not old], events[-1].number if events else None


def counts_from(found: Iterable[Row]) -> Mapping[EventStatus, tuple[int, datetime]]:
    """Read the rows of ``count_segment_events``."""
    return {EventStatus(status): (count, from_milliseconds(newest)) for status, count, newest in found}


def rule_from(row: Row) -> MappingRule:
    """Read a row of ``load_mapping_rules``."""
    return MappingRule(
        environment=Environment(row[0]),
        id=row[1],
        name=row[2],
        event_name=row[3],
        conditions=tuple(PropertyCondition(path=path, value=value) for path, value in json.loads(row[4])),
        feature_id=row[5],
        revision=row[6],
        is_replayed=bool(row[7]),
        created_at=from_milliseconds(row[8]),
        updated_at=from_milliseconds(row[9]),
    )


def rule_row(rule: MappingRule) -> Row:
    """Write a row of ``put_mapping_rule``."""
    return (
        rule.environment.value,
        rule.id,
        rule.name,
        rule.event_name,
        to_json([(condition.path, condition.value) for condition in rule.conditions]),
        rule.feature_id,
        rule.revision,
        int(rule.is_replayed),
        to_milliseconds(rule.created_at),
        to_milliseconds(rule.updated_at),
    )


def rule_changes(
    old: Mapping[str, MappingRule], new: Mapping[str, MappingRule]
) -> tuple[list[MappingRule], list[MappingRule]]:
    """Return the rules to put and those to delete."""
    put = [rule for rule in new.values() if old.get(rule.id) != rule]
    return put, [rule for rule in old.values() if rule.id not in new]


def rule_log_rows(
    old: Mapping[str, MappingRule], put: Sequence[MappingRule], gone: Sequence[MappingRule], *, by: Actor, now: datetime
) -> list[Row]:
    """Write a line of the administrative log for each rule made, changed or deleted."""
    changes = [("updated" if rule.id in old else "created", old.get(rule.id), rule) for rule in put]
    return [
        log_row(
            verb, ("mapping rule", rule.id), environment=rule.environment, before=before, after=after, by=by, now=now
        )
        for verb, before, after, rule in [
            *((verb, before, rule, rule) for verb, before, rule in changes),
            *(("deleted", rule, None, rule) for rule in gone),
        ]
    ]
