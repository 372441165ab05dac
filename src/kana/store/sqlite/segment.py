"""Segment's events and mapping rules on SQLite."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import apsw

from kana.engine.ports.segment import EventMapper
from kana.model.environment import Actor, Environment, bucket_of
from kana.model.period import to_milliseconds
from kana.model.segment import EventStatus, MappingRule, SegmentEvent
from kana.store import segment_rows as rows
from kana.store.sqlite.database import Database
from kana.store.sqlite.statements import SQL


class Segment:
    """Keeps events and rules. The one writer makes of each change of rules a moment before or after each event."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep_events(
        self, environment: Environment, read: Callable[[Sequence[MappingRule]], Sequence[SegmentEvent]]
    ) -> list[SegmentEvent]:
        """See the port."""

        def work(connection: apsw.Connection) -> list[SegmentEvent]:
            events = read(_load_rules(connection, environment))
            connection.executemany(SQL["add_segment_event"], [rows.event_row(event) for event in events])
            keys = [rows.event_key(event) for event in events]
            return [rows.event_from(row) for row in connection.executemany(SQL["load_segment_event"], keys)]

        return await self._database.write(work)

    async def map_events(
        self, environment: Environment, *, after: int, limit: int, map_event: EventMapper
    ) -> tuple[list[SegmentEvent], int | None]:
        """See the port."""
        bindings = (environment.value, EventStatus.UNMAPPED.value, after, rows.NUMBER_MAX, limit)

        def work(connection: apsw.Connection) -> tuple[list[SegmentEvent], int | None]:
            found = connection.execute(SQL["list_open_events"], bindings).fetchall()
            mapped, last = rows.newly_mapped(found, _load_rules(connection, environment), map_event)
            connection.executemany(SQL["settle_segment_event"], [rows.settled_row(event) for event in mapped])
            return mapped, last

        return await self._database.write(work)

    async def reopen_events(
        self, environment: Environment, *, after: int, limit: int, map_event: EventMapper
    ) -> tuple[list[SegmentEvent], int | None]:
        """See the port."""
        bindings = (environment.value, EventStatus.FAILED.value, after, rows.NUMBER_MAX, limit)

        def work(connection: apsw.Connection) -> tuple[list[SegmentEvent], int | None]:
            found = connection.execute(SQL["list_open_events"], bindings).fetchall()
            reopened, last = rows.newly_mapped(found, _load_rules(connection, environment), map_event)
            connection.executemany(SQL["reopen_segment_event"], [rows.reopened_row(event) for event in reopened])
            return reopened, last

        return await self._database.write(work)

    async def settle_events(self, events: Sequence[SegmentEvent]) -> None:
        """See the port."""
        await self._write_many("settle_segment_event", [rows.settled_row(event) for event in events])

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
        return await self._database.read_aside(
            lambda connection: rows.counts_from(connection.execute(SQL["count_segment_events"], (environment.value,)))
        )

    async def count_failed_events(self, environment: Environment, *, most: int) -> int:
        """See the port."""
        [[count]] = await self._database.read_aside(
            lambda connection: list(connection.execute(SQL["count_failed_events"], (environment.value, most)))
        )
        return int(count)

    async def count_unmapped_events(self, environment: Environment, *, limit: int) -> list[tuple[str | None, int]]:
        """See the port."""
        return await self._database.read_aside(
            lambda connection: list(connection.execute(SQL["count_unmapped_events"], (environment.value, limit)))
        )

    async def mapping_rules(self, environment: Environment) -> list[MappingRule]:
        """See the port."""
        return self._database.read(lambda connection: _load_rules(connection, environment))

    async def change_mapping_rules(
        self,
        environment: Environment,
        change: Callable[[Mapping[str, MappingRule]], Mapping[str, MappingRule]],
        *,
        by: Actor,
        now: datetime,
    ) -> None:
        """See the port."""

        def work(connection: apsw.Connection) -> None:
            old = {rule.id: rule for rule in _load_rules(connection, environment)}
            put, gone = rows.rule_changes(old, change(old))
            connection.executemany(SQL["put_mapping_rule"], [rows.rule_row(rule) for rule in put])
            connection.executemany(SQL["delete_mapping_rule"], [(environment.value, rule.id) for rule in gone])
            connection.executemany(SQL["add_log_line"], rows.rule_log_rows(old, put, gone, by=by, now=now))

        await self._database.write(work)

    async def mark_replayed(self, rules: Sequence[MappingRule]) -> None:
        """See the port."""
        keys = [(rule.environment.value, rule.id, rule.revision) for rule in rules]
        await self._database.write(
            lambda connection: connection.executemany(SQL["mark_rule_replayed"], keys).fetchall()
        )

    async def _events(self, statement: str, *bindings: str | int) -> list[SegmentEvent]:
        return await self._database.read_aside(
            lambda connection: [rows.event_from(row) for row in connection.execute(SQL[statement], bindings)]
        )

    async def _write_many(self, statement: str, bindings: Sequence[Sequence[Any]]) -> None:
        await self._database.write(lambda connection: connection.executemany(SQL[statement], bindings).fetchall())


def _load_rules(connection: apsw.Connection, environment: Environment) -> list[MappingRule]:
    return [rows.rule_from(row) for row in connection.execute(SQL["load_mapping_rules"], (environment.value,))]
