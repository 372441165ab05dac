"""Making a user, and changing what is kept of one."""

from __future__ import annotations

from dataclasses import dataclass, field

from starlette.responses import Response

from kana.dashboard.api_call import ApiCall, api_call
from kana.dashboard.context import Context
from kana.dashboard.forms import Errors, read_metadata, written_metadata
from kana.dashboard.route import get, post
from kana.dashboard.visit import Visit
from kana.engine.users.accounts import UserChanges
from kana.errors import BadInput, Conflict
from kana.model.person import Role
from kana.model.user import User

_FIELDS = {"billingId": "billing_id"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TypedUser:
    """What stands in the form."""

    id: str = ""
    name: str = ""
    email: str = ""
    billing_id: str = ""
    metadata: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserFormPage(Context):
    """The form for a new user (``user`` is None) or one that is there."""

    template = "user_form.html"
    user: User | None
    typed: TypedUser
    call: ApiCall
    errors: dict[str, str] = field(default_factory=dict)


async def show_new_user(visit: Visit) -> Response:
    """Show the empty form."""
    return visit.show(_page(visit, None, TypedUser(), Errors()))


async def create_user(visit: Visit) -> Response:
    """Make the user that was typed."""
    typed, errors = _typed(visit), Errors()
    changes = _changes(typed, errors)
    try:
        if not errors:
            user = await visit.engine.accounts.create_user(
                visit.environment,
                id=typed.id,
                name=changes["name"],
                email=changes["email"],
                billing_id=changes["billing_id"],
                metadata=changes["metadata"],
                by=visit.actor,
            )
            return visit.go("/user", id=user.id, said=f"{user.id} is made.")
    except Conflict as error:
        errors.add("id", error.message)
    except BadInput as error:
        errors.take(error, fields=_FIELDS)
    return visit.show(_page(visit, None, typed, errors), status=400)


async def show_edit(visit: Visit) -> Response:
    """Show the form of a user."""
    user = await visit.engine.accounts.user(visit.environment, visit.id)
    typed = TypedUser(
        id=user.id,
        name=user.name or "",
        email=user.email or "",
        billing_id=user.billing_id or "",
        metadata=written_metadata(user.metadata),
    )
    return visit.show(_page(visit, user, typed, Errors()))


async def update_user(visit: Visit) -> Response:
    """Change a user to what was typed."""
    user = await visit.engine.accounts.user(visit.environment, visit.id)
    typed, errors = _typed(visit), Errors()
    changes = _changes(typed, errors)
    try:
        if not errors:
            await visit.engine.accounts.update_user(visit.environment, user.id, changes, by=visit.actor)
            return visit.go("/user", id=user.id, said=f"{user.id} is saved.")
    except BadInput as error:
        errors.take(error, fields=_FIELDS)
    return visit.show(_page(visit, user, typed, errors), status=400)


def _changes(typed: TypedUser, errors: Errors) -> UserChanges:
    return {
        "name": typed.name or None,
        "email": typed.email or None,
        "billing_id": typed.billing_id or None,
        "metadata": read_metadata(typed.metadata, errors=errors),
    }


def _page(visit: Visit, user: User | None, typed: TypedUser, errors: Errors) -> UserFormPage:
    told = {"name": typed.name or None, "metadata": read_metadata(typed.metadata, errors=Errors())}
    if user is None:
        call = api_call(visit.site.origin, "createUser", input={"id": typed.id or "user-1", **told})
    else:
        call = api_call(visit.site.origin, "updateUser", id=user.id, input=told)
    return UserFormPage(user=user, typed=typed, call=call, errors=errors.by_field)


def _typed(visit: Visit) -> TypedUser:
    return TypedUser(
        id=visit.text("id"),
        name=visit.text("name"),
        email=visit.text("email"),
        billing_id=visit.text("billing_id"),
        metadata=visit.text("metadata"),
    )


ROUTES = (
    get("/user/new", show_new_user, needs=Role.EDITOR),
    post("/user/new", create_user),
    get("/user/edit", show_edit, needs=Role.EDITOR),
    post("/user/edit", update_user),
)
