"""The machine's clock may jump: no period is opened twice, and no order in the ledger depends on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reliability.ledger import damage, read_lines
from tests.support.client import CHECK, ENROL, FEATURE, PACKAGE, RECORD
from tests.support.serving import Served
from tests.support.stores import SqlitePlace
from tests.support.world import SetClock

HOUR, DAY = 3600.0, 86_400.0


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """The application over HTTP with a clock to set, and Ada, who may use ten a day."""
    with Served(SqlitePlace(tmp_path / "kana.db"), clock=SetClock()) as served:
        served.ask(FEATURE, {"input": {"id": "message", "type": "CONSUMABLE"}})
        held = {"id": "message", "entitlement": {"limit": 10, "resetPeriod": "DAY"}}
        served.ask(PACKAGE, {"input": {"id": "daily", "features": [held]}, "id": "daily"})
        served.ask(ENROL, {"id": "ada", "packageIds": ["daily"]})
        yield served


def _record(served: Served, delta: int, key: str | None = None) -> tuple[bool, int]:
    given = {"userId": "ada", "featureId": "message", "delta": delta, "idempotencyKey": key}
    recorded = served.ask(RECORD, {"input": given})["recordUsage"]
    return recorded["recorded"], recorded["consumption"]["used"]


def _used(served: Served) -> int:
    decision = served.ask(CHECK, {"userId": "ada", "featureId": "message"})["canUseFeature"]
    return int(decision["consumption"]["used"])


def test_a_clock_that_jumps_over_a_reset_and_back_opens_each_period_once(served: Served, tmp_path: Path) -> None:
    """Back in a period that was used, what was used there is still used; nobody gets a day's units twice."""
    assert _record(served, 10) == (True, 10)
    served.clock.advance(seconds=DAY)
    assert _record(served, 7) == (True, 7)
    served.clock.advance(seconds=-DAY)
    assert _used(served) == 10
    assert _record(served, 1) == (False, 10)
    served.clock.advance(seconds=DAY)
    assert _used(served) == 7
    assert _record(served, 4) == (False, 7)
    assert _record(served, 3) == (True, 10)
    assert damage(tmp_path / "kana.db") == []


@pytest.mark.parametrize("jump", [-DAY, -HOUR, -0.001, 0.0, HOUR, DAY])
def test_the_ledger_s_order_is_that_of_the_decisions(served: Served, tmp_path: Path, jump: float) -> None:
    """Ids grow from one decision to the next whatever the clock says, and a key is known across the jump."""
    told = [_record(served, delta, key=f"before-{delta}") for delta in (1, 2)]
    served.clock.advance(seconds=jump)
    told.append(_record(served, 3, key="after"))

    assert [(line.delta, line.used) for line in read_lines(tmp_path / "kana.db")] == [
        (delta, used) for delta, (_, used) in zip((1, 2, 3), told, strict=True)
    ]
    assert [_record(served, delta, key=f"before-{delta}") for delta in (1, 2)] == told[:2]
    assert damage(tmp_path / "kana.db") == []


def test_before_the_subscription_began_its_first_period_counts(served: Served, tmp_path: Path) -> None:
    """A clock set back to before the subscription's start locks nobody out and opens no period that was not there."""
    assert _record(served, 2) == (True, 2)
    served.clock.advance(seconds=-400 * DAY)
    assert _used(served) == 2
    assert _record(served, 9) == (False, 2)
    assert _record(served, 3) == (True, 5)
    served.clock.advance(seconds=400 * DAY)
    assert _record(served, 5) == (True, 10)
    assert damage(tmp_path / "kana.db") == []
