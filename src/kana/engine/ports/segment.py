"""Storage of what Segment sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from kana.model.environment import Actor, Environment
from kana.model.segment import EventStatus, MappingRule, SegmentEvent

EventMapper = Callable[[SegmentEvent, Sequence[MappingRule]], SegmentEvent]
"""Returns an event as the rules map it."""


class SegmentStore(Protocol):
    """Stores what Segment sent, each message once, and the rules that map it."""

    async def keep_events(
        self, environment: Environment, read: Callable[[Sequence[MappingRule]], Sequence[SegmentEvent]]
    ) -> list[SegmentEvent]:
        """Store the events that ``read`` creates by the present rules; return them as stored, in order.

        A message that was stored before is left and returned as it was. ``read`` may be called again.
        The rules cannot change between ``read`` and the commit.
        """
        ...

    async def map_events(
        self, environment: Environment, *, after: int, limit: int, map_event: EventMapper
    ) -> tuple[list[SegmentEvent], int | None]:
        """Compare the first ``limit`` unmapped events after a number with the rules; write and return those mapped.

        ``map_event`` returns an event unchanged if no rule matches. The result has the last number looked at too,
        None if there was none. The rules cannot change meanwhile, and no other mapping runs.
        """
        ...

    async def reopen_events(
        self, environment: Environment, *, after: int, limit: int, map_event: EventMapper
    ) -> tuple[list[SegmentEvent], int | None]:
        """Do the same with failed events: ``map_event`` returns them as they are when they are tried again."""
        ...

    async def settle_events(self, events: Sequence[SegmentEvent]) -> None:
        """Write status, reason, feature and rule of events, except for those that are already settled."""
        ...

    async def open_events(
        self, environment: Environment, status: EventStatus, *, until: datetime, after: int, limit: int
    ) -> list[SegmentEvent]:
        """Return at most ``limit`` events of a status received ``until`` then, in order of arrival, after a number."""
        ...

    async def waiting_events(self, environment: Environment, user_id: str, *, limit: int) -> list[SegmentEvent]:
        """Return at most ``limit`` events that wait for the user with this id, in order of arrival."""
        ...

    async def segment_events(
        self, environment: Environment, *, status: EventStatus | None, limit: int, before: int | None
    ) -> list[SegmentEvent]:
        """Return at most ``limit`` events before a number, the newest first."""
        ...

    async def count_segment_events(self, environment: Environment) -> Mapping[EventStatus, tuple[int, datetime]]:
        """Return for each status that occurs how many events have it, and when the newest of them was received."""
        ...

    async def count_failed_events(self, environment: Environment, *, most: int) -> int:
        """Return how many events have failed, counting at most ``most``, so that it is quick."""
        ...

    async def count_unmapped_events(self, environment: Environment, *, limit: int) -> list[tuple[str | None, int]]:
        """Return the names of unmapped events and how many there are of each, the most frequent first."""
        ...

    async def mapping_rules(self, environment: Environment) -> list[MappingRule]:
        """Return all rules, the oldest first."""
        ...

    async def change_mapping_rules(
        self,
        environment: Environment,
        change: Callable[[Mapping[str, MappingRule]], Mapping[str, MappingRule]],
        *,
        by: Actor,
        now: datetime,
    ) -> None:
        """Apply a pure change to the rules by id, and log it. If ``change`` raises, nothing is written."""
        ...

    async def mark_replayed(self, rules: Sequence[MappingRule]) -> None:
        """Store that all unmapped events were compared with these rules, except for rules that have changed since."""
        ...
