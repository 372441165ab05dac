from __future__ import annotations

import inspect
from typing import Any

from kana.sdk import Grant, KanaAdmin


async def value(result: Any) -> Any:
    """The result of a call of either client."""
    return await result if inspect.isawaitable(result) else result


def meter(user_id: str) -> str:
    """The id of the feature that a user of the fixture ``user`` has."""
    return f"meter-of-{user_id}"


def subscribed(kana: KanaAdmin, user_id: str, *, limit: int | None) -> str:
    """Create a user with a package and a feature of their own; return the user's id."""
    kana.features.create(id=meter(user_id), type="CONSUMABLE")
    kana.packages.create(
        id=f"package-of-{user_id}", features=[Grant(id=meter(user_id), limit=limit, reset_period="MONTH")]
    )
    kana.packages.publish(id=f"package-of-{user_id}")
    kana.users.create(id=user_id)
    kana.subscriptions.create(user_id=user_id, package_ids=[f"package-of-{user_id}"])
    return user_id


async def used(either: Any, user_id: str, feature_id: str | None = None) -> int:
    """How much a user has used in the current period: of ``meter(user_id)``, or of another feature."""
    shown = await value(either.features.show_usage(user_id=user_id, feature_id=feature_id or meter(user_id)))
    found: int = shown.current.consumption.used
    return found
