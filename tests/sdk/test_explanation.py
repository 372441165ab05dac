"""Why a user may or may not use a feature, through both clients."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from kana.errors import InvalidValue
from kana.sdk import Grant, GrantSource, KanaAdmin, NotHeldCause, Outcome, UnlockWay
from tests.sdk.people import meter, value


async def test_a_decision_is_explained(either: Any, kana: KanaAdmin, user: str, number: int) -> None:
    """What holds, what does not and why, when it fits and what unlocks it; and what it was in the past."""
    whose: dict[str, Any] = {"user_id": user, "feature_id": meter(user)}
    kana.packages.create(id=f"more-{number}", features=[Grant(id=meter(user), limit=50)])
    kana.packages.publish(id=f"more-{number}")
    kana.features.record_usage(**whose, delta=10)
    found = await value(either.explain(**whose, delta="5"))
    assert (found.access, found.outcome) == (False, Outcome.LIMIT_EXCEEDED)
    assert [(each.source, each.used, each.remaining) for each in found.grants] == [(GrantSource.PACKAGE, 10, 0)]
    assert [each.cause for each in found.not_held] == [NotHeldCause.NOT_SUBSCRIBED]
    assert [(each.way, each.package.id) for each in found.unlocks] == [
        (UnlockWay.CHANGE_SUBSCRIPTION, f"more-{number}")
    ]
    assert found.fits_at == found.grants[0].ends_at
    then = await value(either.explain(**whose, at=found.grants[0].starts_at))
    assert (then.at, then.fits_at, then.unlocks) == (found.grants[0].starts_at, None, ())
    with pytest.raises(InvalidValue, match="at must have a time zone"):
        await value(either.explain(**whose, at=datetime(2026, 1, 1)))  # noqa: DTZ001 - what is refused


def test_words_of_a_newer_server_are_unknown() -> None:
    """And no error."""
    assert GrantSource("CREDIT") is GrantSource.UNKNOWN
    assert NotHeldCause("HELD_UP") is NotHeldCause.UNKNOWN
