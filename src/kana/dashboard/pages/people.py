"""Who may sign in: for owners."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from starlette.responses import Response

from kana.dashboard.context import Context, address
from kana.dashboard.forms import Errors
from kana.dashboard.route import get, post
from kana.dashboard.visit import Visit
from kana.errors import BadInput, InvalidValue
from kana.model.person import INVITATION_AGE, Invitation, Person, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class PeoplePage(Context):
    """Everybody, links that still work, and the form that invites another. ``link`` was just made, and shows once."""

    template = "people.html"
    people: Sequence[Person]
    invitations: Sequence[Invitation] = ()
    roles: tuple[Role, ...] = tuple(Role)
    email: str = ""
    link: str = ""
    days: int = INVITATION_AGE.days
    errors: dict[str, str] = field(default_factory=dict)


async def show_people(visit: Visit) -> Response:
    """List everybody."""
    return visit.show(await _page(visit))


async def invite(visit: Visit) -> Response:
    """Make a link for somebody and show it."""
    email, errors = visit.text("email"), Errors()
    try:
        token = await visit.house.people.invite(email, _role(visit), by=visit.actor)
    except InvalidValue as error:
        errors.take(error)
        return visit.show(await _page(visit, email=email, errors=errors), status=400)
    return visit.show(await _page(visit, email=email, link=visit.site.origin + address("/invite", token=token)))


async def change_role(visit: Visit) -> Response:
    """Give somebody another role."""
    person = await visit.house.people.change_role(visit.text("email"), _role(visit), by=visit.actor)
    return visit.go("/people", said=f"{person.email} is {person.role} now, and signs in anew.", everywhere=True)


async def disable(visit: Visit) -> Response:
    """Let somebody in no more."""
    person = await visit.house.people.disable(visit.text("email"), by=visit.actor)
    return visit.go("/people", said=f"{person.email} is let in no more.", everywhere=True)


async def withdraw(visit: Visit) -> Response:
    """Make a link work no more."""
    link = await visit.house.people.withdraw_invitation(visit.text("link"), by=visit.actor)
    return visit.go("/people", said=f"The link to {link.email or 'the first owner'} works no more.", everywhere=True)


async def _page(visit: Visit, *, email: str = "", link: str = "", errors: Errors | None = None) -> PeoplePage:
    people = tuple((await visit.house.people.people()).values())
    invitations = await visit.house.people.open_invitations()
    return PeoplePage(
        people=people, invitations=invitations, email=email, link=link, errors=errors.by_field if errors else {}
    )


def _role(visit: Visit) -> Role:
    try:
        return Role(visit.text("role"))
    except ValueError:
        raise BadInput("a role is viewer, editor or owner") from None


ROUTES = (
    get("/people", show_people, needs=Role.OWNER, in_environment=False),
    post("/people/invite", invite, needs=Role.OWNER, in_environment=False),
    post("/people/role", change_role, needs=Role.OWNER, in_environment=False),
    post("/people/withdraw", withdraw, needs=Role.OWNER, in_environment=False),
    post("/people/disable", disable, needs=Role.OWNER, in_environment=False),
)
