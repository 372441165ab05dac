"""The application of the dashboard: it checks each request and answers with a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from python_multipart.multipart import parse_options_header
from starlette.datastructures import MutableHeaders
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Message, Receive, Scope, Send

from kana.dashboard.assets import PREFIX, answer_asset, assets
from kana.dashboard.imports import Imports
from kana.dashboard.page_request import PageRequest, Services, cookie_name
from kana.dashboard.pages import ROUTES
from kana.dashboard.pages.problem import ProblemPage
from kana.dashboard.rendering import load_templates
from kana.dashboard.route import Route
from kana.dashboard.security import HEADERS, STRICT_TRANSPORT_SECURITY, Site, cookie_of, is_csrf_token
from kana.engine.engine import Engine
from kana.errors import BadInput, BodyTooLarge, Forbidden, KanaError, NotFound
from kana.model.colleague import generate_token
from kana.model.environment import Environment
from kana.settings import Settings
from kana.status import status_of

FIELDS_MAX = 20_000
"""The most fields of a form: enough for a package of a few thousand features."""

STRANGER_FIELDS_MAX = 50
"""The most fields of a form from a visitor who is not signed in."""

STRANGER_FORM_BYTES_MAX = 8 * 1024
"""The largest form from a visitor who is not signed in: enough for an e-mail address and a password."""

QUERY_BYTES_MAX = 8 * 1024
"""The longest query of an address."""

CONTENT_TYPE_MAX = 300
"""The longest Content-Type: parsing it takes quadratic time."""

UNSAFE = (
    "Nothing was done: you reached this address from another machine over plain http, so others could read your"
    " password or session on its way. Serve it over https and set KANA_PUBLIC_URL, or open it on the machine itself."
)
"""The refusal of every page and form that shows or takes a secret; the sign-in page says the same."""


class Dashboard:
    """The ASGI application. It answers errors with a page too."""

    def __init__(self, services: Services, routes: Sequence[Route]) -> None:
        self._services = services
        self._routes = {(route.in_environment, route.path, route.method): route for route in routes}
        self._paths = {(route.in_environment, route.path) for route in routes}

    def methods_of(self, path: str) -> Sequence[str]:
        """Return the methods that an address takes; none if there is nothing at it."""
        if path.startswith(PREFIX):
            return ("GET",)
        environment, rest = _split(path)
        return [method for inside, known, method in self._routes if (inside, known) == (environment is not None, rest)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        http = Request(scope, receive)
        site = Site.of(http, public_url=self._services.settings.public_url)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                _complete(MutableHeaders(scope=message), site)
            if message["type"] == "http.response.body" and scope["method"] == "HEAD":
                message = {"type": "http.response.body", "body": b""}
            await send(message)

        if scope["path"].startswith(PREFIX):
            response = answer_asset(http)
        else:
            try:
                response = await self._answer(http, site)
            except ClientDisconnect:
                return  # There is nobody to answer.
        await response(scope, receive, send_with_headers)

    async def _answer(self, http: Request, site: Site) -> Response:
        request = await self._page_request(http, site)
        try:
            return await self._admit(request)
        except KanaError as error:
            status = status_of(error)
            if status == HTTPStatus.INTERNAL_SERVER_ERROR:
                raise
            response = request.show(ProblemPage.of(HTTPStatus(status), error.message), status=status)
            if error.retry_after_s is not None:
                response.headers["retry-after"] = str(error.retry_after_s)
            return response
        finally:
            await request.form.close()  # Files that were uploaded.

    async def _page_request(self, http: Request, site: Site) -> PageRequest:
        environment, path = _split(http.scope["path"])
        token = cookie_of(http, cookie_name("session", site)) or ""
        colleague = await self._services.engine.colleagues.colleague_of(token) if token else None
        return PageRequest(
            services=self._services,
            http=http,
            environment=environment or Environment.TEST,
            path=path,
            is_in_environment=environment is not None,
            site=site,
            token=token,
            visitor=colleague,
        )

    async def _admit(self, request: PageRequest) -> Response:
        """Check the address, the colleague, their role and the form, in this order, and call the handler."""
        if len(request.http.scope["query_string"]) > QUERY_BYTES_MAX:
            raise BadInput(f"The address is too long: its query must be at most {QUERY_BYTES_MAX:,} bytes.")
        route = self._route(request)
        if route.needs is not None and request.visitor is None:
            return _to_sign_in(request)
        if not (request.site.may_sign_in or route.is_for_any_site):
            raise Forbidden(UNSAFE)
        if route.needs is not None and not request.colleague.role.covers(route.needs):
            raise Forbidden(f"This needs the role {route.needs}. Your role is {request.colleague.role}.")
        fresh = "" if request.token else generate_token()
        if route.method == "POST":
            await _read_form(request, route)
        elif fresh:
            request.token = fresh
        response = await route.handler(request)
        if fresh and request.token == fresh:
            # The forms of a visitor who is not signed in are bound to this browser too.
            response.set_cookie(
                cookie_name("session", request.site),
                request.token,
                path="/",
                secure=request.site.is_secure,
                httponly=True,
                samesite="lax",
            )
        return response

    def _route(self, request: PageRequest) -> Route:
        method = "GET" if request.http.method == "HEAD" else request.http.method
        route = self._routes.get((request.is_in_environment, request.path, method))
        if route is not None:
            return route
        if (request.is_in_environment, request.path) in self._paths:
            raise BadInput(f"This page does not accept {method}.")
        raise NotFound("There is no page at this address.")


def _complete(headers: MutableHeaders, site: Site) -> None:
    for name, value in HEADERS.items():
        headers.setdefault(name, value)
    if site.is_secure:
        headers.setdefault("strict-transport-security", STRICT_TRANSPORT_SECURITY)


def _split(path: str) -> tuple[Environment | None, str]:
    """Return the environment that a path begins with, or None, and the rest of the path."""
    for environment in Environment:
        if path == f"/{environment}" or path.startswith(f"/{environment}/"):
            return environment, path.removeprefix(f"/{environment}") or "/"
    return None, path


def _to_sign_in(request: PageRequest) -> Response:
    is_page = request.http.method == "GET" and request.here != "/"
    where = f"/login?next={quote(request.here, safe='')}" if is_page else "/login"
    if "hx-request" in request.http.headers:
        return Response(status_code=204, headers={"hx-redirect": where})
    return RedirectResponse(where, status_code=303)


async def _read_form(request: PageRequest, route: Route) -> None:
    """Read the form, up to its bounds, if a page of Kana sent it with the token of this session.

    Raises:
        Forbidden: another site sent it, or its token is missing or belongs to another session.
    """
    if not request.site.sent(request.http):
        raise Forbidden("Nothing was done: another site sent this form.")
    if len(request.http.headers.get("content-type", "")) > CONTENT_TYPE_MAX:
        raise BadInput(f"Content-Type must be at most {CONTENT_TYPE_MAX} characters")
    _, options = parse_options_header(request.http.headers.get("content-type"))
    if options.get(b"charset", b"utf-8").lower() not in (b"utf-8", b"utf8"):
        raise BadInput("The form must be in UTF-8.")  # Some charsets of Python's make text that no database stores.
    most, fields = route.body_max, FIELDS_MAX
    if request.visitor is None:
        most, fields = min(most, STRANGER_FORM_BYTES_MAX), STRANGER_FIELDS_MAX
    http = Request(request.http.scope, _bounded(request.http.receive, most))
    try:
        request.form = await http.form(max_files=1, max_fields=fields, max_part_size=most)
    except (KanaError, ClientDisconnect):
        raise
    except MultiPartException as error:
        raise BadInput(f"The form cannot be read: {error.message}") from error
    except Exception as error:
        # Whatever else the framework raises (no boundary, unknown charset) is the fault of the form.
        raise BadInput("The form cannot be read.") from error
    if not request.token or not is_csrf_token(request.form.get("csrf"), request.token):
        raise Forbidden(
            "Nothing was done: this form is too old or belongs to another session. Reload the page and try again."
        )


def _bounded(receive: Receive, most: int) -> Receive:
    size = 0

    async def bounded_receive() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > most:
            raise BodyTooLarge(f"A form of this page must be at most {most // 1024:,} KB.")
        return message

    return bounded_receive


def create_dashboard(engine: Engine, settings: Settings, *, definitions: str, openapi: Mapping[str, Any]) -> Dashboard:
    """Return the dashboard over an engine.

    ``definitions`` is the schema of the Admin API, which the console shows; ``openapi`` the document that describes
    ``/v1``.
    """
    assets()  # Read once, here, so that no request ever looks for a file.
    services = Services(
        engine=engine,
        imports=Imports(engine.directory, engine.imports, server=settings.database_place, clock=engine.clock),
        settings=settings,
        definitions=definitions,
        openapi=openapi,
        templates=load_templates(),
    )
    return Dashboard(services, ROUTES)
