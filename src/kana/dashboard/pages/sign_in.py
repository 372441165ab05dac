"""Coming in and going out: passwords, invitations, and what a browser keeps."""

from __future__ import annotations

from dataclasses import dataclass, field

from starlette.responses import RedirectResponse, Response

from kana.dashboard.context import Context
from kana.dashboard.route import get, post
from kana.dashboard.security import safe_path
from kana.dashboard.visit import THEMES, Visit, errors_of
from kana.errors import BadInput, KanaError, NotFound, RateLimited, Unauthenticated
from kana.model.person import PASSWORD_LENGTH_MIN, Role

HOME = "/test/packages"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginPage(Context):
    """The form for address and password."""

    template = "login.html"
    email: str = ""
    next: str = ""
    error: str = ""
    may_sign_in: bool = True
    has_provider: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitePage(Context):
    """The form that a link of an invitation leads to. ``email`` is None where the guest says who they are."""

    template = "invite.html"
    token: str
    email: str | None
    role: Role
    typed: str = ""
    length_min: int = PASSWORD_LENGTH_MIN
    errors: dict[str, str] = field(default_factory=dict)


def _login(visit: Visit, *, error: str = "", email: str = "") -> LoginPage:
    return LoginPage(
        email=email,
        next=visit.text("next") or visit.asked("next"),
        error=error,
        may_sign_in=visit.site.may_sign_in,
        has_provider=bool(visit.house.settings.oidc_issuer),
    )


async def show_login(visit: Visit) -> Response:
    """Show the form; who is signed in already goes on."""
    if visit.visitor is not None:
        return RedirectResponse(safe_path(visit.asked("next"), default=HOME), status_code=303)
    return visit.show(_login(visit))


async def login(visit: Visit) -> Response:
    """Begin a session where address and password belong together."""
    if not visit.site.may_sign_in:
        return visit.show(_login(visit), status=403)
    email = visit.text("email")
    try:
        signed_in = await visit.house.people.sign_in(
            email, visit.whole("password"), address=visit.client, mark=visit.cookie("known") or ""
        )
    except (Unauthenticated, RateLimited) as error:
        status = 429 if isinstance(error, RateLimited) else 401
        response = visit.show(_login(visit, error=error.message, email=email), status=status)
        if error.retry_after_s is not None:
            response.headers["retry-after"] = str(error.retry_after_s)
        return response
    return visit.enter(RedirectResponse(safe_path(visit.text("next"), default=HOME), status_code=303), signed_in)


async def logout(visit: Visit) -> Response:
    """End this session."""
    await visit.house.people.sign_out(visit.token)
    return visit.leave(RedirectResponse("/login", status_code=303))


async def logout_everywhere(visit: Visit) -> Response:
    """End every session of this person."""
    await visit.house.people.sign_out_everywhere(visit.person)
    return visit.leave(RedirectResponse("/login", status_code=303))


async def show_invite(visit: Visit) -> Response:
    """Show what a link invites to."""
    token = visit.asked("token")
    invitation = await visit.house.people.invitation(token)
    return visit.show(InvitePage(token=token, email=invitation.email, role=invitation.role))


async def accept_invite(visit: Visit) -> Response:
    """Take the password and let the person in."""
    token, typed = visit.whole("token"), visit.text("email")
    invitation = await visit.house.people.invitation(token)
    try:
        signed_in = await visit.house.people.accept(token, email=typed, password_text=visit.whole("password"))
    except BadInput as error:
        if isinstance(error, NotFound):
            raise
        page = InvitePage(
            token=token, email=invitation.email, role=invitation.role, typed=typed, errors=errors_of(error)
        )
        return visit.show(page, status=400)
    return visit.enter(RedirectResponse(HOME, status_code=303), signed_in)


async def choose_theme(visit: Visit) -> Response:
    """Keep light or dark, and go back to the page it was chosen on."""
    response = RedirectResponse(safe_path(visit.text("next"), default=HOME), status_code=303)
    theme = visit.text("theme")
    return visit.choose_theme(response, theme) if theme in THEMES else response


async def go_home(_visit: Visit) -> Response:
    """The first page is the list of packages."""
    return RedirectResponse(HOME, status_code=303)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountPage(Context):
    """Who one is, and how to change one's password."""

    template = "account.html"
    length_min: int = PASSWORD_LENGTH_MIN
    errors: dict[str, str] = field(default_factory=dict)


async def show_account(visit: Visit) -> Response:
    """Show the person's own page."""
    return visit.show(AccountPage())


async def change_password(visit: Visit) -> Response:
    """Give the person another password; other sessions end."""
    try:
        signed_in = await visit.house.people.change_password(
            visit.person, old=visit.whole("old"), new=visit.whole("password"), by=visit.actor, address=visit.client
        )
    except KanaError as error:
        if not isinstance(error, BadInput):
            raise
        return visit.show(AccountPage(errors=errors_of(error)), status=400)
    response = visit.go(
        "/account", said="Your password is changed, and you are signed out everywhere else.", everywhere=True
    )
    return visit.enter(response, signed_in)


ROUTES = (
    get("/", go_home, in_environment=False),
    get("/", go_home),
    get("/login", show_login, needs=None, in_environment=False, is_for_any_site=True),
    post("/login", login, needs=None, in_environment=False, is_for_any_site=True),
    post("/logout", logout, needs=Role.VIEWER, in_environment=False),
    post("/logout/everywhere", logout_everywhere, needs=Role.VIEWER, in_environment=False),
    get("/invite", show_invite, needs=None, in_environment=False),
    post("/invite", accept_invite, needs=None, in_environment=False),
    post("/theme", choose_theme, needs=None, in_environment=False, is_for_any_site=True),
    get("/account", show_account, in_environment=False),
    post("/account/password", change_password, needs=Role.VIEWER, in_environment=False),
)
