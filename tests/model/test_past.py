"""Packages of the past, read from the log of changes."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kana.model.allowance import Allowance, Combine
from kana.model.package import Package, PackageFeature, PackagePrice, PackageStatus
from kana.model.past import catalog_then, package_then
from kana.model.period import ResetPeriod
from kana.store.log import described
from tests.support.allowances import FULL, allowances
from tests.support.world import NOON, a_catalog, a_feature, a_package, allows, examples

FIRST: dict[str, Any] = {
    "id": "basic", "name": "Basic", "is_addon": False, "status": "PUBLISHED",
    "features": [
        {"feature_id": "message", "name": None, "allowance": {
            "limit": 100, "overage_enabled": True, "reset_period": "MONTH",
        }},
    ],
    "base_package_ids": [], "prices": [], "metadata": {}, "created_at": "2026-03-10 12:00:00+00:00",
    "updated_at": "2026-03-10 12:00:00+00:00",
}  # fmt: skip
"""What the first version wrote."""


@given(allowance=allowances(credit="credit"), status=st.sampled_from(PackageStatus))
@examples(100)
def test_it_is_what_the_log_was_told(allowance: Allowance, status: PackageStatus) -> None:
    """Everything that a package may have, word for word."""
    price = PackagePrice(id="p", provider="x", amount=999, currency="eur", interval=None)
    package = a_package(
        "more", PackageFeature(feature_id="message", name="Messages", allowance=allowance), is_addon=True,
        base_package_ids=("basic",), status=status, prices=(price,), metadata={"a": [1]}, trial_days=7,
    )  # fmt: skip
    said = described(package)
    assert said is not None
    assert package_then(json.loads(said)) == package


def test_everything_is_read() -> None:
    """The control: an allowance that has all that there is."""
    said = described(a_package("basic", PackageFeature(feature_id="message", allowance=FULL)))
    assert said is not None
    assert package_then(json.loads(said)).features[0].allowance == FULL


def test_the_words_of_the_first_version_are_read() -> None:
    """What it did not know has the meaning that it had."""
    allowance = Allowance(limit=100, overage_enabled=True, reset_period=ResetPeriod.MONTH, combine=Combine.HIGHEST)
    held = PackageFeature(feature_id="message", allowance=allowance)
    assert package_then(FIRST) == a_package("basic", held, name="Basic", metadata={}, created_at=NOON)


def test_other_packages_are_as_they_are() -> None:
    """Only those that were changed since are others."""
    basic, pro = a_package("basic", allows(5)), a_package("pro", allows(50))
    catalog = a_catalog(a_feature(), basic, pro)
    then = catalog_then(catalog, {"basic": FIRST})
    found: dict[str, Package] = dict(then.packages)
    assert found == {"basic": package_then(FIRST), "pro": pro}
    held = then.held("basic", "message"), catalog.held("basic", "message")
    assert [each.allowance.limit for each in held if each is not None] == [100, 5]
    assert catalog_then(catalog, {}) is catalog
