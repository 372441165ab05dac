"""How users are found, whatever the database: what a search binds, and the order in which its answers stand.

Few that match are gathered by the index of what they match, and put in order here. Where many match,
the order's own index is walked, and soon meets enough of them. So a page is quick either way.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator

from kana.model.period import to_milliseconds
from kana.model.search import UserOrder, UserSearch, without_case
from kana.model.user import User
from kana.store import rows

GATHERED_MAX = 2_000
"""Most users that are gathered; beyond, the order is walked."""

_LAST = "\U0010ffff"
_LATEST = 2**62


def walk(search: UserSearch) -> tuple[str, rows.Row]:
    """Return the statement that walks the order of a search, and its bindings."""
    after = search.after
    value: str | int = _LATEST if search.order is UserOrder.AGE else ""
    if after is not None and search.order is not UserOrder.ID:
        value = _value(after, search.order)
    bindings = (
        search.environment.value,
        value,
        "" if after is None else after.id,
        without_case(search.text),
        search.package_id,
        to_milliseconds(search.now),
        search.limit,
    )
    return f"list_users_by_{search.order}", bindings


def gatherings(search: UserSearch) -> Iterator[tuple[str, rows.Row]]:
    """Yield the statements that gather what matches, with their bindings; of each the rows are too many, or all."""
    text, moment, most = without_case(search.text), to_milliseconds(search.now), GATHERED_MAX + 1
    environment, package = search.environment.value, search.package_id
    if text:
        yield "find_users_by_text", (environment, text, text + _LAST, package, moment, most)
    if package is not None:
        yield "find_users_of_package", (environment, package, moment, text, most)


def page_of(found: Iterable[rows.Row], search: UserSearch) -> list[User]:
    """Return the page that a search asks for of all that was gathered: rows of users, and whether each fits."""
    is_down = search.order is UserOrder.AGE
    users = [rows.user_from(row) for row in found if row[-1]]
    if search.after is not None:
        mark = _key(search.after, search.order)
        is_behind = operator.lt if is_down else operator.gt
        users = [user for user in users if is_behind(_key(user, search.order), mark)]
    users.sort(key=lambda user: _key(user, search.order), reverse=is_down)
    return users[: search.limit]


def _key(user: User, order: UserOrder) -> tuple[str | int, str]:
    return (_value(user, order), user.id)


def _value(user: User, order: UserOrder) -> str | int:
    match order:
        case UserOrder.ID:
            return user.id
        case UserOrder.NAME:
            return without_case(user.name or "")
        case UserOrder.EMAIL:
            return without_case(user.email or "")
        case UserOrder.AGE:
            return to_milliseconds(user.created_at)
