"""The steps of a package's life: each says what it does and asks for confirmation."""

from __future__ import annotations

from starlette.responses import Response

from kana.dashboard.confirmation import Tone, ask
from kana.dashboard.page_request import PageRequest
from kana.dashboard.route import get, post
from kana.errors import Conflict
from kana.model.colleague import Role
from kana.model.package import Package, PackageStatus
from kana.model.text import counted


async def show_publish(request: PageRequest) -> Response:
    """Ask whether to publish a draft."""
    package = await _package(request, PackageStatus.DRAFT)
    lines: tuple[str, ...] = (
        "Users can subscribe to it at once.",
        "It cannot become a draft again, but you can archive it later.",
    )
    if not package.features:
        lines = ("It has no features yet.", *lines)
    return _ask(request, package, "publish", lines)


async def publish(request: PageRequest) -> Response:
    """Publish the draft."""
    package = await request.engine.catalog.publish_package(request.environment, request.id, by=request.actor)
    return request.go("/package", id=package.id, said=f"{package.name} was published. Users can now subscribe to it.")


async def show_archive(request: PageRequest) -> Response:
    """Ask whether to archive a published package."""
    package = await _package(request, PackageStatus.PUBLISHED)
    subscribers = (await request.engine.catalog.count_subscribers(request.environment)).get(package.id, 0)
    subscribed = f"The {counted(subscribers, 'subscriber keeps', 'subscribers keep')}"
    lines = (
        "New users can no longer subscribe to it, until you unarchive it.",
        f"{subscribed} it until they change or cancel their subscription." if subscribers else "It has no subscribers.",
    )
    return _ask(request, package, "archive", lines, tone="danger")


async def archive(request: PageRequest) -> Response:
    """Archive the package."""
    package = await request.engine.catalog.archive_package(request.environment, request.id, by=request.actor)
    return request.go("/package", id=package.id, said=f"{package.name} was archived.")


async def show_unarchive(request: PageRequest) -> Response:
    """Ask whether to publish an archived package again."""
    package = await _package(request, PackageStatus.ARCHIVED)
    lines = ("Users can subscribe to it again at once. Those who kept it notice nothing.",)
    return _ask(request, package, "unarchive", lines)


async def unarchive(request: PageRequest) -> Response:
    """Publish the archived package again."""
    package = await request.engine.catalog.unarchive_package(request.environment, request.id, by=request.actor)
    said = f"{package.name} was unarchived. Users can now subscribe to it again."
    return request.go("/package", id=package.id, said=said)


async def show_delete(request: PageRequest) -> Response:
    """Ask whether to delete a draft."""
    package = await _package(request, PackageStatus.DRAFT)
    return _ask(
        request, package, "delete", ("It is a draft without subscribers. This cannot be undone.",), tone="danger"
    )


async def delete(request: PageRequest) -> Response:
    """Delete the draft."""
    await request.engine.catalog.delete_package(request.environment, request.id, by=request.actor)
    return request.go("/packages", said=f"{request.id} was deleted.")


async def _package(request: PageRequest, status: PackageStatus) -> Package:
    package = (await request.engine.catalog.read(request.environment)).package(request.id)
    if package.status is not status:
        raise Conflict(f"{package.name} is {package.status.lower()}. This is possible only if it is {status.lower()}.")
    return package


def _ask(
    request: PageRequest, package: Package, verb: str, lines: tuple[str, ...], *, tone: Tone = "primary"
) -> Response:
    return ask(
        request,
        f"{verb.capitalize()} {package.name}?",
        *lines,
        action=request.url(f"/package/{verb}", id=package.id),
        button=verb.capitalize(),
        back=request.url("/package", id=package.id),
        tone=tone,
    )


ROUTES = (
    get("/package/publish", show_publish, needs=Role.EDITOR),
    post("/package/publish", publish),
    get("/package/archive", show_archive, needs=Role.EDITOR),
    post("/package/archive", archive),
    get("/package/unarchive", show_unarchive, needs=Role.EDITOR),
    post("/package/unarchive", unarchive),
    get("/package/delete", show_delete, needs=Role.EDITOR),
    post("/package/delete", delete),
)
