"""The catalogue as it was at a moment, from the present one and what the log of changes says of packages."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from kana.model.allowance import Allowance, Combine, Cost, Rollover
from kana.model.catalog import Catalog
from kana.model.package import Package, PackageFeature, PackagePrice, PackageStatus
from kana.model.period import ResetPeriod


def catalog_then(catalog: Catalog, then: Mapping[str, Any]) -> Catalog:
    """Return a catalogue with some packages as the log of changes says that they were; the others are as they are."""
    if not then:
        return catalog
    changed = {each: package_then(said) for each, said in then.items()}
    # Only read, so that packages that were not changed need not even be created.
    return replace(catalog, packages=ChainMap(changed, catalog.packages))  # type: ignore[arg-type]


def package_then(said: Any) -> Package:
    """Return a package from what a line of the log says of it, in the words of any version since the first."""
    return Package(
        id=said["id"],
        name=said["name"],
        is_addon=said["is_addon"],
        status=PackageStatus(said["status"]),
        features=tuple(map(_feature_then, said["features"])),
        base_package_ids=tuple(said["base_package_ids"]),
        trial_days=said.get("trial_days"),
        prices=tuple(PackagePrice(**each) for each in said["prices"]),
        metadata=said["metadata"],
        created_at=datetime.fromisoformat(said["created_at"]),
        updated_at=datetime.fromisoformat(said["updated_at"]),
    )


def _feature_then(said: Any) -> PackageFeature:
    return PackageFeature(
        feature_id=said["feature_id"], name=said["name"], allowance=_allowance_then(said["allowance"])
    )


def _allowance_then(said: Any) -> Allowance:
    reset, rollover, cost = said["reset_period"], said.get("rollover"), said.get("cost")
    return Allowance(
        limit=said["limit"],
        overage_enabled=said["overage_enabled"],
        reset_period=None if reset is None else ResetPeriod(reset),
        combine=Combine(said.get("combine", Combine.HIGHEST)),
        rollover=None if rollover is None else Rollover(**rollover),
        grace_percent=said.get("grace_percent", 0),
        cost=None if cost is None else Cost(**cost),
    )
