"""The form that creates or changes a user."""

from __future__ import annotations

from dataclasses import dataclass, field

from starlette.responses import Response

from kana.dashboard.api_call import ApiCall, api_call
from kana.dashboard.context import Context
from kana.dashboard.forms import Errors, read_metadata, written_metadata
from kana.dashboard.page_request import PageRequest
from kana.dashboard.route import get, post
from kana.engine.users.accounts import UserChanges
from kana.errors import BadInput, Conflict
from kana.model.colleague import Role
from kana.model.user import User

_FIELDS = {"billingId": "billing_id", "timeZone": "time_zone"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TypedUser:
    """The values in the form."""

    id: str = ""
    name: str = ""
    email: str = ""
    billing_id: str = ""
    time_zone: str = ""
    metadata: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserFormPage(Context):
    """The form for a new user (``user`` is None) or an existing one."""

    template = "user_form.html"
    user: User | None
    typed: TypedUser
    call: ApiCall
    errors: dict[str, str] = field(default_factory=dict)


async def show_new_user(request: PageRequest) -> Response:
    """Show the empty form."""
    return request.show(_page(request, None, TypedUser(), Errors()))


async def create_user(request: PageRequest) -> Response:
    """Create the user that was typed."""
    typed, errors = _typed(request), Errors()
    changes = _changes(typed, errors)
    try:
        if not errors:
            user = await request.engine.accounts.create_user(
                request.environment,
                id=typed.id,
                name=changes["name"],
                email=changes["email"],
                billing_id=changes["billing_id"],
                time_zone=changes["time_zone"],
                metadata=changes["metadata"],
                by=request.actor,
            )
            return request.go("/user", id=user.id, said=f"{user.id} was created.")
    except Conflict as error:
        errors.add("id", error.message)
    except BadInput as error:
        errors.take(error, fields=_FIELDS)
    return request.show(_page(request, None, typed, errors), status=400)


async def show_edit(request: PageRequest) -> Response:
    """Show the form of a user."""
    user = await request.engine.accounts.user(request.environment, request.id)
    typed = TypedUser(
        id=user.id,
        name=user.name or "",
        email=user.email or "",
        billing_id=user.billing_id or "",
        time_zone=user.time_zone or "",
        metadata=written_metadata(user.metadata),
    )
    return request.show(_page(request, user, typed, Errors()))


async def update_user(request: PageRequest) -> Response:
    """Change a user to what was typed."""
    user = await request.engine.accounts.user(request.environment, request.id)
    typed, errors = _typed(request), Errors()
    changes = _changes(typed, errors)
    try:
        if not errors:
            await request.engine.accounts.update_user(request.environment, user.id, changes, by=request.actor)
            return request.go("/user", id=user.id, said=f"{user.id} was saved.")
    except BadInput as error:
        errors.take(error, fields=_FIELDS)
    return request.show(_page(request, user, typed, errors), status=400)


def _changes(typed: TypedUser, errors: Errors) -> UserChanges:
    return {
        "name": typed.name or None,
        "email": typed.email or None,
        "billing_id": typed.billing_id or None,
        "time_zone": typed.time_zone or None,
        "metadata": read_metadata(typed.metadata, errors=errors),
    }


def _page(request: PageRequest, user: User | None, typed: TypedUser, errors: Errors) -> UserFormPage:
    told = {
        "name": typed.name or None,
        "timeZone": typed.time_zone or None,
        "metadata": read_metadata(typed.metadata, errors=Errors()),
    }
    if user is None:
        call = api_call(request.site.origin, "createUser", input={"id": typed.id or "user-1", **told})
    else:
        call = api_call(request.site.origin, "updateUser", id=user.id, input=told)
    return UserFormPage(user=user, typed=typed, call=call, errors=errors.by_field)


def _typed(request: PageRequest) -> TypedUser:
    return TypedUser(
        id=request.text("id"),
        name=request.text("name"),
        email=request.text("email"),
        billing_id=request.text("billing_id"),
        time_zone=request.text("time_zone"),
        metadata=request.text("metadata"),
    )


ROUTES = (
    get("/user/new", show_new_user, needs=Role.EDITOR),
    post("/user/new", create_user),
    get("/user/edit", show_edit, needs=Role.EDITOR),
    post("/user/edit", update_user),
)
