"""Where what Segment sent is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from kana.model.environment import Actor, Environment
from kana.model.segment import EventStatus, MappingRule, SegmentEvent

EventMapper = Callable[[SegmentEvent, Sequence[MappingRule]], SegmentEvent]
"""Returns an event as the rules map it."""


class SegmentStore(Protocol):
    """Where what Segment sent is kept, each message once, and the rules that map it."""

    async def keep_events(
        self, environment: Environment, read: Callable[[Sequence[MappingRule]], Sequence[SegmentEvent]]
    ) -> list[SegmentEvent]:
        """Keep the events that ``read`` makes by the rules of this moment; return them as they are kept, in order.

        A message that was kept before stays as it was, and is returned so. ``read`` may be called again.
        No change of rules falls between ``read`` and the commit.
        """
        ...

    async def map_events(
        self, environment: Environment, *, after: int, limit: int, map_event: EventMapper
    ) -> tuple[list[SegmentEvent], int | None]:
        """Hold the first ``limit`` unmapped events after a number against the rules; write and return those mapped.

        ``map_event`` returns an event as it was where no rule matches. Answers the last number looked at too, None
        where there was none. No change of rules and no other mapping happens meanwhile.
        """
        ...

    async def reopen_events(
        self, environment: Environment, *, after: int, limit: int, map_event: EventMapper
    ) -> tuple[list[SegmentEvent], int | None]:
        """Do the same with failed events, of which ``map_event`` makes what they are when they are tried again."""
        ...

    async def settle_events(self, events: Sequence[SegmentEvent]) -> None:
        """Write status, reason, feature and rule of events, but for those that are settled already."""
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
        """Return at most ``limit`` events, the newest first, from before a number."""
        ...

    async def count_segment_events(self, environment: Environment) -> Mapping[EventStatus, tuple[int, datetime]]:
        """Return how many events there are of each status that any has, and when the newest of them was received."""
        ...

    async def count_failed_events(self, environment: Environment, *, most: int) -> int:
        """Return how many events have failed; counts no further than ``most``, so that it is as quick as that."""
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
        """Apply a pure change to the rules by id, and log it. What ``change`` raises is raised, nothing is written."""
        ...

    async def mark_replayed(self, rules: Sequence[MappingRule]) -> None:
        """Note that all unmapped events were held against rules, but for those that have changed since."""
        ...
