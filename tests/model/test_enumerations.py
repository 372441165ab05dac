"""Enumerations: a member that is only added to one fails loudly wherever its members are told apart."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, TypeVar, cast

import pytest

from kana.dashboard.outcomes import outcome_in_words
from kana.engine.catalog.catalog import check_changeable
from kana.errors import Conflict
from kana.model.config import read_config
from kana.model.entitlement import Outcome
from kana.model.feature import FeatureType
from kana.model.insights import Step
from kana.model.key import KeyKind
from kana.model.package import Package, PackageStatus
from kana.model.period import ResetPeriod, longest, period_at, period_start_at, periods_before
from kana.model.plan import plan
from kana.model.subscribing import change_base
from kana.model.terms import ChangeTime, ChangeUsage
from kana.model.usage import Action, Usage
from kana.model.word import Word
from kana.store.values import LONGEST_PERIODS
from tests.support.world import (
    NOON,
    ONE_DAY,
    a_catalog,
    a_feature,
    a_package,
    a_subscription,
    a_usage,
    allows,
    an_account,
)

W = TypeVar("W", bound=Word)
BASIC = {"id": "basic", "features": []}
LATER = NOON + 400 * ONE_DAY
FEATURE, PACKAGE, USAGE = a_feature(), a_package(), a_usage()


def added_to(kind: type[W]) -> W:
    """A member that nothing handles, as if it had been added to the enumeration alone."""
    member = str.__new__(kind, "ADDED")
    member._name_, member._value_ = "ADDED", "ADDED"
    return member


def planned(status: PackageStatus, *wanted: object) -> object:
    """What a configuration with these published packages makes of a catalogue with one package of this status."""
    config = read_config({"features": [], "packages": {"draft": [], "published": list(wanted)}, "addons": {}})
    return plan(a_catalog(a_package(status=status)), config, now=LATER)


def changing(package: Package) -> None:
    """Renames a package, which some statuses forbid."""
    with suppress(Conflict):
        check_changeable(package, {"name": "new"}, confirm_impact=False)


def rebased(when: ChangeTime = ChangeTime.NOW, usage: ChangeUsage = ChangeUsage.RESET) -> object:
    """Moves somebody to another base package, at this time and with this usage."""
    catalog = a_catalog(FEATURE, a_package("basic", allows(1)), a_package("pro", allows(2)))
    account = an_account(a_subscription())
    return change_base(account, catalog, "pro", when=when, usage=usage, now=NOON, next_id=iter([9]).__next__)


def change_of(action: Action) -> int:
    """What a usage of this action moves a total by, even one that could not be made."""
    return Usage.change_of(cast("Usage", SimpleNamespace(action=action, delta=1)), 0)


WALKS: dict[str, tuple[type[Word], Callable[[Any], object]]] = {
    "longest": (ResetPeriod, longest),
    "period_at": (ResetPeriod, lambda reset: period_at(NOON, reset, LATER)),
    "period_start_at": (ResetPeriod, lambda reset: period_start_at(NOON, reset, LATER)),
    "periods_before": (ResetPeriod, lambda reset: list(periods_before(NOON, reset, LATER))),
    "Step.floor": (Step, lambda step: Step.floor(step, NOON)),
    "Step.following": (Step, lambda step: Step.following(step, NOON)),
    "KeyKind.prefix": (KeyKind, lambda kind: kind.prefix),
    "outcome_in_words": (Outcome, outcome_in_words),
    "Feature.is_counted": (FeatureType, lambda kind: replace(FEATURE, type=kind).is_counted),
    "Usage": (Action, lambda action: replace(USAGE, action=action)),
    "Usage.change_of": (Action, change_of),
    "plan, kept": (PackageStatus, lambda status: planned(status, BASIC)),
    "plan, left out": (PackageStatus, planned),
    "change_base, when": (ChangeTime, lambda when: rebased(when=when)),
    "change_base, usage": (ChangeUsage, lambda usage: rebased(usage=usage)),
    "check_changeable": (PackageStatus, lambda status: changing(a_package(status=status))),
}


@pytest.mark.parametrize("name", WALKS)
def test_every_member_is_handled_and_one_that_is_added_fails(name: str) -> None:
    """Each member is answered for; another one is an error that names it, and never passes for a neighbour."""
    kind, walk = WALKS[name]
    for member in kind:
        walk(member)
    with pytest.raises(AssertionError, match="ADDED"):
        walk(added_to(kind))


def test_every_reset_period_has_its_longest() -> None:
    """What bounds a reading of totals knows each reset period."""
    assert list(LONGEST_PERIODS) == list(ResetPeriod)
