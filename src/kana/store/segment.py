"""What Segment sent, and the rules that map it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from kana.engine.ports.segment import EventMapper
from kana.model.environment import Actor, Environment, bucket_of
from kana.model.period import from_milliseconds, to_milliseconds
from kana.model.segment import EventStatus, MappingRule, MessageType, PropertyCondition, SegmentEvent
from kana.model.text import NUMBER_MAX
from kana.store.log import log_row, verb
from kana.store.session import Lock, Row, Session, Transactions
from kana.store.unfinished import load_deletions
from kana.store.values import to_json

"""Stands for an open end: no number to begin before, no moment to end at."""


class Segment:
    """Stores events and rules. ``SegmentStore`` says what each call promises.

    One lock orders them: storing events shares it, changing rules and mapping hold it exclusively.
    """

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def keep_events(
        self, environment: Environment, read: Callable[[Sequence[MappingRule]], Sequence[SegmentEvent]]
    ) -> list[SegmentEvent]:
        """Store events, each message once."""

        async def work(session: Session) -> list[SegmentEvent]:
            await session.lock(Lock.RULES_SHARED)
            events = read(await _load_rules(session, environment))
            await session.many("add_segment_event", [_event_row(event) for event in _in_order(events)])
            return await _load_events(session, events)

        return await self._transactions.write(work)

    async def map_events(
        self, environment: Environment, *, after: int, limit: int, map_event: EventMapper
    ) -> tuple[list[SegmentEvent], int | None]:
        """Map unmapped events."""

        async def work(session: Session) -> tuple[list[SegmentEvent], int | None]:
            bindings = (environment.value, EventStatus.UNMAPPED.value, after, NUMBER_MAX, limit)
            mapped, last = await _map(session, environment, *bindings, map_event=map_event)
            await session.many("settle_segment_event", _settled_rows(mapped))
            return mapped, last

        return await self._transactions.write(work)

    async def reopen_events(
        self, environment: Environment, *, after: int, limit: int, map_event: EventMapper
    ) -> tuple[list[SegmentEvent], int | None]:
        """Open failed events again."""

        async def work(session: Session) -> tuple[list[SegmentEvent], int | None]:
            bindings = (environment.value, EventStatus.FAILED.value, after, NUMBER_MAX, limit)
            reopened, last = await _map(session, environment, *bindings, map_event=map_event)
            await session.many("reopen_segment_event", [_reopened_row(event) for event in _in_order(reopened)])
            return reopened, last

        return await self._transactions.write(work)

    async def settle_events(self, events: Sequence[SegmentEvent]) -> None:
        """Write what happened to events."""
        await self._write_many("settle_segment_event", _settled_rows(events))

    async def open_events(
        self, environment: Environment, status: EventStatus, *, until: datetime, after: int, limit: int
    ) -> list[SegmentEvent]:
        """Return events of a status."""
        bindings = (environment.value, status.value, after, to_milliseconds(until), limit)
        return await self._events("list_open_events", *bindings)

    async def waiting_events(self, environment: Environment, user_id: str, *, limit: int) -> list[SegmentEvent]:
        """Return events that wait for a user."""
        bucket = bucket_of(environment, user_id)
        return await self._events("list_waiting_events", bucket, environment.value, user_id, limit)

    async def segment_events(
        self, environment: Environment, *, status: EventStatus | None, limit: int, before: int | None
    ) -> list[SegmentEvent]:
        """Return events, the newest first."""
        name, asked = "list_segment_events", [environment.value]
        if status is not None:
            name, asked = "list_segment_events_of_status", [environment.value, status.value]

        async def work(session: Session) -> list[SegmentEvent]:
            found = await session.rows(name, *asked, NUMBER_MAX if before is None else before, limit)
            events = [event_from(row) for row in found]
            for deletion in await load_deletions(session, environment):
                events = [deletion.event(event) for event in events]
            return [event for event in events if status in (None, event.status)]

        return await self._transactions.read_aside(work)

    async def count_segment_events(self, environment: Environment) -> Mapping[EventStatus, tuple[int, datetime]]:
        """Count events by status."""
        found = await self._rows("count_segment_events", environment.value)
        return {EventStatus(status): (count, from_milliseconds(newest)) for status, count, newest in found}

    async def count_failed_events(self, environment: Environment, *, most: int) -> int:
        """Count failed events."""
        [[count]] = await self._rows("count_failed_events", environment.value, most)
        return int(count)

    async def count_unmapped_events(self, environment: Environment, *, limit: int) -> list[tuple[str | None, int]]:
        """Count unmapped events by name."""
        return [(event, count) for event, count in await self._rows("count_unmapped_events", environment.value, limit)]

    async def mapping_rules(self, environment: Environment) -> list[MappingRule]:
        """Return all rules."""

        async def work(session: Session) -> list[MappingRule]:
            return await _load_rules(session, environment)

        return await self._transactions.read(work)

    async def change_mapping_rules(
        self,
        environment: Environment,
        change: Callable[[Mapping[str, MappingRule]], Mapping[str, MappingRule]],
        *,
        by: Actor,
        now: datetime,
    ) -> None:
        """Change the rules."""

        async def work(session: Session) -> None:
            await session.lock(Lock.RULES)
            old = {rule.id: rule for rule in await _load_rules(session, environment)}
            new = change(old)
            put = [rule for rule in new.values() if old.get(rule.id) != rule]
            gone = [rule for rule in old.values() if rule.id not in new]
            await session.many("put_mapping_rule", [_rule_row(rule) for rule in put])
            await session.many("delete_mapping_rule", [(environment.value, rule.id) for rule in gone])
            changes = [(rule, old.get(rule.id), rule) for rule in put] + [(rule, rule, None) for rule in gone]
            await session.many("add_log_line", [_rule_log_row(*each, by=by, now=now) for each in changes])

        await self._transactions.write(work)

    async def mark_replayed(self, rules: Sequence[MappingRule]) -> None:
        """Store that rules were compared with all unmapped events."""
        keys = [(rule.environment.value, rule.id, rule.revision) for rule in rules]
        await self._write_many("mark_rule_replayed", keys)

    async def _events(self, statement: str, *bindings: str | int) -> list[SegmentEvent]:
        async def work(session: Session) -> list[SegmentEvent]:
            return [event_from(row) for row in await session.rows(statement, *bindings)]

        return await self._transactions.read_aside(work)

    async def _rows(self, statement: str, *bindings: str | int) -> Sequence[Row]:
        async def work(session: Session) -> Sequence[Row]:
            return await session.rows(statement, *bindings)

        return await self._transactions.read_aside(work)

    async def _write_many(self, statement: str, rows: Sequence[Row]) -> None:
        async def work(session: Session) -> None:
            await session.many(statement, rows)

        await self._transactions.write(work)


async def _load_rules(session: Session, environment: Environment) -> list[MappingRule]:
    return [_rule_from(row) for row in await session.rows("load_mapping_rules", environment.value)]


async def _load_events(session: Session, events: Sequence[SegmentEvent]) -> list[SegmentEvent]:
    """Return events as they are stored, in the same order."""
    if not events:
        return []
    keys = [_event_key(event) for event in events]
    columns = [session.array(column) for column in zip(*keys, strict=True)]
    found = map(event_from, await session.rows("load_segment_events", *columns))
    kept = {_event_key(event): event for event in found}
    return [kept[key] for key in keys]


async def _map(
    session: Session, environment: Environment, *bindings: str | int, map_event: EventMapper
) -> tuple[list[SegmentEvent], int | None]:
    """Compare events of ``list_open_events`` with the rules; return those that match, and the last number."""
    await session.lock(Lock.RULES)
    events = [event_from(row) for row in await session.rows("list_open_events", *bindings)]
    rules = await _load_rules(session, environment)
    pairs = [(event, map_event(event, rules)) for event in events]
    return [new for old, new in pairs if new is not old], events[-1].number if events else None


def _in_order(events: Iterable[SegmentEvent]) -> list[SegmentEvent]:
    """Return events in the order of their keys, so that transactions cannot deadlock."""
    return sorted(events, key=_event_key)


def event_from(row: Row) -> SegmentEvent:
    """Read a row of ``load_segment_events`` and of the lists of events."""
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


def _event_row(event: SegmentEvent) -> Row:
    """Write a row of ``add_segment_event``."""
    return (
        *_event_key(event),
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


def _event_key(event: SegmentEvent) -> tuple[int, str, str]:
    """Return the primary key of an event."""
    return (event.bucket, event.environment.value, event.message_id)


def _settled_rows(events: Iterable[SegmentEvent]) -> list[Row]:
    """Write rows of ``settle_segment_event``."""
    return [_settled_row(event) for event in _in_order(events)]


def _settled_row(event: SegmentEvent) -> Row:
    return (*_event_key(event), event.status.value, event.reason, event.feature_id, event.rule_id)


def _reopened_row(event: SegmentEvent) -> Row:
    """Write a row of ``reopen_segment_event``."""
    return (*_settled_row(event), event.delta, to_milliseconds(event.happened_at))


def _rule_from(row: Row) -> MappingRule:
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


def _rule_row(rule: MappingRule) -> Row:
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


def _rule_log_row(
    rule: MappingRule, before: MappingRule | None, after: MappingRule | None, *, by: Actor, now: datetime
) -> Row:
    """Write the line for a rule that was created, changed or deleted."""
    subject = ("mapping rule", rule.id)
    return log_row(
        verb(before, after), subject, environment=rule.environment, before=before, after=after, by=by, now=now
    )
