"""Signing in and out, invitations, passwords, and the theme."""

from __future__ import annotations

from dataclasses import dataclass, field

from starlette.responses import RedirectResponse, Response

from kana.dashboard.context import Context
from kana.dashboard.page_request import THEMES, PageRequest, errors_of
from kana.dashboard.route import get, post
from kana.dashboard.security import safe_path
from kana.errors import BadInput, KanaError, NotFound, RateLimited, Unauthenticated
from kana.model.colleague import PASSWORD_LENGTH_MIN, Role

HOME = "/test/packages"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginPage(Context):
    """The form for the e-mail address and the password."""

    template = "login.html"
    email: str = ""
    next: str = ""
    error: str = ""
    may_sign_in: bool = True
    has_provider: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitePage(Context):
    """The form behind an invitation's link. ``email`` is None if the invitation names nobody."""

    template = "invite.html"
    token: str
    email: str | None
    role: Role
    typed: str = ""
    length_min: int = PASSWORD_LENGTH_MIN
    errors: dict[str, str] = field(default_factory=dict)


def _login(request: PageRequest, *, error: str = "", email: str = "") -> LoginPage:
    return LoginPage(
        email=email,
        next=request.text("next") or request.asked("next"),
        error=error,
        may_sign_in=request.site.may_sign_in,
        has_provider=bool(request.services.settings.oidc_issuer),
    )


async def show_login(request: PageRequest) -> Response:
    """Show the form, or go on if the visitor is signed in already."""
    if request.visitor is not None:
        return RedirectResponse(safe_path(request.asked("next"), default=HOME), status_code=303)
    return request.show(_login(request))


async def login(request: PageRequest) -> Response:
    """Begin a session if the e-mail address and the password match."""
    if not request.site.may_sign_in:
        return request.show(_login(request), status=403)
    email = request.text("email")
    try:
        signed_in = await request.engine.colleagues.sign_in(
            email, request.whole("password"), address=request.client, mark=request.cookie("known") or ""
        )
    except (Unauthenticated, RateLimited) as error:
        status = 429 if isinstance(error, RateLimited) else 401
        response = request.show(_login(request, error=error.message, email=email), status=status)
        if error.retry_after_s is not None:
            response.headers["retry-after"] = str(error.retry_after_s)
        return response
    return request.enter(RedirectResponse(safe_path(request.text("next"), default=HOME), status_code=303), signed_in)


async def logout(request: PageRequest) -> Response:
    """End this session."""
    await request.engine.colleagues.sign_out(request.token)
    return request.leave(RedirectResponse("/login", status_code=303))


async def logout_everywhere(request: PageRequest) -> Response:
    """End every session of this colleague."""
    await request.engine.colleagues.sign_out_everywhere(request.colleague)
    return request.leave(RedirectResponse("/login", status_code=303))


async def show_invite(request: PageRequest) -> Response:
    """Show the form of an invitation."""
    token = request.asked("token")
    invitation = await request.engine.colleagues.invitation(token)
    return request.show(InvitePage(token=token, email=invitation.email, role=invitation.role))


async def accept_invite(request: PageRequest) -> Response:
    """Store the password and sign the colleague in."""
    token, typed = request.whole("token"), request.text("email")
    invitation = await request.engine.colleagues.invitation(token)
    try:
        signed_in = await request.engine.colleagues.accept(token, email=typed, password_text=request.whole("password"))
    except BadInput as error:
        if isinstance(error, NotFound):
            raise
        page = InvitePage(
            token=token, email=invitation.email, role=invitation.role, typed=typed, errors=errors_of(error)
        )
        return request.show(page, status=400)
    return request.enter(RedirectResponse(HOME, status_code=303), signed_in)


async def choose_theme(request: PageRequest) -> Response:
    """Store the choice of light or dark, and go back to the page."""
    response = RedirectResponse(safe_path(request.text("next"), default=HOME), status_code=303)
    theme = request.text("theme")
    return request.choose_theme(response, theme) if theme in THEMES else response


async def go_home(_request: PageRequest) -> Response:
    """Go to the start page, the list of packages."""
    return RedirectResponse(HOME, status_code=303)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountPage(Context):
    """The colleague's own account, and the form that changes their password."""

    template = "account.html"
    length_min: int = PASSWORD_LENGTH_MIN
    errors: dict[str, str] = field(default_factory=dict)


async def show_account(request: PageRequest) -> Response:
    """Show the colleague's own account."""
    return request.show(AccountPage())


async def change_password(request: PageRequest) -> Response:
    """Change the colleague's password and end their other sessions."""
    try:
        signed_in = await request.engine.colleagues.change_password(
            request.colleague,
            old=request.whole("old"),
            new=request.whole("password"),
            by=request.actor,
            address=request.client,
        )
    except KanaError as error:
        if not isinstance(error, BadInput):
            raise
        return request.show(AccountPage(errors=errors_of(error)), status=400)
    response = request.go(
        "/account", said="Your password was changed. You are signed out everywhere else.", everywhere=True
    )
    return request.enter(response, signed_in)


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
