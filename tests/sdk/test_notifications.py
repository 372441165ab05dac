"""Notifications through both clients, against a real server."""

from __future__ import annotations

from typing import Any

import pytest

from kana.errors import InvalidValue
from tests.sdk.people import meter, value


async def test_what_has_happened_is_read_on(either: Any, user: str) -> None:
    """From an id on, with the user and more about it."""
    known: list[Any] = []
    while page := await value(either.notifications.list(first=1000, after=known[-1].id if known else None)):
        known += page
    assert [each.type for each in known if each.user_id == user] == ["user.created", "subscription.started"]
    await value(either.features.record_usage(user_id=user, feature_id=meter(user), delta=8))
    found = await value(either.notifications.list(after=known[-1].id))
    [reached] = [each for each in found if each.user_id == user]
    assert reached.type == "usage.threshold_reached"
    assert (reached.data["featureId"], reached.data["percent"], reached.data["used"]) == (meter(user), 80, 8)
    with pytest.raises(InvalidValue):
        await value(either.notifications.list(first=0))
