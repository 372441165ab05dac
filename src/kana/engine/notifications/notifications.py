"""Reading notifications, and finding those of what happens without a call."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta

from kana.engine.ports.clock import Clock
from kana.engine.ports.notifications import NotificationStore
from kana.engine.rounds import Rounds
from kana.errors import InvalidValue
from kana.model.environment import Environment
from kana.model.notification import Notification
from kana.model.page import page_size
from kana.model.text import number_in, shown

PAGE = 100
"""How many notifications a call returns by default."""

PAGE_MAX = 1000
"""Most notifications that a call returns."""

PAUSE_S = 5.0
"""Pause between two looks for what happens without a call."""

KEPT = timedelta(days=30)
"""How long a notification can be read."""

_FORGOTTEN_TOGETHER = 1000

_log = logging.getLogger("kana.notifications")


class NotificationEngine:
    """Reads notifications, and finds those of what happens without a call."""

    def __init__(self, store: NotificationStore, *, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._rounds = Rounds(self.look, doing="looking for what happens without a call", pause_s=PAUSE_S, log=_log)

    async def notifications(
        self, environment: Environment, *, first: int = PAGE, after: str | None = None
    ) -> Sequence[Notification]:
        """Return the oldest notifications, or those after the one with an id.

        A caller that reads on from the last id that it has misses none, whatever is written meanwhile and by how many
        processes. They can be read for 30 days.

        Raises:
            InvalidValue: ``first`` is not 1 to 1,000, or ``after`` cannot be an id.
        """
        number = 0 if after is None else number_in(after)
        if number is None:
            raise InvalidValue(f"after must be the id of a notification, got {shown(after)}", field="after")
        return await self._store.notifications(environment, after=number, limit=page_size(first, most=PAGE_MAX))

    async def last(self, environment: Environment) -> int:
        """Return the id of the newest notification; 0 if there never was one."""
        return await self._store.last(environment)

    def running(self) -> AbstractAsyncContextManager[None]:
        """Look again and again, in the background."""
        return self._rounds.running()

    async def look(self) -> None:
        """Write what has happened by now without a call, or will soon, and forget what is old.

        Raises:
            KanaError: the store cannot answer; what was not found is found later.
        """
        now = self._clock()
        for environment in Environment:
            while not self._rounds.is_ending and not await self._store.find_due(environment, now=now):
                pass
        await self._store.forget(before=now - KEPT, limit=_FORGOTTEN_TOGETHER)
