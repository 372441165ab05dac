"""Style sheets and scripts: kept beside the templates, named by what is in them, so that browsers may keep them."""

from __future__ import annotations

import mimetypes
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

FOLDER = Path(__file__).parent / "static"
PREFIX = "/static/"
_FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """One file, and the same compressed where that was done when it was built."""

    body: bytes
    compressed: bytes | None
    content_type: str
    tag: str


@lru_cache(maxsize=256)
def asset(name: str) -> Asset | None:
    """Return a file of the static folder by its path in it; None where there is none.

    Those of other makers are copied to ``vendor/`` by ``make static`` and when a wheel is built. Without
    them everything but looks works.
    """
    path = FOLDER / name
    if ".." in Path(name).parts or path.suffix == ".gz" or not path.is_file():
        return None
    body, packed = path.read_bytes(), path.with_name(f"{path.name}.gz")
    content_type = mimetypes.types_map.get(path.suffix, "application/octet-stream")
    if content_type.startswith("text/"):
        content_type += "; charset=utf-8"
    return Asset(body, packed.read_bytes() if packed.is_file() else None, content_type, sha256(body).hexdigest()[:16])


def asset_url(name: str) -> str:
    """Return the address of a file, which changes when the file does."""
    found = asset(name)
    return f"{PREFIX}{name}" if found is None else f"{PREFIX}{name}?v={found.tag}"


def answer_asset(request: Request) -> Response:
    """Answer a request for a file; the address with its tag may be kept for ever."""
    found = asset(request.url.path.removeprefix(PREFIX))
    if found is None:
        return Response(status_code=404)
    headers = {"etag": f'"{found.tag}"', "cache-control": "no-cache", "vary": "accept-encoding"}
    if request.query_params.get("v") == found.tag:
        headers["cache-control"] = _FOR_EVER
    if request.headers.get("if-none-match") == headers["etag"]:
        return Response(status_code=304, headers=headers)
    body = found.body
    if found.compressed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        body, headers["content-encoding"] = found.compressed, "gzip"
    return Response(body, media_type=None, headers={**headers, "content-type": found.content_type})
