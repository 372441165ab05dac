"""One request for a page: the colleague, the environment and the form, and the ways to answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, unquote

from jinja2 import Environment as Templates
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from kana.dashboard.context import Context, Frame, Notice, Tone, address
from kana.dashboard.imports import Imports
from kana.dashboard.menu import list_of, menu_of
from kana.dashboard.security import Site, cookie_of, csrf_token
from kana.engine.access.colleagues import SignedIn
from kana.engine.engine import Engine
from kana.errors import BadInput, InvalidValue
from kana.model.colleague import SESSION_AGE, Colleague
from kana.model.environment import Actor, Environment
from kana.settings import Settings

THEMES = ("light", "dark")
_NOTICE_S = 60
_YEAR_S = 365 * 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What all pages share. ``definitions`` is the schema of the Admin API, ``openapi`` describes ``/v1``."""

    engine: Engine
    imports: Imports
    settings: Settings
    definitions: str
    openapi: Mapping[str, Any]
    templates: Templates


@dataclass(slots=True, kw_only=True)
class PageRequest:
    """One request. A handler reads from it, calls the engine, and returns ``show(...)`` or ``go(...)``."""

    services: Services
    http: Request
    environment: Environment
    path: str
    is_in_environment: bool
    site: Site
    token: str
    visitor: Colleague | None
    form: FormData = field(default_factory=FormData)
    _notice_read: bool = False

    @property
    def engine(self) -> Engine:
        """The engine."""
        return self.services.engine

    @property
    def colleague(self) -> Colleague:
        """The colleague who is signed in; only for pages that need a role."""
        assert self.visitor is not None
        return self.visitor

    @property
    def actor(self) -> Actor:
        """The colleague as the log of changes names them."""
        return Actor(kind="person", name=self.colleague.email)

    @property
    def id(self) -> str:
        """The id of the object that the page shows, from ``?id=``.

        Raises:
            BadInput: the address has none.
        """
        return self.asked("id") or self._missing("id")

    @property
    def client(self) -> str:
        """The network address that the request comes from; "" if there is none."""
        client = self.http.client
        return client.host if client else ""

    @property
    def here(self) -> str:
        """The path and the query, from the request line alone, whatever Host says."""
        query = self.http.scope["query_string"].decode("latin-1")
        return f"{self.http.scope['path']}?{query}" if query else self.http.scope["path"]

    def asked(self, name: str, default: str = "") -> str:
        """Return a value of the query."""
        return self.http.query_params.get(name, default)

    def text(self, name: str) -> str:
        """Return a field of the form without the spaces around it; "" if it is missing."""
        value = self.form.get(name, "")
        return value.strip() if isinstance(value, str) else ""

    def whole(self, name: str) -> str:
        """Return a field of the form exactly as sent, such as a secret or an id from a list."""
        value = self.form.get(name, "")
        return value if isinstance(value, str) else ""

    def ticked(self, name: str) -> bool:
        """Whether a checkbox of the form is ticked."""
        return name in self.form

    def all(self, name: str) -> list[str]:
        """Return all values of a field that the form has several times."""
        return [value for value in self.form.getlist(name) if isinstance(value, str)]

    def url(self, path: str, **query: object) -> str:
        """Return the address of a page of this environment."""
        return address(f"/{self.environment}{path}", **query)

    def show(self, page: Context, *, status: int = 200) -> Response:
        """Answer with a page."""
        html = self.services.templates.get_template(page.template).render(page=page, frame=self._frame(status))
        response = Response(html, status_code=status, media_type="text/html")
        if self._notice_read:
            response.delete_cookie(self._cookie("notice"), path="/", secure=self.site.is_secure, httponly=True)
        return response

    def go(
        self, path: str, *, said: str = "", tone: Tone = Tone.SUCCESS, everywhere: bool = False, **query: object
    ) -> Response:
        """Redirect to another page, in this environment unless ``everywhere``, and show ``said`` there once."""
        where = address(path, **query) if everywhere else self.url(path, **query)
        response = RedirectResponse(where, status_code=303)
        if said:
            self.keep_cookie(response, "notice", quote(json.dumps({"text": said, "tone": tone})), age_s=_NOTICE_S)
        return response

    def enter(self, response: Response, signed_in: SignedIn) -> Response:
        """Give the browser a new session in place of any older one."""
        self.token = signed_in.token
        self.keep_cookie(response, "session", signed_in.token, age_s=int(SESSION_AGE.total_seconds()))
        if signed_in.mark:
            self.keep_cookie(response, "known", signed_in.mark, age_s=_YEAR_S)
        return response

    def leave(self, response: Response) -> Response:
        """Remove the session from the browser."""
        response.delete_cookie(self._cookie("session"), path="/", secure=self.site.is_secure, httponly=True)
        return response

    def choose_theme(self, response: Response, theme: str) -> Response:
        """Store the choice of light or dark for a year."""
        self.keep_cookie(response, "theme", theme, age_s=_YEAR_S)
        return response

    def keep_cookie(self, response: Response, name: str, value: str, *, age_s: int) -> None:
        """Set a cookie that scripts and other sites cannot read."""
        response.set_cookie(
            self._cookie(name),
            value,
            max_age=age_s,
            path="/",
            secure=self.site.is_secure,
            httponly=True,
            samesite="lax",
        )

    def cookie(self, name: str) -> str | None:
        """Return a cookie of Kana."""
        return cookie_of(self.http, self._cookie(name))

    def _cookie(self, name: str) -> str:
        return cookie_name(name, self.site)

    def _frame(self, status: int) -> Frame:
        theme = self.cookie("theme")
        return Frame(
            colleague=self.visitor,
            environment=self.environment,
            is_in_environment=self.is_in_environment,
            csrf=csrf_token(self.token),
            theme=theme if theme in THEMES else None,
            notice=self._notice(),
            menu=menu_of(self.visitor, self.environment, self.path) if self.visitor else (),
            elsewhere=self._elsewhere(status),
            here=self.here,
        )

    def _elsewhere(self, status: int) -> str:
        """Return the path to open in another environment.

        A page of one thing, which may not be there, the answer to a form and an error lead to the list they belong to.
        """
        is_list = self.http.method in ("GET", "HEAD") and status == HTTPStatus.OK and not self.asked("id")
        return self.path if self.is_in_environment and is_list else list_of(self.path)

    def _notice(self) -> Notice | None:
        kept = self.cookie("notice")
        if kept is None:
            return None
        self._notice_read = True
        try:
            said: Mapping[str, Any] = read_cookie(kept)
            return Notice(str(said["text"])[:500], Tone(said["tone"]))
        except (ValueError, KeyError, TypeError):
            return None

    def _missing(self, name: str) -> str:
        raise BadInput(f"the address must contain ?{name}=…")


def read_cookie(value: str) -> Any:
    """Return the JSON in a cookie, which anyone may have written.

    Raises:
        ValueError: it is no JSON, or contains text that cannot be encoded.
    """
    text = unquote(value)
    try:
        found = json.loads(text)
        json.dumps(found, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ValueError(text[:50]) from error
    return found


def cookie_name(name: str, site: Site) -> str:
    """Return a cookie's full name. Its prefix makes browsers refuse one that another host or plain http has set."""
    return f"__Host-kana-{name}" if site.is_secure else f"kana-{name}"


def errors_of(error: BadInput) -> dict[str, str]:
    """Return the errors of a form by field; "" for one that belongs to no field."""
    field_name = error.field if isinstance(error, InvalidValue) else None
    return {field_name or "": error.message[:1].upper() + error.message[1:]}
