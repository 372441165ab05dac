"""The list of packages."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from kana.dashboard.context import Context
from kana.dashboard.listing import Listing, listing
from kana.dashboard.page_request import PageRequest
from kana.dashboard.route import get
from kana.model.catalog import Catalog
from kana.model.package import Package, PackageStatus

_ORDER = list(PackageStatus)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageRow:
    """A row of the list of packages."""

    package: Package
    features: int
    subscribers: int
    addons: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagesPage(Context):
    """The packages of an environment, filtered and sorted as the address says.

    This is the start page, so it also reports how many Segment events failed: ``failed_events``, at most 1,000.
    """

    template = "packages.html"
    list: Listing[PackageRow]
    status: str
    kind: str
    failed_events: int
    statuses: tuple[PackageStatus, ...] = tuple(PackageStatus)


async def show_packages(request: PageRequest) -> Response:
    """List packages with their numbers of features, subscribers and add-ons."""
    catalog = await request.engine.catalog.read(request.environment)
    failed = await request.engine.mapping.failed(request.environment)
    subscribers = await request.engine.catalog.count_subscribers(request.environment)
    status, kind = request.asked("status"), request.asked("kind")
    rows = [
        PackageRow(
            package=package,
            features=len(package.features),
            subscribers=subscribers.get(package.id, 0),
            addons=len(addons_of(catalog, package)),
        )
        for package in catalog.packages.values()
        if status in ("", package.status) and kind in ("", "addon" if package.is_addon else "base")
    ]
    found = listing(
        request,
        rows,
        columns={
            "status": lambda row: _ORDER.index(row.package.status),
            "name": lambda row: row.package.name.casefold(),
            "features": lambda row: row.features,
            "subscribers": lambda row: row.subscribers,
            "addons": lambda row: row.addons,
        },
        words=lambda row: f"{row.package.name}\n{row.package.id}",
    )
    return request.show(PackagesPage(list=found, status=status, kind=kind, failed_events=failed))


def addons_of(catalog: Catalog, base: Package) -> list[Package]:
    """Return the add-ons that a base package can have; an add-on that names no base package goes with all."""
    if base.is_addon:
        return []
    return [
        package
        for package in catalog.packages.values()
        if package.is_addon and (not package.base_package_ids or base.id in package.base_package_ids)
    ]


ROUTES = (get("/packages", show_packages),)
