from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from kana.sdk.conversation import Steps
from kana.sdk.operation import D, Group, operation
from kana.sdk.wire import query


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One thing that has happened. ``id`` grows in the order in which notifications can be read.

    ``type`` is a word such as "usage.threshold_reached", and ``data`` says more by it. ``user_id`` is the present id of
    the user; None if it is about no user.
    """

    id: str
    type: str
    user_id: str | None
    occurred_at: datetime
    data: dict[str, Any]


LIST: Final = query("notifications(first: Int, after: String)", list[Notification])


class Notifications(Group[D]):
    """What has happened: limits that are nearly used up, subscriptions that start and end, and more."""

    @operation
    def list(self, *, first: int = 100, after: str | None = None) -> Steps[list[Notification]]:
        """Return the ``first`` oldest notifications, 1 to 1,000, or those after the one with an id.

        A program that reads on from the last id that it has misses none. They can be read for 30 days.

        Raises:
            InvalidValue: ``first`` is out of range, or ``after`` cannot be an id.
        """
        return self._core.ask(LIST, first=first, after=after)
