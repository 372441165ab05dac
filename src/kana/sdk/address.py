"""The URL of one of the server's APIs, from the address in the settings."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from kana.errors import InvalidValue

FACES: Final = ("/client/graphql", "/graphql", "/cli")
"""The paths of the APIs, which an address may end in. Longer ones first."""


def address_of(endpoint: str, face: str, *, name: str = "endpoint") -> str:
    """Return the URL of an API, ``face``, of the server at ``endpoint``.

    The address may be the server's own (``https://kana.example.com``), have the path that a proxy
    adds, and end in the path of this API or another: one setting works for all of them.

    Raises:
        InvalidValue: it is not such an address; the message calls it ``name``.
    """
    text = endpoint.strip()
    try:
        parts = urlsplit(text)
        fits = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        fits = False
    if not fits:
        allowed = "an http or https address such as http://127.0.0.1:8080"
        raise InvalidValue(f"{name} must be {allowed}, got {endpoint!r}", field=name)
    if "?" in text or "#" in text or "@" in parts.netloc:
        raise InvalidValue(f"{name} must be an address without a user, ? or #", field=name)
    path = parts.path.rstrip("/")
    known = next((end for end in FACES if path.endswith(end)), "")
    return f"{parts.scheme}://{parts.netloc}{path.removesuffix(known)}{face}"
