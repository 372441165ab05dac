"""Style sheets and scripts, whose addresses change with their content so that browsers can cache them."""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

FOLDER = Path(__file__).parent / "static"
PREFIX = "/static/"
_FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """One file, and its compressed form if the build made one."""

    body: bytes
    compressed: bytes | None
    content_type: str
    tag: str


@cache
def assets() -> Mapping[str, Asset]:
    """Return every file of the static folder by its path, as it was at the first call.

    Nothing else is ever served: names from requests are looked up here and never reach the file system.
    Third-party files are copied to ``vendor/`` by ``make static`` and when a wheel is built. Without them
    the dashboard works, but looks plain.
    """
    return {
        path.relative_to(FOLDER).as_posix(): _read(path)
        for path in FOLDER.rglob("*")
        if path.is_file() and path.suffix != ".gz"
    }


def _read(path: Path) -> Asset:
    body, packed = path.read_bytes(), path.with_name(f"{path.name}.gz")
    content_type = mimetypes.types_map.get(path.suffix, "application/octet-stream")
    if content_type.startswith("text/"):
        content_type += "; charset=utf-8"
    return Asset(body, packed.read_bytes() if packed.is_file() else None, content_type, sha256(body).hexdigest()[:16])


def asset_url(name: str) -> str:
    """Return the address of a file, which changes with its content."""
    found = assets().get(name)
    return f"{PREFIX}{name}" if found is None else f"{PREFIX}{name}?v={found.tag}"


def answer_asset(request: Request) -> Response:
    """Answer a request for a file; browsers may cache an address with the file's tag for ever."""
    found = assets().get(request.scope["path"].removeprefix(PREFIX))
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
