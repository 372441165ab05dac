"""The form of a package, with a row for each feature so that it works without scripts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kana.dashboard.forms import Errors, read_metadata, read_units, written_metadata
from kana.dashboard.page_request import PageRequest
from kana.engine.catalog.catalog import PackageChanges
from kana.model.allowance import UNLIMITED, Allowance, Combine
from kana.model.catalog import Catalog
from kana.model.feature import Feature, FeatureType
from kana.model.package import Package, PackageFeature
from kana.model.period import ResetPeriod


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldRow:
    """A feature of the environment, and the values typed for it in the package."""

    feature: Feature
    is_held: bool = False
    name: str = ""
    limit: str = ""
    overage: bool = False
    adds: bool = False
    reset: str = ""

    @property
    def is_counted(self) -> bool:
        """Whether the feature can have a limit."""
        return self.feature.type is FeatureType.CONSUMABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageForm:
    """The values in the form."""

    id: str = ""
    name: str = ""
    is_addon: bool = False
    bases: tuple[str, ...] = ()
    metadata: str = ""
    rows: Sequence[HeldRow] = ()


def filled(package: Package, catalog: Catalog) -> PackageForm:
    """Return the form of an existing package."""
    return PackageForm(
        id=package.id,
        name=package.name,
        is_addon=package.is_addon,
        bases=package.base_package_ids,
        metadata=written_metadata(package.metadata),
        rows=[_filled_row(feature, package.feature(feature.id)) for feature in catalog.features.values()],
    )


def empty(catalog: Catalog) -> PackageForm:
    """Return the form of a new package."""
    return PackageForm(rows=[HeldRow(feature=feature) for feature in catalog.features.values()])


def typed(request: PageRequest, catalog: Catalog) -> PackageForm:
    """Return the form as it was sent."""
    held = set(request.all("held"))
    return PackageForm(
        id=request.text("id"),
        name=request.text("name"),
        is_addon=request.ticked("is_addon"),
        bases=tuple(request.all("base")),
        metadata=request.text("metadata"),
        rows=[_typed_row(request, feature, is_held=feature.id in held) for feature in catalog.features.values()],
    )


def changes_of(form: PackageForm, known: Package | None, errors: Errors) -> PackageChanges:
    """Return the changes that a form asks for, and add its errors. Features keep their order."""
    features = {row.feature.id: _held(row, errors) for row in form.rows if row.is_held}
    order = [held.feature_id for held in known.features] if known is not None else []
    ordered = [features.pop(feature_id) for feature_id in order if feature_id in features]
    bases = form.bases if form.is_addon else ()
    if known is not None and set(bases) == set(known.base_package_ids):
        bases = known.base_package_ids
    return {
        "name": form.name or None,
        "is_addon": form.is_addon,
        "base_package_ids": bases,
        "features": (*ordered, *features.values()),
        "metadata": read_metadata(form.metadata, errors=errors),
    }


def _held(row: HeldRow, errors: Errors) -> PackageFeature:
    allowance = UNLIMITED
    if row.is_counted:
        limit = read_units(row.limit, name=f"limit:{row.feature.id}", errors=errors)
        reset = ResetPeriod(row.reset) if row.reset in list(ResetPeriod) else None
        combine = Combine.ADD if row.adds else Combine.HIGHEST
        allowance = Allowance(limit=limit, overage_enabled=row.overage, reset_period=reset, combine=combine)
    return PackageFeature(feature_id=row.feature.id, name=row.name or None, allowance=allowance)


def _filled_row(feature: Feature, held: PackageFeature | None) -> HeldRow:
    if held is None:
        return HeldRow(feature=feature, reset=ResetPeriod.MONTH)
    allowance = held.allowance
    return HeldRow(
        feature=feature,
        is_held=True,
        name=held.name or "",
        limit="" if allowance.limit is None else str(allowance.limit),
        overage=allowance.overage_enabled,
        adds=allowance.combine is Combine.ADD,
        reset=allowance.reset_period or "",
    )


def _typed_row(request: PageRequest, feature: Feature, *, is_held: bool) -> HeldRow:
    return HeldRow(
        feature=feature,
        is_held=is_held,
        name=request.text(f"name:{feature.id}"),
        limit=request.text(f"limit:{feature.id}"),
        overage=request.ticked(f"overage:{feature.id}"),
        adds=request.ticked(f"adds:{feature.id}"),
        reset=request.text(f"reset:{feature.id}"),
    )
