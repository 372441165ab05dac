"""The resolvers of packages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from ariadne import MutationType, ObjectType, QueryType

from kana.api.admin.context import AdminContext, Info
from kana.api.admin.inputs import Input, fields_of, given_id, page
from kana.engine.catalog.catalog import PackageChanges
from kana.errors import InvalidValue
from kana.model.allowance import UNLIMITED, Allowance, Combine, Cost, Rollover
from kana.model.catalog import Catalog
from kana.model.feature import FeatureType
from kana.model.package import Package, PackageFeature, PackageStatus
from kana.model.period import ResetPeriod
from kana.model.text import shown

query = QueryType()
mutation = MutationType()
package_type = ObjectType("Package")

_ALL = "ALL"
_STATUSES = (*PackageStatus, _ALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageFeatureView:
    """A feature in one package, together with the feature itself."""

    id: str
    name: str
    type: FeatureType
    limit: int | None
    unit_label: str | None
    unit_label_plural: str | None
    metadata: object
    overage_enabled: bool
    reset_period: ResetPeriod | None
    combine: Combine
    entitlement: Allowance | None


@query.field("package")
async def package(_root: object, info: Info, *, id: str, include_features: bool | None = None) -> Package:  # noqa: A002, ARG001
    """Return one package by its id."""
    return (await info.context.read_catalog()).package(given_id(id))


@query.field("packages")
async def packages(
    _root: object,
    info: Info,
    *,
    status: str | None = None,
    include_features: bool | None = None,  # noqa: ARG001 - Kana's examples pass it; a query returns what it selects
    first: int | None = None,
    after: str | None = None,
) -> list[Package]:
    """Return packages of one status, or of all, in order of creation."""
    wanted = _status(status)
    catalog = await info.context.read_catalog()
    found = {
        key: package for key, package in catalog.packages.items() if key == after or wanted in (_ALL, package.status)
    }
    return page(found, first=first, after=after, noun="package")


@mutation.field("createPackage")
async def create_package(_root: object, info: Info, *, input: Input) -> Package:  # noqa: A002 - Kana's word
    """Create a draft."""
    context = info.context
    created = await context.engine.catalog.create_package(
        context.environment,
        **fields_of(input, "id", "name", "metadata", "trial_days"),
        is_addon=bool(input.get("is_addon")),
        features=_held(input["features"]),
        base_package_ids=input.get("base_package_ids") or (),
        by=context.actor,
    )
    return await _answer(context, created)


@mutation.field("updatePackage")
async def update_package(_root: object, info: Info, *, id: str, input: Input) -> Package:  # noqa: A002 - Kana's words
    """Change the metadata of a package, or every field of a draft."""
    context = info.context
    changes = fields_of(input, "name", "metadata", "trial_days")
    if input.get("is_addon") is not None:
        changes["is_addon"] = input["is_addon"]
    if input.get("base_package_ids") is not None:
        changes["base_package_ids"] = tuple(input["base_package_ids"])
    if input.get("features") is not None:
        changes["features"] = _held(input["features"])
    changed = await context.engine.catalog.update_package(
        context.environment, given_id(id), cast("PackageChanges", changes), by=context.actor
    )
    return await _answer(context, changed)


@mutation.field("publishPackage")
async def publish_package(_root: object, info: Info, *, id: str) -> Package:  # noqa: A002 - Kana's word
    """Publish a draft."""
    context = info.context
    published = await context.engine.catalog.publish_package(context.environment, given_id(id), by=context.actor)
    return await _answer(context, published)


@mutation.field("archivePackage")
async def archive_package(_root: object, info: Info, *, id: str) -> Package:  # noqa: A002 - Kana's word
    """Archive a published package."""
    context = info.context
    archived = await context.engine.catalog.archive_package(context.environment, given_id(id), by=context.actor)
    return await _answer(context, archived)


@mutation.field("unarchivePackage")
async def unarchive_package(_root: object, info: Info, *, id: str) -> Package:  # noqa: A002 - Kana's word
    """Publish an archived package again."""
    context = info.context
    unarchived = await context.engine.catalog.unarchive_package(context.environment, given_id(id), by=context.actor)
    return await _answer(context, unarchived)


@mutation.field("duplicatePackage")
async def duplicate_package(
    _root: object,
    info: Info,
    *,
    id: str,  # noqa: A002 - Kana's word
    new_id: str,
    name: str | None = None,
) -> Package:
    """Create a draft copy of a package."""
    context = info.context
    copy = await context.engine.catalog.duplicate_package(
        context.environment, given_id(id), new_id=given_id(new_id, field="newId"), name=name, by=context.actor
    )
    return await _answer(context, copy)


@mutation.field("deletePackage")
async def delete_package(_root: object, info: Info, *, id: str) -> Package:  # noqa: A002 - Kana's word
    """Delete a draft and return it."""
    context = info.context
    deleted = (await context.refresh_catalog()).package(given_id(id))
    await context.engine.catalog.delete_package(context.environment, id, by=context.actor)
    return await _answer(context, deleted)


@package_type.field("features")
def features_of(package: Package, info: Info) -> list[PackageFeatureView]:
    """Return the features of a package."""
    catalog = info.context.catalog
    return [_shown(held, catalog) for held in package.features]


async def _answer(context: AdminContext, package: Package) -> Package:
    await context.refresh_catalog()
    return package


def _shown(held: PackageFeature, catalog: Catalog) -> PackageFeatureView:
    feature, allowance = catalog.feature(held.feature_id), held.allowance
    return PackageFeatureView(
        id=feature.id,
        name=feature.name if held.name is None else held.name,
        type=feature.type,
        limit=allowance.limit,
        unit_label=feature.unit_label,
        unit_label_plural=feature.unit_label_plural,
        metadata=feature.metadata,
        overage_enabled=allowance.overage_enabled,
        reset_period=allowance.reset_period,
        combine=allowance.combine,
        entitlement=allowance if feature.is_counted else None,
    )


def _held(features: list[Input]) -> tuple[PackageFeature, ...]:
    return tuple(
        PackageFeature(feature_id=held["id"], name=held.get("name"), allowance=_allowance(held.get("entitlement")))
        for held in features
    )


def _allowance(entitlement: Input | None) -> Allowance:
    if entitlement is None:
        return UNLIMITED
    rollover, cost = entitlement.get("rollover"), entitlement.get("cost")
    return Allowance(
        limit=entitlement.get("limit"),
        overage_enabled=bool(entitlement.get("overage_enabled")),
        reset_period=entitlement.get("reset_period"),
        combine=entitlement.get("combine") or Combine.HIGHEST,
        rollover=None if rollover is None else Rollover(**fields_of(rollover, "limit", "periods")),
        grace_percent=entitlement.get("grace_percent") or 0,
        cost=None if cost is None else Cost(**fields_of(cost, "feature_id", "units")),
    )


def _status(status: str | None) -> str:
    if status is None:
        return PackageStatus.PUBLISHED
    if status not in _STATUSES:
        raise InvalidValue(f"status must be one of {', '.join(_STATUSES)}, got {shown(status)}", field="status")
    return status
