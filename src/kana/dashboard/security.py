"""Security headers, CSRF tokens, and the checks of where a request comes from."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import urlsplit

from starlette.requests import Request

from kana.settings import site_origin

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self';"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

HEADERS: Mapping[str, str] = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-site",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "x-frame-options": "DENY",
    # Not "no-referrer": with that, browsers send forms with "Origin: null", which says nothing.
    "referrer-policy": "same-origin",
}

STRICT_TRANSPORT_SECURITY = "max-age=31536000; includeSubDomains"


@dataclass(frozen=True, slots=True)
class Site:
    """The origin at which colleagues use the dashboard, and whether they can sign in there."""

    origin: str

    @classmethod
    def of(cls, request: Request, *, public_url: str) -> Site:
        """Return the configured site, or else the one that the request names, if any."""
        scheme = request.scope["scheme"]
        try:
            return cls(site_origin(public_url or f"{scheme}://{request.headers.get('host', '')}"))
        except ValueError:
            return cls(f"{scheme}://")

    @property
    def is_secure(self) -> bool:
        """Whether it uses https."""
        return self.origin.startswith("https:")

    @property
    def may_sign_in(self) -> bool:
        """Whether one can sign in there: over https, or on the machine itself."""
        return self.is_secure or _is_loopback(urlsplit(self.origin).hostname or "")

    def sent(self, request: Request) -> bool:
        """Whether a form can come from a page of this site, as far as the browser says."""
        fetch_site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
        if fetch_site not in (None, "same-origin", "none"):
            return False
        return origin is None or self._is(origin) or (origin == "null" and fetch_site == "same-origin")

    def _is(self, origin: str) -> bool:
        try:
            return site_origin(origin) == self.origin
        except ValueError:
            return False


def cookie_of(request: Request, name: str) -> str | None:
    """Return a cookie as the browser sends it, the last of its name; None if there is none.

    It does not use ``request.cookies``: the standard library takes quadratic time to unquote a header,
    and for the cookies that Kana sets it is enough to remove the quotes around them.
    """
    found = None
    for header in request.headers.getlist("cookie"):
        for pair in header.split(";"):
            key, _, value = pair.strip().partition("=")
            if key == name:
                found = value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
    return found


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def csrf_token(session_token: str) -> str:
    """Return the token of a session's forms, derived from the session's id, which no other site knows."""
    return hmac.new(session_token.encode(), b"kana form", sha256).hexdigest()


def is_csrf_token(sent: object, session_token: str) -> bool:
    """Whether a form has the token of this session."""
    return isinstance(sent, str) and hmac.compare_digest(sent.encode(), csrf_token(session_token).encode())


def safe_path(wanted: object, *, default: str = "/") -> str:
    """Return where to go after signing in: a path of this site, never another site."""
    if not isinstance(wanted, str) or not wanted.startswith("/") or wanted.startswith(("//", "/\\")):
        return default
    if not wanted.isprintable() or "\\" in wanted or len(wanted) > 2000:
        return default
    return wanted
