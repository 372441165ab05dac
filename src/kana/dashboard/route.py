"""Which address is answered by what, and who may ask: the one table that every request is checked against."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.responses import Response

from kana.model.colleague import Role

if TYPE_CHECKING:
    from kana.dashboard.page_request import PageRequest

Handler = Callable[["PageRequest"], Awaitable[Response]]

FORM_BYTES_MAX = 1024 * 1024
"""Largest form of a page that says nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method of one address.

    ``needs`` is the least role, None for those who are not signed in. ``in_environment`` says that the
    address stands below ``/test`` and ``/live``. An address has no variable parts: an id, which may hold
    anything, slashes included, is asked for as ``?id=``. ``is_for_any_site`` is for what shows and takes no secret:
    all else is refused where it could be read on its way.
    """

    method: str
    path: str
    handler: Handler
    needs: Role | None
    in_environment: bool = True
    body_max: int = FORM_BYTES_MAX
    is_for_any_site: bool = False


def get(
    path: str,
    handler: Handler,
    *,
    needs: Role | None = Role.VIEWER,
    in_environment: bool = True,
    is_for_any_site: bool = False,
) -> Route:
    """A page to look at."""
    return Route(
        method="GET",
        path=path,
        handler=handler,
        needs=needs,
        in_environment=in_environment,
        is_for_any_site=is_for_any_site,
    )


def post(
    path: str,
    handler: Handler,
    *,
    needs: Role | None = Role.EDITOR,
    in_environment: bool = True,
    body_max: int = FORM_BYTES_MAX,
    is_for_any_site: bool = False,
) -> Route:
    """A form that is sent. Its CSRF token is checked before the handler runs."""
    return Route(
        method="POST",
        path=path,
        handler=handler,
        needs=needs,
        in_environment=in_environment,
        body_max=body_max,
        is_for_any_site=is_for_any_site,
    )
