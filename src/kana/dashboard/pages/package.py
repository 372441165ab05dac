"""One package: show, create, change and duplicate it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from starlette.responses import Response

from kana.dashboard import package_form
from kana.dashboard.context import Context
from kana.dashboard.forms import Errors
from kana.dashboard.package_form import PackageForm
from kana.dashboard.page_request import PageRequest
from kana.dashboard.pages.packages import addons_of
from kana.dashboard.route import get, post
from kana.engine.catalog.catalog import PackageChanges, changed_package, check_seen
from kana.engine.catalog.config import ReviewLine
from kana.errors import BadInput, Conflict, InvalidValue
from kana.model.catalog import Catalog
from kana.model.change import in_words
from kana.model.colleague import Role
from kana.model.feature import Feature, FeatureType
from kana.model.package import Package, PackageStatus
from kana.model.period import ResetPeriod

_FIELDS = {"basePackageIds": "base", "features.name": "features", "features.id": "features"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageFeatureRow:
    """A feature on the page of a package; ``allowance`` is in words, or None if the feature is not counted."""

    feature: Feature
    name: str
    allowance: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagePage(Context):
    """One package: its features, its number of subscribers, and its add-ons or base packages."""

    template = "package.html"
    package: Package
    features: Sequence[PackageFeatureRow]
    subscribers: int
    addons: Sequence[Package]
    bases: Sequence[Package]


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageFormPage(Context):
    """The form for a new package (``package`` is None) or an existing one."""

    template = "package_form.html"
    package: Package | None
    form: PackageForm
    bases: Sequence[Package]
    seen: str = ""
    subscribers: int = 0
    resets: tuple[ResetPeriod, ...] = tuple(ResetPeriod)
    errors: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImpactPage(Context):
    """The effects of a change to a published package, before it is made. ``sent`` is the form, to be sent again."""

    template = "impact.html"
    package: Package
    lines: Sequence[ReviewLine]
    subscribers: int
    sent: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicatePage(Context):
    """The form that asks for the identifier and the name of the copy."""

    template = "duplicate.html"
    package: Package
    id: str
    name: str
    errors: dict[str, str] = field(default_factory=dict)


async def show_package(request: PageRequest) -> Response:
    """Show a package."""
    catalog = await request.engine.catalog.read(request.environment)
    package = catalog.package(request.id)
    page = PackagePage(
        package=package,
        features=[
            PackageFeatureRow(
                feature=feature,
                name=held.name or feature.name,
                allowance=in_words(held.allowance) if feature.type is FeatureType.CONSUMABLE else None,
            )
            for held in package.features
            for feature in [catalog.feature(held.feature_id)]
        ],
        subscribers=await _subscribers(request, package),
        addons=addons_of(catalog, package),
        bases=[catalog.package(base_id) for base_id in package.base_package_ids],
    )
    return request.show(page)


async def show_new_package(request: PageRequest) -> Response:
    """Show the empty form."""
    catalog = await request.engine.catalog.read(request.environment)
    return request.show(_form_page(catalog, None, package_form.empty(catalog)))


async def create_package(request: PageRequest) -> Response:
    """Create the package that was typed, as a draft."""
    catalog = await request.engine.catalog.read(request.environment)
    form, errors = package_form.typed(request, catalog), Errors()
    try:
        changes = package_form.changes_of(form, None, errors)
        if not errors:
            package = await request.engine.catalog.create_package(
                request.environment, id=form.id, **changes, by=request.actor
            )
            return request.go("/package", id=package.id, said=f"{package.name} was created as a draft.")
    except Conflict as error:
        errors.add("id", error.message)
    except BadInput as error:
        errors.take(error, fields=_FIELDS)
    return request.show(_form_page(catalog, None, form, errors), status=400)


async def show_edit(request: PageRequest) -> Response:
    """Show the form of a package, with its number of subscribers."""
    catalog = await request.engine.catalog.read(request.environment)
    package = catalog.package(request.id)
    page = _form_page(catalog, package, package_form.filled(package, catalog))
    return request.show(replace(page, subscribers=await _subscribers(request, package)))


async def update_package(request: PageRequest) -> Response:
    """Change a package to what was typed. If it is published, show the effects first and ask for confirmation."""
    catalog = await request.engine.catalog.read(request.environment)
    package = catalog.package(request.id)
    form, errors, seen = package_form.typed(request, catalog), Errors(), request.text("seen")
    try:
        check_seen(package, seen)  # Said at once, and again where it counts: in the change itself.
        changes = package_form.changes_of(form, package, errors)
        if not errors and not request.ticked("back"):
            lines = await _impact(request, catalog, package, changes)
            if lines and package.status is PackageStatus.PUBLISHED and not request.ticked("confirm"):
                return request.show(await _impact_page(request, package, lines))
            changed = await request.engine.catalog.update_package(
                request.environment,
                package.id,
                changes,
                seen=seen,
                confirm_impact=request.ticked("confirm"),
                by=request.actor,
            )
            return request.go("/package", id=package.id, said=f"{changed.name} was saved.")
    except BadInput as error:
        errors.take(error, fields=_FIELDS)
    page = replace(_form_page(catalog, package, form, errors), seen=seen)
    return request.show(replace(page, subscribers=await _subscribers(request, package)), status=400 if errors else 200)


async def _impact(
    request: PageRequest, catalog: Catalog, package: Package, changes: PackageChanges
) -> Sequence[ReviewLine]:
    changed = catalog.with_package(changed_package(package, changes))
    return await request.engine.config.impact(request.environment, catalog, changed)


async def _impact_page(request: PageRequest, package: Package, lines: Sequence[ReviewLine]) -> ImpactPage:
    return ImpactPage(
        package=package,
        lines=lines,
        subscribers=await _subscribers(request, package),
        sent=[(name, value) for name, value in request.form.multi_items() if isinstance(value, str) and name != "csrf"],
    )


async def show_duplicate(request: PageRequest) -> Response:
    """Ask for the identifier and the name of the copy."""
    package = (await request.engine.catalog.read(request.environment)).package(request.id)
    return request.show(DuplicatePage(package=package, id=f"{package.id}-copy", name=f"{package.name} (copy)"))


async def duplicate_package(request: PageRequest) -> Response:
    """Create the copy, as a draft."""
    package = (await request.engine.catalog.read(request.environment)).package(request.id)
    new_id, name, errors = request.text("new_id"), request.text("name"), Errors()
    try:
        copy = await request.engine.catalog.duplicate_package(
            request.environment, package.id, new_id=new_id, name=name or None, by=request.actor
        )
        return request.go("/package", id=copy.id, said=f"{copy.name} was created as a draft.")
    except Conflict as error:
        errors.add("new_id", error.message)
    except InvalidValue as error:
        errors.take(error, fields={"id": "new_id"})
    return request.show(DuplicatePage(package=package, id=new_id, name=name, errors=errors.by_field), status=400)


def _form_page(
    catalog: Catalog, package: Package | None, form: PackageForm, errors: Errors | None = None
) -> PackageFormPage:
    own = None if package is None else package.id
    return PackageFormPage(
        package=package,
        form=form,
        bases=[each for each in catalog.packages.values() if not each.is_addon and each.id != own],
        seen="" if package is None else package.fingerprint,
        errors={} if errors is None else errors.by_field,
    )


async def _subscribers(request: PageRequest, package: Package) -> int:
    return (await request.engine.catalog.count_subscribers(request.environment)).get(package.id, 0)


ROUTES = (
    get("/package", show_package),
    get("/package/new", show_new_package, needs=Role.EDITOR),
    post("/package/new", create_package),
    get("/package/edit", show_edit, needs=Role.EDITOR),
    post("/package/edit", update_package),
    get("/package/duplicate", show_duplicate, needs=Role.EDITOR),
    post("/package/duplicate", duplicate_package),
)
