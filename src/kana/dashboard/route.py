"""Routes: the handler of an address, and the role that it needs."""

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
"""The largest form of a page that sets no other bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method of one address.

    ``needs`` is the least role; None is for visitors who are not signed in. ``in_environment`` says that the
    address is below ``/test`` and ``/live``. An address has no variable parts: an id, which may contain
    anything, slashes included, goes into ``?id=``. ``is_for_any_site`` is for routes that show and take no
    secret; all others are refused over plain http from another machine.
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
    """Return the route of a page."""
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
    """Return the route of a form, whose CSRF token is checked before the handler runs."""
    return Route(
        method="POST",
        path=path,
        handler=handler,
        needs=needs,
        in_environment=in_environment,
        body_max=body_max,
        is_for_any_site=is_for_any_site,
    )
