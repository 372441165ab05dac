"""The control of the state machine: with one rule of Kana bent, it finds a history that shows it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings

from kana.engine.usage import batch
from kana.engine.usage.batch import Batch
from kana.model import effective, entitlement, grant, period
from kana.model.account import Account
from kana.model.allowance import Allowance
from kana.model.entitlement import Consumption
from kana.model.given import TopUp
from kana.model.rollover import Carried
from kana.model.subscription import Subscription
from tests.reliability.test_state_machine import MACHINE, run, runner
from tests.support.stores import SqlitePlace

__all__ = ["runner"]

HUNT = settings(MACHINE, phases=[Phase.generate], report_multiple_bugs=False, max_examples=1000)
"""For mutants: found is enough, the shortest history is not asked for."""


def one_too_many(self: Allowance, delta: int, *, used: int) -> bool:
    return delta <= 0 or self.limit is None or self.overage_enabled or used + delta <= self.limit + 1


LATER = datetime.max.replace(tzinfo=UTC)

MUTANTS: dict[str, tuple[object, str, Any]] = {
    "a limit that is one too high": (Allowance, "admits", one_too_many),
    "an end that is a moment too late": (
        Subscription,
        "gives_access",
        lambda self, now: not self.status.endswith("D") and (self.ends_at is None or now <= self.ends_at),
    ),
    "months of thirty days": (
        period,
        "_add_months",
        lambda anchor, months: anchor + timedelta(days=30 * months),
    ),
    "keys that are forgotten": (Batch, "_first", lambda self, number, user: None),
    "limits that are never added": (effective, "_adds", lambda holding: False),
    "what ends last is used up first": (
        grant.Grant,
        "_burns",
        property(lambda self: (-(self.ends_at or LATER).timestamp(), self.counter.source_id)),
    ),
    "overage that is taken by the last": (
        grant.Pool,
        "_taken",
        lambda self, units: [units if each is self.grants[-1] else 0 for each in self.grants],
    ),
    "top-ups that hold for ever": (TopUp, "holds", lambda self, moment: self.start <= moment),
    "overrides that nobody looks for": (effective, "Override", type(None)),
    "more carried over than may be": (
        Carried,
        "_grant",
        lambda self, period, ends_at, used, room, rule=Carried._grant: rule(self, period, ends_at, used, room + 1),
    ),
    "a grace that is there again": (grant.Grant, "grace_left", property(lambda self: self.allowance.grace)),
    "reversals that are reversed": (batch, "check_reversible", lambda entry: None),
    "the lowest limit wins": (Allowance, "rank", property(lambda self: (-(self.limit or 0), False))),
    "late usage by what holds now": (
        batch,
        "effective_at",
        lambda account, catalog, feature, moment: effective.effective(account, catalog, feature, now=LATER),
    ),
    "ended subscriptions that are not looked at": (Batch, "late", frozenset()),
    "no patience with clocks": (effective, "CLOCKS_APART", timedelta()),
    "changes by the clock alone": (Account, "time", lambda self, clock: clock),
    "a binary feature that is counted for all to see": (
        entitlement.Entitlement,
        "consumption",
        lambda self, used: Consumption(used, self.allowance.limit, self.allowance.overage_enabled),
    ),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_machine_finds_what_is_wrong(
    tmp_path: Path, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch, mutant: str
) -> None:
    """The control: with one rule bent, some history disagrees with the reference."""
    monkeypatch.setattr(*MUTANTS[mutant])
    with pytest.raises(Exception) as raised:
        run(SqlitePlace(tmp_path / "kana.db"), runner, HUNT)
    assert not isinstance(raised.value, KeyError)
