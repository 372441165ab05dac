"""Storage of notifications. Each is written in the transaction of what it is about."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from kana.model.environment import Environment
from kana.model.notification import Notification


class NotificationStore(Protocol):
    """Reads notifications, and finds those of what happens without a call."""

    async def notifications(self, environment: Environment, *, after: int, limit: int) -> Sequence[Notification]:
        """Return the oldest ones after an id.

        Everything that is committed when this is called can be read, and those who read on from the last id miss
        nothing: none ever gets an id that is smaller than one that could be read.
        """
        ...

    async def last(self, environment: Environment) -> int:
        """Return the id of the newest one that can be read by now; 0 if there never was one."""
        ...

    async def find_due(self, environment: Environment, *, now: datetime) -> bool:
        """Write some of what has happened by now without a call, or will soon; return whether that is all.

        Several processes may do it at the same time; each is written once.
        """
        ...

    async def forget(self, *, before: datetime, limit: int) -> int:
        """Delete at most so many that happened before a time; return how many."""
        ...
