"""The media types that a request sends and accepts. Clients send the same few headers, so each is read once."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

JSON = b"application/json; charset=utf-8"
RESPONSE_JSON = b"application/graphql-response+json; charset=utf-8"

KEPT_BYTES_MAX = 512
"""The longest header whose result is cached."""

_Read = TypeVar("_Read")
_OFFERS = {
    "application/graphql-response+json": RESPONSE_JSON,
    "application/json": JSON,
    "application/*": JSON,
    "*/*": JSON,
}


def _kept_where_short(read: Callable[[bytes | None], _Read]) -> Callable[[bytes | None], _Read]:
    """Cache the results for the last short headers. Only attackers who want to fill the memory send long ones."""
    kept = lru_cache(maxsize=256)(read)

    @wraps(read)
    def read_or_remember(header: bytes | None) -> _Read:
        return kept(header) if header is None or len(header) <= KEPT_BYTES_MAX else read(header)

    return read_or_remember


@_kept_where_short
def is_json(content_type: bytes | None) -> bool:
    """Whether a body of this Content-Type is JSON in UTF-8, the only one that is accepted."""
    if content_type is None:
        return False
    media_type, _, parameters = content_type.decode("latin-1").partition(";")
    if media_type.strip().lower() != "application/json":
        return False
    for parameter in filter(None, map(str.strip, parameters.split(";"))):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip().strip('"').lower() not in ("utf-8", "utf8"):
            return False
    return True


@_kept_where_short
def preferred(accept: bytes | None) -> bytes:
    """Return the Content-Type to answer with: the one that ``accept`` rates highest, the first of equals.

    It is JSON if ``accept`` names none of ours, because an answer in another type is better than none.
    """
    best, best_quality = JSON, 0.0
    for item in (accept or b"").decode("latin-1").split(","):
        media_type, *parameters = (part.strip().lower() for part in item.split(";"))
        quality = _quality(parameters)
        if media_type in _OFFERS and quality > best_quality:
            best, best_quality = _OFFERS[media_type], quality
    return best


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0
