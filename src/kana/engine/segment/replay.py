"""Processes events that could not be processed at once: newly mapped, waiting, or left open by a crash."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta

from kana.engine.pace import Pace
from kana.engine.ports.clock import Clock
from kana.engine.ports.segment import EventMapper, SegmentStore
from kana.engine.rounds import Rounds
from kana.model.environment import Environment
from kana.model.segment import EventStatus, SegmentEvent, mapped

PAGE = 50
"""How many events are processed at a time, before others get a turn."""

PAUSE_S = 5.0
"""Pause between two rounds, unless a rule changes in this process."""

PENDING_AGE = timedelta(seconds=30)
"""An event that is pending for this long was left open by a crash or by a store that could not answer."""

WAITING_PAUSE = timedelta(hours=1)
"""How often events are tried again if their user or feature did not exist."""

CarryOut = Callable[[Sequence[SegmentEvent]], Awaitable[None]]

_log = logging.getLogger("kana.segment")


class Replayer:
    """Processes open events. Several processes may do so at the same time: each event still counts once.

    An event is first stored with the feature that the present rules give it, and then recorded under its
    message's id, so after a crash the same thing is done again.
    """

    def __init__(self, store: SegmentStore, carry_out: CarryOut, *, clock: Clock, again: EventMapper = mapped) -> None:
        """``again`` returns a failed event as it is when it is tried again."""
        self._store = store
        self._carry_out = carry_out
        self._again = again
        self._retrying: set[Environment] = set()
        self._clock = clock
        self._rounds = Rounds(self.replay, doing="processing open events", pause_s=PAUSE_S, log=_log)
        self._left_behind = timedelta()  # Nothing is running before the first round.
        self._waiting_from: datetime | None = None

    def wake(self) -> None:
        """Start the next round now."""
        self._rounds.wake()

    def running(self) -> AbstractAsyncContextManager[None]:
        """Run rounds in the background; stop between two pages."""
        return self._rounds.running()

    def retry_failed(self, environment: Environment) -> None:
        """Try all failed events again in the background; some may fail again."""
        self._retrying.add(environment)
        self.wake()

    async def replay(self) -> None:
        """Process the open events of both environments.

        Raises:
            KanaError: the store cannot answer; what was not processed stays open.
        """
        now = self._clock()
        tries_waiting = self._waiting_from is None or now - self._waiting_from >= WAITING_PAUSE
        for environment in Environment:
            await self._take_up(environment, EventStatus.PENDING, until=now - self._left_behind)
            await self._replay_rules(environment)
            await self._retry_failed(environment)
            if tries_waiting:
                await self._take_up(environment, EventStatus.WAITING, until=now)
        self._left_behind = PENDING_AGE
        if tries_waiting:
            self._waiting_from = now

    async def _replay_rules(self, environment: Environment) -> None:
        """Compare all unmapped events with the rules if a rule is new or changed."""
        stale = [rule for rule in await self._store.mapping_rules(environment) if not rule.is_replayed]
        last: int | None = 0
        pace = Pace()
        while stale and last is not None:
            if self._rounds.is_ending:
                return
            events, last = await self._store.map_events(environment, after=last, limit=PAGE, map_event=mapped)
            await self._carry_out(events)
            await pace.rest()
        if stale:
            await self._store.mark_replayed(stale)

    async def _retry_failed(self, environment: Environment) -> None:
        last: int | None = 0 if environment in self._retrying else None
        pace = Pace()
        while last is not None and not self._rounds.is_ending:
            events, last = await self._store.reopen_events(environment, after=last, limit=PAGE, map_event=self._again)
            await self._carry_out(events)
            await pace.rest()
        self._retrying.discard(environment)

    async def _take_up(self, environment: Environment, status: EventStatus, *, until: datetime) -> None:
        after, pace = 0, Pace()
        while not self._rounds.is_ending:
            events = await self._store.open_events(environment, status, until=until, after=after, limit=PAGE)
            if not events:
                return
            await self._carry_out(events)
            after = events[-1].number
            await pace.rest()
