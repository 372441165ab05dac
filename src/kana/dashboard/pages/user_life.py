"""Deleting a user, which is confirmed by typing their id."""

from __future__ import annotations

from starlette.responses import Response

from kana.dashboard.confirmation import ask
from kana.dashboard.page_request import PageRequest
from kana.dashboard.route import get, post
from kana.model.colleague import Role
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
    get("/user/delete", show_delete, needs=Role.OWNER),
    post("/user/delete", delete, needs=Role.OWNER),
)
