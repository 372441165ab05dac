"""The steps of a package's life that are not taken back: each is asked about before it is done."""

from __future__ import annotations

from starlette.responses import Response

from kana.dashboard.confirmation import Tone, ask
from kana.dashboard.route import get, post
from kana.dashboard.visit import Visit
from kana.errors import Conflict
from kana.model.package import Package, PackageStatus
from kana.model.person import Role


async def show_publish(visit: Visit) -> Response:
    """Ask whether to publish a draft."""
    package = await _package(visit, PackageStatus.DRAFT)
    lines: tuple[str, ...] = (
        "Users can subscribe to it from then on.",
        "It cannot become a draft again; later you can archive it.",
    )
    if not package.features:
        lines = ("It holds no features yet.", *lines)
    return _ask(visit, package, "publish", lines)


async def publish(visit: Visit) -> Response:
    """Publish it."""
    package = await visit.engine.catalog.publish_package(visit.environment, visit.id, by=visit.actor)
    return visit.go("/package", id=package.id, said=f"{package.name} is published: users can subscribe to it.")


async def show_archive(visit: Visit) -> Response:
    """Ask whether to archive a published package."""
    package = await _package(visit, PackageStatus.PUBLISHED)
    subscribers = (await visit.engine.catalog.count_subscribers(visit.environment)).get(package.id, 0)
    lines = (
        "Nobody new can subscribe to it. This is for good.",
        f"{subscribers:,} who have it keep{'s' if subscribers == 1 else ''} it until they change or cancel."
        if subscribers
        else "Nobody has it now.",
    )
    return _ask(visit, package, "archive", lines, tone="danger")


async def archive(visit: Visit) -> Response:
    """Archive it."""
    package = await visit.engine.catalog.archive_package(visit.environment, visit.id, by=visit.actor)
    return visit.go("/package", id=package.id, said=f"{package.name} is archived.")


async def show_delete(visit: Visit) -> Response:
    """Ask whether to delete a draft."""
    package = await _package(visit, PackageStatus.DRAFT)
    return _ask(visit, package, "delete", ("It is a draft: nobody has it, and it is gone for good.",), tone="danger")


async def delete(visit: Visit) -> Response:
    """Delete it."""
    await visit.engine.catalog.delete_package(visit.environment, visit.id, by=visit.actor)
    return visit.go("/packages", said=f"{visit.id} is deleted.")


async def _package(visit: Visit, status: PackageStatus) -> Package:
    package = (await visit.engine.catalog.read(visit.environment)).package(visit.id)
    if package.status is not status:
        raise Conflict(f"{package.name} is {package.status.lower()}, and this is for what is {status.lower()}")
    return package


def _ask(visit: Visit, package: Package, verb: str, lines: tuple[str, ...], *, tone: Tone = "primary") -> Response:
    return ask(
        visit,
        f"{verb.capitalize()} {package.name}?",
        *lines,
        action=visit.url(f"/package/{verb}", id=package.id),
        button=verb.capitalize(),
        back=visit.url("/package", id=package.id),
        tone=tone,
    )


ROUTES = (
    get("/package/publish", show_publish, needs=Role.EDITOR),
    post("/package/publish", publish),
    get("/package/archive", show_archive, needs=Role.EDITOR),
    post("/package/archive", archive),
    get("/package/delete", show_delete, needs=Role.EDITOR),
    post("/package/delete", delete),
)
