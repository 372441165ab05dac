"""The resolver of notifications: what has happened."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ariadne import QueryType

from kana.api.admin.context import Info
from kana.engine.turns import in_turns
from kana.model.notification import Notification

query = QueryType()


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationView:
    """A notification as the API returns it."""

    id: str
    type: str
    user_id: str | None
    occurred_at: datetime
    data: dict[str, object]


@query.field("notifications")
async def notifications(_root: object, info: Info, *, first: int, after: str | None = None) -> list[NotificationView]:
    """Return the oldest notifications after an id."""
    context = info.context
    found = await context.engine.notifications.notifications(context.environment, first=first, after=after)
    return await in_turns(found, view_of)


def view_of(notification: Notification) -> NotificationView:
    """Return a notification as the API returns it."""
    return NotificationView(
        id=str(notification.id),
        type=notification.type.value,
        user_id=notification.user_id,
        occurred_at=notification.occurred_at,
        data=notification.about,
    )
