"""Signing in with an organisation's own accounts."""

from __future__ import annotations

import json
from dataclasses import asdict
from http import HTTPStatus
from urllib.parse import quote

import structlog
from starlette.responses import RedirectResponse, Response

from kana.dashboard.page_request import PageRequest, read_cookie
from kana.dashboard.pages.problem import ProblemPage
from kana.dashboard.pages.sign_in import HOME
from kana.dashboard.provider import Provider, Ticket, new_ticket
from kana.dashboard.route import get
from kana.dashboard.security import safe_path
from kana.errors import NotFound, Unauthenticated

BACK = "/login/provider/back"
_TICKET_S = 600

log = structlog.get_logger("kana.people")


async def go_to_provider(request: PageRequest) -> Response:
    """Send the browser to the provider, with a ticket that only this browser has."""
    provider, ticket = _provider(request), new_ticket(request.asked("next"))
    where = await provider.authorize_url(ticket, back=_back(request))
    response = RedirectResponse(where, status_code=303)
    request.keep_cookie(response, "ticket", quote(json.dumps(asdict(ticket))), age_s=_TICKET_S)
    return response


async def come_back(request: PageRequest) -> Response:
    """Sign in a colleague whom the provider vouches for and an owner has invited."""
    provider = _provider(request)
    try:
        ticket = _ticket(request)
        email = await provider.email_of(request.asked("code"), ticket, back=_back(request), now=request.engine.clock())
        signed_in = await request.engine.colleagues.sign_in_by_provider(email)
    except Unauthenticated as error:
        log.warning("sign-in failed: provider", why=error.message, address=request.client)
        response = request.show(ProblemPage.of(HTTPStatus.UNAUTHORIZED, error.message), status=401)
        request.keep_cookie(response, "ticket", "", age_s=0)
        return response
    response = RedirectResponse(safe_path(ticket.next, default=HOME), status_code=303)
    request.keep_cookie(response, "ticket", "", age_s=0)
    return request.enter(response, signed_in)


def _provider(request: PageRequest) -> Provider:
    if not request.services.settings.oidc_issuer:
        raise NotFound("Sign-in with an organisation's account is not set up here.")
    return Provider(request.services.settings)


def _back(request: PageRequest) -> str:
    return request.site.origin + BACK


def _ticket(request: PageRequest) -> Ticket:
    """Return the ticket of this browser, if the provider's answer belongs to it.

    Raises:
        Unauthenticated: the answer belongs to another ticket, there is none, or the provider refused.
    """
    ticket = _kept(request.cookie("ticket") or "")
    if ticket is None or ticket.state != request.asked("state"):
        raise Unauthenticated("This sign-in was started in another browser or too long ago. Start again.")
    if not request.asked("code"):
        raise Unauthenticated("Your organisation refused the sign-in.")
    return ticket


def _kept(cookie: str) -> Ticket | None:
    """Return the ticket in a cookie; None if Kana did not write it."""
    try:
        ticket = Ticket(**read_cookie(cookie))
    except (ValueError, TypeError):
        return None
    return ticket if all(isinstance(part, str) for part in asdict(ticket).values()) else None


ROUTES = (
    get("/login/provider", go_to_provider, needs=None, in_environment=False),
    get(BACK, come_back, needs=None, in_environment=False),
)
