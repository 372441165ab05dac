"""What could not be carried out at once: events that a new rule maps, that wait, or that a crash left behind."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta

from kana.engine.pace import Pace
from kana.engine.ports.clock import Clock
from kana.engine.ports.segment import EventMapper, SegmentStore
from kana.errors import KanaError
from kana.model.environment import Environment
from kana.model.segment import EventStatus, SegmentEvent, mapped

PAGE = 50
"""How many events are taken up at a time, before everybody else has a turn."""

PAUSE_S = 5.0
"""How long after one look the next one is had, unless a rule changes in this process."""

PENDING_AGE = timedelta(seconds=30)
"""An event that is pending for so long was left behind, by a crash or by a store that could not answer."""

WAITING_PAUSE = timedelta(hours=1)
"""How often events are tried again whose user or feature did not exist."""

CarryOut = Callable[[Sequence[SegmentEvent]], Awaitable[None]]

_log = logging.getLogger("kana.segment")


class Replayer:
    """Takes up open events. Several processes may do so at once: each event counts once all the same.

    An event is first marked with the feature that the rules of one moment give it and then recorded under
    its message's id, so that whoever comes after a crash does the same again.
    """

    def __init__(self, store: SegmentStore, carry_out: CarryOut, *, clock: Clock, again: EventMapper = mapped) -> None:
        """``again`` makes of a failed event what it is when it is tried again."""
        self._store = store
        self._carry_out = carry_out
        self._again = again
        self._retrying: set[Environment] = set()
        self._clock = clock
        self._wake = asyncio.Event()
        self._is_ending = False
        self._left_behind = timedelta()  # Nothing is in flight before the first look.
        self._waiting_from: datetime | None = None

    def wake(self) -> None:
        """Have the next look at once."""
        self._wake.set()

    def retry_failed(self, environment: Environment) -> None:
        """Try again, in the background, each event that has failed until then; some may fail again."""
        self._retrying.add(environment)
        self.wake()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Look again and again in the background; ends between two pages."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            self._is_ending = True
            self.wake()
            await task

    async def _run(self) -> None:
        while not self._is_ending:
            self._wake.clear()
            try:
                await self.replay()
            except KanaError as error:
                _log.warning("events are not taken up yet: %s", error.message)
            except Exception:  # noqa: BLE001 - the next look may find it mended
                _log.exception("events could not be taken up")
            with suppress(TimeoutError):
                async with asyncio.timeout(PAUSE_S):
                    await self._wake.wait()

    async def replay(self) -> None:
        """Take up what there is now, of both environments.

        Raises:
            KanaError: the store cannot answer; what was not taken up stays open.
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
        """Hold all unmapped events against the rules where one is new or changed."""
        stale = [rule for rule in await self._store.mapping_rules(environment) if not rule.is_replayed]
        last: int | None = 0
        pace = Pace()
        while stale and last is not None:
            if self._is_ending:
                return
            events, last = await self._store.map_events(environment, after=last, limit=PAGE, map_event=mapped)
            await self._carry_out(events)
            await pace.rest()
        if stale:
            await self._store.mark_replayed(stale)

    async def _retry_failed(self, environment: Environment) -> None:
        last: int | None = 0 if environment in self._retrying else None
        pace = Pace()
        while last is not None and not self._is_ending:
            events, last = await self._store.reopen_events(environment, after=last, limit=PAGE, map_event=self._again)
            await self._carry_out(events)
            await pace.rest()
        self._retrying.discard(environment)

    async def _take_up(self, environment: Environment, status: EventStatus, *, until: datetime) -> None:
        after, pace = 0, Pace()
        while not self._is_ending:
            events = await self._store.open_events(environment, status, until=until, after=after, limit=PAGE)
            if not events:
                return
            await self._carry_out(events)
            after = events[-1].number
            await pace.rest()
