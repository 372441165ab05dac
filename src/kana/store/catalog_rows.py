"""A catalogue as rows: what was changed since a version read into one that is known, and what a change writes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from datetime import datetime
from typing import NamedTuple, TypeVar

from kana.model.allowance import Allowance
from kana.model.catalog import Catalog, CatalogChange, difference
from kana.model.environment import Actor, Environment
from kana.model.feature import Feature, FeatureType
from kana.model.package import Package, PackageFeature, PackagePrice, PackageStatus
from kana.model.period import from_milliseconds, to_milliseconds
from kana.store.log import log_row, verb
from kana.store.session import Row
from kana.store.values import NO_RESET, RESETS, to_json

_Noun = TypeVar("_Noun", Feature, Package)


def catalog_from(
    base: Catalog,
    version: int,
    features: Iterable[Row],
    packages: Iterable[Row],
    package_ids: Iterable[Row],
) -> Catalog:
    """Return a catalogue with what was changed since.

    Reads the rows of ``load_features``, ``load_packages`` and ``list_package_ids``.
    """
    changed = {row[0]: _package_from(row) for row in packages}
    there = {row[0] for row in package_ids}
    return in_order(
        replace(
            base,
            version=version,
            features={**base.features, **{row[0]: _feature_from(row) for row in features}},
            packages={key: value for key, value in {**base.packages, **changed}.items() if key in there},
        )
    )


def in_order(catalog: Catalog) -> Catalog:
    """Return a catalogue in the order of creation, whichever way it came about."""
    return replace(catalog, features=_by_creation(catalog.features), packages=_by_creation(catalog.packages))


def _by_creation(nouns: Mapping[str, _Noun]) -> dict[str, _Noun]:
    return dict(sorted(nouns.items(), key=lambda item: (item[1].created_at, item[0])))


class CatalogRows(NamedTuple):
    """All that a change of a catalogue writes, and the catalogue that it makes."""

    catalog: Catalog
    features: list[Row]
    packages: list[Row]
    deleted_package_ids: list[str]
    log: list[Row]


def changed_rows(old: Catalog, change: Callable[[Catalog], Catalog], *, by: Actor, now: datetime) -> CatalogRows | None:
    """Apply a change and write the rows of it; None where it changes nothing."""
    new = change(old)
    changes = difference(old, new)
    if changes.is_empty:
        return None
    environment, version = old.environment, old.version + 1
    return CatalogRows(
        catalog=in_order(replace(new, version=version)),
        features=[(*feature_row(environment, each), version) for each in changes.features],
        packages=[(*package_row(environment, each), version) for each in changes.packages],
        deleted_package_ids=list(changes.deleted_package_ids),
        log=catalog_log_rows(old, new, changes, by=by, now=now),
    )


def _feature_from(row: Row) -> Feature:
    return Feature(
        id=row[0],
        name=row[1],
        type=FeatureType(row[2]),
        unit_label=row[3],
        unit_label_plural=row[4],
        metadata=json.loads(row[5]),
        created_at=from_milliseconds(row[6]),
    )


def _held_from(feature_id: str, name: str | None, limit: int | None, overage: int, reset: str) -> PackageFeature:
    allowance = Allowance(limit=limit, overage_enabled=bool(overage), reset_period=RESETS[reset])
    return PackageFeature(feature_id=feature_id, name=name, allowance=allowance)


def _package_from(row: Row) -> Package:
    return Package(
        id=row[0],
        name=row[1],
        is_addon=bool(row[2]),
        status=PackageStatus(row[3]),
        features=tuple(_held_from(*held) for held in json.loads(row[9])),
        base_package_ids=tuple(json.loads(row[4])),
        prices=tuple(PackagePrice(**price) for price in json.loads(row[5])),
        metadata=json.loads(row[6]),
        created_at=from_milliseconds(row[7]),
        updated_at=from_milliseconds(row[8]),
    )


def feature_row(environment: Environment, feature: Feature) -> Row:
    """Write a row of ``put_features``, but for the version."""
    return (
        environment,
        feature.id,
        feature.name,
        feature.type,
        feature.unit_label,
        feature.unit_label_plural,
        to_json(feature.metadata),
        to_milliseconds(feature.created_at),
    )


def package_row(environment: Environment, package: Package) -> Row:
    """Write a row of ``put_packages``, but for the version."""
    return (
        environment,
        package.id,
        package.name,
        int(package.is_addon),
        package.status,
        to_json(package.base_package_ids),
        to_json([asdict(price) for price in package.prices]),
        to_json(package.metadata),
        to_milliseconds(package.created_at),
        to_milliseconds(package.updated_at),
        to_json([_held(feature) for feature in package.features]),
    )


def _held(feature: PackageFeature) -> Row:
    allowance = feature.allowance
    reset = allowance.reset_period or NO_RESET
    return (feature.feature_id, feature.name, allowance.limit, int(allowance.overage_enabled), reset)


def catalog_log_rows(old: Catalog, new: Catalog, change: CatalogChange, *, by: Actor, now: datetime) -> list[Row]:
    """Write a line of the administrative log for each feature and package that a change touches."""
    touched = [("feature", item.id, old.features.get(item.id), item) for item in change.features]
    touched += [("package", item.id, old.packages.get(item.id), item) for item in change.packages]  # type: ignore[misc]
    touched += [("package", key, old.packages[key], None) for key in change.deleted_package_ids]  # type: ignore[misc]
    return [
        log_row(
            verb(before, after), (kind, key), environment=new.environment, before=before, after=after, by=by, now=now
        )
        for kind, key, before, after in touched
    ]
