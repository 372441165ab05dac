"""The control of the state machine: with one rule of Kana bent, it finds a history that shows it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kana.engine.usage import batch, lines
from kana.engine.usage.batch import Batch
from kana.errors import KanaError
from kana.model import addons, counting, deciding, effective, entitlement, grant, period, placing, subscribing, trial
from kana.model.account import Account
from kana.model.allowance import Allowance
from kana.model.counting import Counting
from kana.model.entitlement import Consumption
from kana.model.given import TopUp
from kana.model.rollover import Carried
from kana.model.subscription import Subscription, SubscriptionStatus
from kana.model.zone import zone_named
from tests.reliability.driving import failure, history
from tests.reliability.test_state_machine import Machine, runner
from tests.support.stores import SqlitePlace

__all__ = ["runner"]

HISTORIES, STEPS = 1000, 60
"""So many are lived until one shows what is wrong."""


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
        placing,
        "effective_at",
        lambda account, catalog, feature, moment, now: effective.effective(account, catalog, feature, now=LATER),
    ),
    "ended subscriptions that are not looked at": (Batch, "late", frozenset()),
    "no patience with clocks": (effective, "CLOCKS_APART", timedelta()),
    "changes by the clock alone": (Account, "time", lambda self, clock: clock),
    "a binary feature that is counted for all to see": (
        entitlement.Entitlement,
        "consumption",
        lambda self, used: Consumption(used, self.allowance.limit, self.allowance.overage_enabled),
    ),
    "starts that nobody waits for": (
        Subscription,
        "gives_access",
        lambda self, now: self.status in {"ACTIVE", "TRIALING"} and (self.ends_at is None or now < self.ends_at),
    ),
    "starts that are never still to come": (Subscription, "has_begun", lambda self, now: True),
    "trials that never end": (
        Subscription,
        "_status_at",
        lambda self, now, rule=Subscription._status_at: (
            SubscriptionStatus.TRIALING
            if self.trial_ends_at and rule(self, now) is SubscriptionStatus.ACTIVE
            else rule(self, now)
        ),
    ),
    "trials after which all goes on": (
        subscribing,
        "_on_terms",
        lambda *given, rule=subscribing._on_terms, **more: replace(rule(*given, **more), ends_at=None),
    ),
    "a package's trial, time and again": (trial, "_has_tried", lambda account, package: False),
    "clocks that all show UTC": (period, "zone_named", lambda name: zone_named("UTC")),
    "days of 24 hours by the calendar": (
        period,
        "first_shown",
        lambda zone, clock: clock - (clock.replace(month=1, day=1, tzinfo=zone).utcoffset() or timedelta()),
    ),
    "hours that a change of the clock does not end": (
        period,
        "full_hour",
        lambda zone, moment: (
            moment.replace(minute=0, second=0, microsecond=0),
            moment.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1),
        ),
    ),
    "first periods that are not cut at the start": (
        counting,
        "period_at",
        lambda start, reset, moment, anchor=None, rule=period.period_at: rule(
            start if reset is None or anchor is None else datetime.min.replace(tzinfo=UTC), reset, moment, anchor
        ),
    ),
    "anchors of which only the day counts": (
        subscribing,
        "_on_terms",
        lambda *given, rule=subscribing._on_terms, **more: replace(
            made := rule(*given, **more),
            anchor=made.anchor.replace(minute=0) if isinstance(made.anchor, datetime) else made.anchor,
        ),
    ),
    "counters that do not go on": (Counting, "counts_as", property(lambda self: self.id)),
    "anchors that do not go on": (
        subscribing,
        "_taking_over",
        lambda *given, rule=subscribing._taking_over, **more: replace(rule(*given, **more), anchor=None),
    ),
    "what is carried over of another package": (
        Counting,
        "periods_before",
        lambda self, reset, moment: period.periods_before(
            self.counted_from, reset, max(self.counted_from, moment), self.anchor
        ),
    ),
    "usage over other periods that is not carried along": (
        subscribing,
        "brought_along",
        lambda old, new, catalog: (),
    ),
    "usage over other periods that counts for ever": (
        entitlement.Entitlement,
        "brought_into",
        lambda self, counter: tuple(
            found
            for each in self.holder.brought
            if (found := grant.CounterKey(self.holder.bucket, self.holder.counts_as, *each)) != counter
            and each.feature_id == self.feature.id
        ),
    ),
    "late usage by its own limit alone": (effective, "_as_shared", lambda holding, ever, moment, now: holding),
    "changes at the period's end at once": (subscribing, "_change_time", lambda old, catalog, when, now: now),
    "changes that are not taken back": (subscribing, "_withdrawn", lambda *given, now: []),
    "a second base package some day": (subscribing, "_check_one_base", lambda *given, now: None),
    "add-ons that outlive what they go with": (
        subscribing,
        "adjusted",
        lambda state, changed, catalog, now: iter(()),
    ),
    "add-ons that start with another package": (
        addons,
        "_carried_until",
        lambda *given, start, has_begun, rule=addons._carried_until: rule(*given, start=start, has_begun=True),
    ),
    "add-ons that forget their own end": (
        addons,
        "ended",
        lambda *given, rule=addons.ended, **more: replace(rule(*given, **more), own_ends_at=None),
    ),
    "ends that nobody takes back": (
        subscribing,
        "resume",
        lambda account, catalog, number, now: [],
    ),
    "what is set aside may be used": (
        entitlement.Entitlement,
        "decide",
        lambda self, change, used, held=0, moves=False, rule=entitlement.Entitlement.decide: rule(
            self, change, used=used, moves=moves
        ),
    ),
    "a last settlement that keeps the rest": (deciding, "_emptied", tuple),
    "lines that are used though another one is refused": (deciding, "_withheld", lambda judged, cost, used: judged),
    "credits that nobody takes": (
        lines,
        "costs",
        lambda line, credit, rule=lines.costs: rule(replace(line, units=0), credit),
    ),
    "ends of what is set aside that nobody minds": (Batch, "_let_go", lambda self, reservation, so_far: None),
    "late usage from before everything": (batch, "check_time", lambda *given, now: None),
}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_machine_finds_what_is_wrong(
    tmp_path: Path, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch, mutant: str
) -> None:
    """The control: with one rule bent, some history disagrees with the reference."""
    monkeypatch.setattr(*MUTANTS[mutant])
    place = SqlitePlace(tmp_path / "kana.db")
    for seed in range(HISTORIES):
        found = failure(lambda: Machine(place, runner), history(Machine, seed, steps=STEPS))
        if found is not None:
            assert isinstance(found, (AssertionError, KanaError, ValueError)), found
            return
    pytest.fail(f"{HISTORIES} histories show nothing")
