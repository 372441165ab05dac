"""An allowance in words, and what a change of it takes from those who have it."""

from __future__ import annotations

from typing import Any

import pytest

from kana.model.allowance import Allowance, Combine, Cost, Rollover
from kana.model.change import Cap, Change, describe, in_words
from kana.model.package import PackageFeature
from tests.support.world import DAY, MONTH, YEAR, a_catalog, a_feature, a_package, adds, allows


def changed(old: PackageFeature, new: PackageFeature) -> Change:
    """The one change of a published package from one allowance to another."""
    catalog = a_catalog(a_feature(), a_feature("credit"), a_feature("other"), a_package("free", old))
    [change] = describe(catalog, catalog.with_package(a_package("free", new)))
    return change


def carries(limit: int, periods: int) -> dict[str, Any]:
    return {"rollover": Rollover(limit=limit, periods=periods)}


def held(**fields: Any) -> PackageFeature:
    given: dict[str, Any] = {"limit": 50, "reset_period": MONTH, **fields}
    allowance = Allowance(**given)
    return PackageFeature(feature_id="message", allowance=allowance)


@pytest.mark.parametrize(
    ("old", "new", "takes", "caps"),
    [
        (allows(None, YEAR), allows(9, YEAR), True, True),
        (allows(50, overage=True), allows(50), True, True),
        (adds(50), allows(50), True, True),
        (adds(50), allows(None), False, False),
        (allows(None, YEAR), allows(None, DAY), True, False),
    ],
)
def test_less_is_less_in_each_way(old: PackageFeature, new: PackageFeature, takes: bool, caps: bool) -> None:
    """From unlimited to a limit, overage that ends, what adds no more, and other periods, which without a limit leave
    none above it.
    """
    change = changed(old, new)
    assert (change.takes, change.cap) == (takes, Cap("message", new.allowance) if caps else None)


@pytest.mark.parametrize(
    ("old", "new", "takes"),
    [
        ({"grace_percent": 10}, {}, True),
        ({"grace_percent": 10}, {"grace_percent": 11}, False),
        ({"grace_percent": 10}, {"limit": 55}, False),
        ({"grace_percent": 10}, {"limit": 54}, True),
        ({"grace_percent": 10}, {"limit": 54, "overage_enabled": True}, False),
        ({}, {"cost": Cost(feature_id="credit", units=1)}, True),
        ({"cost": Cost(feature_id="credit", units=2)}, {"cost": Cost(feature_id="credit", units=3)}, True),
        ({"cost": Cost(feature_id="credit", units=2)}, {"cost": Cost(feature_id="other", units=2)}, True),
        ({"cost": Cost(feature_id="credit", units=2)}, {"cost": Cost(feature_id="credit", units=1)}, False),
        ({"cost": Cost(feature_id="credit", units=2)}, {}, False),
        (carries(9, 2), {}, True),
        (carries(9, 2), carries(8, 3), True),
        (carries(9, 2), carries(10, 1), True),
        (carries(9, 2), carries(9, 3), False),
        (carries(9, 2), {"limit": None}, False),
    ],
)
def test_less_beyond_a_limit_is_less(old: dict[str, Any], new: dict[str, Any], takes: bool) -> None:
    """A grace that ends earlier, and less that is carried over or for a shorter time."""
    assert changed(held(**old), held(**new)).takes is takes


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "50 per month"),
        ({"limit": None}, "unlimited per month"),
        ({"limit": None, "reset_period": None}, "unlimited"),
        ({"reset_period": None, "grace_percent": 7}, "50 in all with a grace of 7 %"),
        ({"cost": Cost(feature_id="credit", units=5)}, "50 per month, each for 5 of 'credit'"),
        (
            {"combine": Combine.ADD, "overage_enabled": True, "cost": Cost(feature_id="credit", units=5)},
            "50 per month with overage on top of other packages, each for 5 of 'credit'",
        ),
        (carries(9, 1), "50 per month with up to 9 carried over for 1 month"),
        (
            {"overage_enabled": True, "grace_percent": 7, "combine": Combine.ADD, "reset_period": DAY} | carries(9, 3),
            "50 per day with overage and a grace of 7 % and up to 9 carried over for 3 days on top of other packages",
        ),
    ],
)
def test_an_allowance_is_said_in_words(fields: dict[str, Any], words: str) -> None:
    """All of it, as reviews and pages say it."""
    assert in_words(held(**fields).allowance) == words
