"""Searching users among very many: the statements of a search, and the order of its results.

If few users match, they are collected by the index of the filter and sorted here. If many match, the index of
the order is read until enough are found. So a page is quick either way.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator

from kana.model.period import to_milliseconds
from kana.model.search import UserOrder, UserSearch, without_case
from kana.model.user import User
from kana.store.session import Row, Session
from kana.store.users import user_from, user_row

GATHERED_MAX = 1_000
"""Most users that are collected; with more, the index of the order is used."""

_LAST = "\U0010ffff"
_LATEST = 2**62


async def search(session: Session, wanted: UserSearch) -> list[User]:
    """Return the page of users that a search asks for."""
    for name, bindings in _gatherings(wanted):
        found = await session.rows(name, *bindings)
        if len(found) <= GATHERED_MAX:
            return _page_of(found, wanted)
    name, bindings = _walk(wanted)
    return [user_from(row) for row in await session.rows(name, *bindings)]


def _walk(search: UserSearch) -> tuple[str, Row]:
    """Return the statement that reads in the order of a search, and its bindings."""
    after = search.after
    value: str | int = _LATEST if search.order is UserOrder.AGE else ""
    if after is not None and search.order is not UserOrder.ID:
        value = _value(user_row(after), search.order)
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


def _gatherings(search: UserSearch) -> Iterator[tuple[str, Row]]:
    """Yield the statements that collect all matches, with their bindings; each finds all of them or too many."""
    text, moment, most = without_case(search.text), to_milliseconds(search.now), GATHERED_MAX + 1
    environment, package = search.environment.value, search.package_id
    if text:
        yield "find_users_by_text", (environment, text, text + _LAST, package, moment, most)
    if package is not None:
        yield "find_users_of_package", (environment, package, moment, text, most)


def _page_of(found: Iterable[Row], search: UserSearch) -> list[User]:
    """Return the page of a search from all collected rows of users, which say whether each one fits."""
    is_down = search.order is UserOrder.AGE
    fitting = [(_value(row, search.order), row[3], row) for row in found if row[-1]]
    if search.after is not None:
        mark = (_value(user_row(search.after), search.order), search.after.id)
        is_behind = operator.lt if is_down else operator.gt
        fitting = [each for each in fitting if is_behind(each[:2], mark)]
    fitting.sort(key=operator.itemgetter(0, 1), reverse=is_down)
    return [user_from(row) for _, _, row in fitting[: search.limit]]


def _value(row: Row, order: UserOrder) -> str | int:
    """Return the value by which a row of a user is sorted."""
    match order:
        case UserOrder.ID:
            return str(row[3])
        case UserOrder.NAME:
            return without_case(row[5] or "")
        case UserOrder.EMAIL:
            return without_case(row[6] or "")
        case UserOrder.AGE:
            return int(row[8])
