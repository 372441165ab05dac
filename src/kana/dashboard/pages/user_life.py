"""Exporting all that is kept of a user; merging and deleting them, which is confirmed by typing their id."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response, StreamingResponse

from kana.dashboard.confirmation import ask
from kana.dashboard.context import Context
from kana.dashboard.page_request import PageRequest
from kana.dashboard.route import get, post
from kana.engine.users.exports import document
from kana.errors import BadInput
from kana.model.colleague import Role
from kana.model.text import identifier
from kana.model.user import User


async def show_delete(request: PageRequest) -> Response:
    """Ask whether to delete a user."""
    return _ask_deletion(request, await request.engine.accounts.user(request.environment, request.id))


async def delete(request: PageRequest) -> Response:
    """Delete the user, if their id was typed."""
    user = await request.engine.accounts.user(request.environment, request.id)
    if request.text("typed") != user.id.strip():
        return _ask_deletion(request, user, error=f"Type {user.id} to delete this user.")
    deleted = await request.engine.deletions.delete(request.environment, user.id, by=request.actor)
    later = "" if deleted.is_cleared else " The last traces are being cleared; until then nobody can get this id."
    return request.go("/subscribers", said=f"The user was deleted. The log calls them {deleted.id}.{later}")


async def export(request: PageRequest) -> Response:
    """Return all that is kept of the user as JSON, written page by page so that memory does not grow with it."""
    user = await request.engine.accounts.user(request.environment, request.id)
    headers = {"content-disposition": 'attachment; filename="user.json"'}
    if request.http.method == "HEAD":
        return Response(media_type="application/json", headers=headers)
    text = document(user.id, request.engine.exports.records(request.environment, user.id))
    return StreamingResponse(text, media_type="application/json", headers=headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class MergePage(Context):
    """The form that merges ``user`` into the user with the id ``into``; ``error`` says why it was refused."""

    template = "user_merge.html"
    user: User
    into: str = ""
    error: str = ""


async def show_merge(request: PageRequest) -> Response:
    """Ask into whom to merge a user."""
    return request.show(MergePage(user=await request.engine.accounts.user(request.environment, request.id)))


async def merge(request: PageRequest) -> Response:
    """Merge the user into another, if their id was typed."""
    user = await request.engine.accounts.user(request.environment, request.id)
    into = request.text("into")
    if request.text("typed") != user.id.strip():
        return _refused(request, user, into, f"Type {user.id} to merge this user.")
    try:
        target_id = identifier(into, field="Identifier")
        merged = await request.engine.merges.merge(request.environment, user.id, target_id, by=request.actor)
    except BadInput as error:
        return _refused(request, user, into, error.message)
    return request.go("/user", id=merged.id, said=f"{user.id} was merged into {merged.id}.")


def _refused(request: PageRequest, user: User, into: str, error: str) -> Response:
    return request.show(MergePage(user=user, into=into, error=error), status=400)


def _ask_deletion(request: PageRequest, user: User, *, error: str = "") -> Response:
    return ask(
        request,
        f"Delete {user.name or user.id}?",
        "This cannot be undone.",
        "Name, e-mail address, billing identifier, metadata and id are deleted everywhere: also in the log of changes,"
        " in events from Segment, and in the metadata of usage.",
        "Their subscriptions end now and their tokens stop working.",
        "What they used still counts in all totals, without a name.",
        action=request.url("/user/delete", id=user.id),
        button="Delete user",
        back=request.url("/user", id=user.id),
        must_type=user.id,
        error=error,
    )


ROUTES = (
    get("/user/export", export, needs=Role.EDITOR),
    get("/user/merge", show_merge, needs=Role.OWNER),
    post("/user/merge", merge, needs=Role.OWNER),
    get("/user/delete", show_delete, needs=Role.OWNER),
    post("/user/delete", delete, needs=Role.OWNER),
)
