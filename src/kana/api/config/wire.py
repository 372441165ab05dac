"""A catalogue and a review in the format of Kana's command line.

Source: github.com/usekana/cli, type KanaConfig; ``revision``, ``lines``, ``trial_days`` and some fields of
allowances are ours.
"""

from __future__ import annotations

from typing import Any

from kana.engine.catalog.config import Review, ReviewLine
from kana.model.catalog import Catalog
from kana.model.config import allowance_fields
from kana.model.feature import FeatureType
from kana.model.package import Package, PackageFeature, PackageStatus

VERSION = "1.0.0"
"""The version of the format, as in Kana's own files."""


def config_json(catalog: Catalog, *, app: str, revision: str) -> dict[str, Any]:
    """Return a catalogue as a KanaConfig, without archived packages and without our own fields of features."""
    return {
        "app": app,
        "version": VERSION,
        "revision": revision,
        "features": [
            {"id": feature.id, "name": feature.name, "type": feature.type} for feature in catalog.features.values()
        ],
        "packages": _by_status(catalog, addons=False),
        "addons": _by_status(catalog, addons=True),
    }


def review_json(review: Review) -> dict[str, Any]:
    """Return a review: ``data`` as Kana's command line reads it, and ``lines`` with all details."""
    return {
        "data": [line.marked for line in review.lines],
        "revision": review.revision,
        "lines": [_line(line) for line in review.lines],
    }


def _by_status(catalog: Catalog, *, addons: bool) -> dict[str, Any]:
    return {
        name: [
            _package(package, catalog)
            for package in catalog.packages.values()
            if package.status is status and package.is_addon is addons
        ]
        for name, status in (("draft", PackageStatus.DRAFT), ("published", PackageStatus.PUBLISHED))
    }


def _package(package: Package, catalog: Catalog) -> dict[str, Any]:
    bases = {"base_packages": package.base_package_ids} if package.is_addon else {}
    trial = {} if package.trial_days is None else {"trial_days": package.trial_days}
    features = [_held(held, catalog) for held in package.features]
    return {"id": package.id, "name": package.name, **bases, **trial, "features": features}


def _held(held: PackageFeature, catalog: Catalog) -> dict[str, Any]:
    """Return a feature of a package. A limit of null is unlimited; a BINARY feature has no limit field."""
    if catalog.feature(held.feature_id).type is FeatureType.BINARY:
        return {"id": held.feature_id}
    return {"id": held.feature_id, **allowance_fields(held.allowance)}


def _line(line: ReviewLine) -> dict[str, Any]:
    described: dict[str, Any] = {"severity": line.severity, "text": line.text}
    if line.path is not None:
        described["path"] = line.path
    if line.change is not None:
        described |= {"action": line.change.verb, "subject": line.change.noun, "id": line.change.id}
        if line.change.reaches_subscribers:
            described["subscribers"] = line.subscribers
    if line.over is not None:
        described["over"] = line.over
    return described
