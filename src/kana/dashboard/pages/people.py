"""The colleagues who can sign in, for owners."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from starlette.responses import Response

from kana.dashboard.context import Context, address
from kana.dashboard.forms import Errors
from kana.dashboard.page_request import PageRequest
from kana.dashboard.route import get, post
from kana.errors import BadInput, InvalidValue
from kana.model.colleague import INVITATION_AGE, Colleague, Invitation, Role
from kana.model.text import shown


@dataclass(frozen=True, slots=True, kw_only=True)
class PeoplePage(Context):
    """All colleagues, open invitations, and the form for a new one. ``link`` is a new link, which is shown once."""

    template = "people.html"
    colleagues: Sequence[Colleague]
    invitations: Sequence[Invitation] = ()
    roles: tuple[Role, ...] = tuple(Role)
    email: str = ""
    link: str = ""
    days: int = INVITATION_AGE.days
    errors: dict[str, str] = field(default_factory=dict)


async def show_people(request: PageRequest) -> Response:
    """List all colleagues and open invitations."""
    return request.show(await _page(request))


async def invite(request: PageRequest) -> Response:
    """Create an invitation and show its link."""
    email, errors = request.text("email"), Errors()
    try:
        token = await request.engine.colleagues.invite(email, _role(request), by=request.actor)
    except InvalidValue as error:
        errors.take(error)
        return request.show(await _page(request, email=email, errors=errors), status=400)
    return request.show(await _page(request, email=email, link=request.site.origin + address("/invite", token=token)))


async def change_role(request: PageRequest) -> Response:
    """Give a colleague another role."""
    colleague = await request.engine.colleagues.change_role(request.text("email"), _role(request), by=request.actor)
    return request.go(
        "/people", said=f"{colleague.email} is now {colleague.role} and has to sign in again.", everywhere=True
    )


async def disable(request: PageRequest) -> Response:
    """Disable a colleague, who can no longer sign in."""
    colleague = await request.engine.colleagues.disable(request.text("email"), by=request.actor)
    return request.go("/people", said=f"{colleague.email} can no longer sign in.", everywhere=True)


async def withdraw(request: PageRequest) -> Response:
    """Withdraw an invitation, whose link no longer works."""
    link = await request.engine.colleagues.withdraw_invitation(request.text("link"), by=request.actor)
    return request.go(
        "/people", said=f"The link for {link.email or 'the first owner'} no longer works.", everywhere=True
    )


async def _page(request: PageRequest, *, email: str = "", link: str = "", errors: Errors | None = None) -> PeoplePage:
    colleagues = tuple((await request.engine.colleagues.colleagues()).values())
    invitations = await request.engine.colleagues.open_invitations()
    return PeoplePage(
        colleagues=colleagues, invitations=invitations, email=email, link=link, errors=errors.by_field if errors else {}
    )


def _role(request: PageRequest) -> Role:
    try:
        return Role(request.text("role"))
    except ValueError:
        raise BadInput(f"role must be viewer, editor or owner, got {shown(request.text('role'))}") from None


ROUTES = (
    get("/people", show_people, needs=Role.OWNER, in_environment=False),
    post("/people/invite", invite, needs=Role.OWNER, in_environment=False),
    post("/people/role", change_role, needs=Role.OWNER, in_environment=False),
    post("/people/withdraw", withdraw, needs=Role.OWNER, in_environment=False),
    post("/people/disable", disable, needs=Role.OWNER, in_environment=False),
)
