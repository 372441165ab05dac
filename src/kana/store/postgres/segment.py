"""Segment's events and mapping rules on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from kana.engine.ports.segment import EventMapper
from kana.model.environment import Actor, Environment, bucket_of
from kana.model.period import to_milliseconds
from kana.model.segment import EventStatus, MappingRule, SegmentEvent
from kana.store import segment_rows as rows
from kana.store.postgres.columns import columns
from kana.store.postgres.database import Database
from kana.store.postgres.pool import Connection, fetch
from kana.store.postgres.statements import SESSION, SQL


class Segment:
    """Keeps events and rules. One lock orders them: shared by who keeps events, alone by who changes rules or maps."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep_events(
        self, environment: Environment, read: Callable[[Sequence[MappingRule]], Sequence[SegmentEvent]]
    ) -> list[SegmentEvent]:
        """See the port."""

        async def work(connection: Connection) -> list[SegmentEvent]:
            await connection.execute(SESSION["share_rules"])
            events = read(await _load_rules(connection, environment))
            ordered = [rows.event_row(event) for event in rows.in_order(events)]
            await connection.executemany(SQL["add_segment_event"], ordered)
            return await _load_events(connection, events)

        return await self._database.write(work)

    async def map_events(
        self, environment: Environment, *, after: int, limit: int, map_event: EventMapper
    ) -> tuple[list[SegmentEvent], int | None]:
        """See the port."""
        bindings = (environment.value, EventStatus.UNMAPPED.value, after, rows.NUMBER_MAX, limit)

        async def work(connection: Connection) -> tuple[list[SegmentEvent], int | None]:
            await connection.execute(SESSION["lock_rules"])
            found = await fetch(connection, SQL["list_open_events"], *bindings)
            mapped, last = rows.newly_mapped(found, await _load_rules(connection, environment), map_event)
            await connection.executemany(SQL["settle_segment_event"], _settled_rows(mapped))
            return mapped, last

        return await self._database.write(work)

    async def reopen_events(
        self, environment: Environment, *, after: int, limit: int, map_event: EventMapper
    ) -> tuple[list[SegmentEvent], int | None]:
        """See the port."""
        bindings = (environment.value, EventStatus.FAILED.value, after, rows.NUMBER_MAX, limit)

        async def work(connection: Connection) -> tuple[list[SegmentEvent], int | None]:
            await connection.execute(SESSION["lock_rules"])
            found = await fetch(connection, SQL["list_open_events"], *bindings)
            reopened, last = rows.newly_mapped(found, await _load_rules(connection, environment), map_event)
            ordered = [rows.reopened_row(event) for event in rows.in_order(reopened)]
            await connection.executemany(SQL["reopen_segment_event"], ordered)
            return reopened, last

        return await self._database.write(work)

    async def settle_events(self, events: Sequence[SegmentEvent]) -> None:
        """See the port."""
        await self._write_many("settle_segment_event", _settled_rows(events))

    async def open_events(
        self, environment: Environment, status: EventStatus, *, until: datetime, after: int, limit: int
    ) -> list[SegmentEvent]:
        """See the port."""
        bindings = (environment.value, status.value, after, to_milliseconds(until), limit)
        return await self._events("list_open_events", *bindings)

    async def waiting_events(self, environment: Environment, user_id: str, *, limit: int) -> list[SegmentEvent]:
        """See the port."""
        bucket = bucket_of(environment, user_id)
        return await self._events("list_waiting_events", bucket, environment.value, user_id, limit)

    async def segment_events(
        self, environment: Environment, *, status: EventStatus | None, limit: int, before: int | None
    ) -> list[SegmentEvent]:
        """See the port."""
        before = rows.NUMBER_MAX if before is None else before
        if status is None:
            return await self._events("list_segment_events", environment.value, before, limit)
        return await self._events("list_segment_events_of_status", environment.value, status.value, before, limit)

    async def count_segment_events(self, environment: Environment) -> Mapping[EventStatus, tuple[int, datetime]]:
        """See the port."""
        return rows.counts_from(await self._rows("count_segment_events", environment.value))

    async def count_failed_events(self, environment: Environment, *, most: int) -> int:
        """See the port."""
        [[count]] = await self._rows("count_failed_events", environment.value, most)
        return int(count)

    async def count_unmapped_events(self, environment: Environment, *, limit: int) -> list[tuple[str | None, int]]:
        """See the port."""
        return [(event, count) for event, count in await self._rows("count_unmapped_events", environment.value, limit)]

    async def mapping_rules(self, environment: Environment) -> list[MappingRule]:
        """See the port."""
        return await self._database.read(lambda connection: _load_rules(connection, environment))

    async def change_mapping_rules(
        self,
        environment: Environment,
        change: Callable[[Mapping[str, MappingRule]], Mapping[str, MappingRule]],
        *,
        by: Actor,
        now: datetime,
    ) -> None:
        """See the port."""

        async def work(connection: Connection) -> None:
            await connection.execute(SESSION["lock_rules"])
            old = {rule.id: rule for rule in await _load_rules(connection, environment)}
            put, gone = rows.rule_changes(old, change(old))
            await connection.executemany(SQL["put_mapping_rule"], [rows.rule_row(rule) for rule in put])
            await connection.executemany(SQL["delete_mapping_rule"], [(environment.value, rule.id) for rule in gone])
            await connection.executemany(SQL["add_log_line"], rows.rule_log_rows(old, put, gone, by=by, now=now))

        await self._database.write(work)

    async def mark_replayed(self, rules: Sequence[MappingRule]) -> None:
        """See the port."""
        await self._write_many(
            "mark_rule_replayed", [(rule.environment.value, rule.id, rule.revision) for rule in rules]
        )

    async def _events(self, statement: str, *bindings: str | int) -> list[SegmentEvent]:
        return [rows.event_from(row) for row in await self._rows(statement, *bindings)]

    async def _rows(self, statement: str, *bindings: str | int) -> Sequence[Any]:
        return await self._database.read_aside(lambda connection: fetch(connection, SQL[statement], *bindings))

    async def _write_many(self, statement: str, bindings: Sequence[Sequence[Any]]) -> None:
        async def work(connection: Connection) -> None:
            await connection.executemany(SQL[statement], bindings)

        await self._database.write(work)


async def _load_rules(connection: Connection, environment: Environment) -> list[MappingRule]:
    return [rows.rule_from(row) for row in await fetch(connection, SQL["load_mapping_rules"], environment.value)]


async def _load_events(connection: Connection, events: Sequence[SegmentEvent]) -> list[SegmentEvent]:
    """Return events as they are kept, in the same order."""
    if not events:
        return []
    keys = [rows.event_key(event) for event in events]
    found = map(rows.event_from, await fetch(connection, SQL["load_segment_event"], *columns(keys)))
    kept = {rows.event_key(event): event for event in found}
    return [kept[key] for key in keys]


def _settled_rows(events: Sequence[SegmentEvent]) -> list[tuple[Any, ...]]:
    return [rows.settled_row(event) for event in rows.in_order(events)]
