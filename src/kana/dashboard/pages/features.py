"""Features: their list, and the form that creates or changes one."""

from __future__ import annotations

from dataclasses import dataclass, field

from starlette.responses import Response

from kana.dashboard.context import Context
from kana.dashboard.forms import Errors, read_metadata, written_metadata
from kana.dashboard.listing import Listing, listing
from kana.dashboard.page_request import PageRequest
from kana.dashboard.route import get, post
from kana.engine.catalog.catalog import FeatureChanges
from kana.errors import BadInput, Conflict
from kana.model.catalog import Catalog
from kana.model.colleague import Role
from kana.model.feature import Feature, FeatureType
from kana.model.package import Package
from kana.model.text import shown

_FIELDS = {"unitLabel": "unit_label", "unitLabelPlural": "unit_label_plural"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureRow:
    """A row of the list of features."""

    feature: Feature
    packages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FeaturesPage(Context):
    """The features of an environment, filtered and sorted as the address says."""

    template = "features.html"
    list: Listing[FeatureRow]
    type: str
    types: tuple[FeatureType, ...] = tuple(FeatureType)


@dataclass(frozen=True, slots=True, kw_only=True)
class TypedFeature:
    """The values in the form."""

    id: str = ""
    name: str = ""
    type: str = FeatureType.BINARY
    unit_label: str = ""
    unit_label_plural: str = ""
    metadata: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeaturePage(Context):
    """The form for a new feature (``feature`` is None) or an existing one, with the packages that have it."""

    template = "feature.html"
    feature: Feature | None
    typed: TypedFeature
    packages: tuple[Package, ...] = ()
    types: tuple[FeatureType, ...] = tuple(FeatureType)
    errors: dict[str, str] = field(default_factory=dict)


async def show_features(request: PageRequest) -> Response:
    """List features, and how many packages each is in."""
    catalog = await request.engine.catalog.read(request.environment)
    held = _counts(catalog)
    kind = request.asked("type")
    found = listing(
        request,
        [
            FeatureRow(feature=feature, packages=held.get(feature.id, 0))
            for feature in catalog.features.values()
            if kind in ("", feature.type)
        ],
        columns={
            "name": lambda row: row.feature.name.casefold(),
            "type": lambda row: row.feature.type,
            "id": lambda row: row.feature.id.casefold(),
            "packages": lambda row: row.packages,
        },
        words=lambda row: f"{row.feature.name}\n{row.feature.id}",
    )
    return request.show(FeaturesPage(list=found, type=kind))


def _counts(catalog: Catalog) -> dict[str, int]:
    counts: dict[str, int] = {}
    for package in catalog.packages.values():
        for held in package.features:
            counts[held.feature_id] = counts.get(held.feature_id, 0) + 1
    return counts


async def show_new_feature(request: PageRequest) -> Response:
    """Show the empty form."""
    return request.show(FeaturePage(feature=None, typed=TypedFeature()))


async def create_feature(request: PageRequest) -> Response:
    """Create the feature that was typed."""
    typed, errors = _typed(request), Errors()
    try:
        kind = FeatureType(typed.type)
    except ValueError:
        raise BadInput(f"type must be BINARY or CONSUMABLE, got {shown(typed.type)}") from None
    metadata = read_metadata(typed.metadata, errors=errors)
    if not errors:
        try:
            feature = await request.engine.catalog.create_feature(
                request.environment,
                id=typed.id,
                type=kind,
                name=typed.name or None,
                unit_label=typed.unit_label or None,
                unit_label_plural=typed.unit_label_plural or None,
                metadata=metadata,
                by=request.actor,
            )
            return request.go("/features", said=f"Feature {feature.name} was created.")
        except Conflict as error:
            errors.add("id", error.message)
        except BadInput as error:
            errors.take(error, fields=_FIELDS)
    return request.show(FeaturePage(feature=None, typed=typed, errors=errors.by_field), status=400)


async def show_feature(request: PageRequest) -> Response:
    """Show a feature, to read or to change."""
    catalog = await request.engine.catalog.read(request.environment)
    feature = catalog.feature(request.id)
    typed = TypedFeature(
        id=feature.id,
        name=feature.name,
        type=feature.type,
        unit_label=feature.unit_label or "",
        unit_label_plural=feature.unit_label_plural or "",
        metadata=written_metadata(feature.metadata),
    )
    return request.show(_page(catalog, feature, typed, Errors()))


async def update_feature(request: PageRequest) -> Response:
    """Change a feature's name, labels and metadata to what was typed."""
    catalog = await request.engine.catalog.read(request.environment)
    feature, typed, errors = catalog.feature(request.id), _typed(request), Errors()
    changes: FeatureChanges = {
        "name": typed.name or None,
        "unit_label": typed.unit_label or None,
        "unit_label_plural": typed.unit_label_plural or None,
        "metadata": read_metadata(typed.metadata, errors=errors),
    }
    if not errors:
        try:
            changed = await request.engine.catalog.update_feature(
                request.environment, feature.id, changes, by=request.actor
            )
            return request.go("/features", said=f"Feature {changed.name} was saved.")
        except BadInput as error:
            errors.take(error, fields=_FIELDS)
    return request.show(_page(catalog, feature, typed, errors), status=400)


def _page(catalog: Catalog, feature: Feature, typed: TypedFeature, errors: Errors) -> FeaturePage:
    packages = tuple(catalog.packages_with(feature.id))
    return FeaturePage(feature=feature, typed=typed, packages=packages, errors=errors.by_field)


def _typed(request: PageRequest) -> TypedFeature:
    return TypedFeature(
        id=request.text("id"),
        name=request.text("name"),
        type=request.text("type"),
        unit_label=request.text("unit_label"),
        unit_label_plural=request.text("unit_label_plural"),
        metadata=request.text("metadata"),
    )


ROUTES = (
    get("/features", show_features),
    get("/feature", show_feature),
    post("/feature", update_feature),
    get("/feature/new", show_new_feature, needs=Role.EDITOR),
    post("/feature/new", create_feature),
)
