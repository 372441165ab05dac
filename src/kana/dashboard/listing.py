"""A table that its address alone searches, sorts and pages, so that it works without scripts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from kana.dashboard.context import address
from kana.dashboard.page_request import PageRequest

ROWS = 50
"""How many rows a page shows."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing(Generic[_T]):
    """One page of a table. ``sort`` is the name of a column, with a minus before it for descending order."""

    rows: Sequence[_T]
    total: int
    number: int
    pages: int
    search: str
    sort: str
    path: str
    query: Mapping[str, str]

    def link(self, **changes: object) -> str:
        """Return the address of this table with some of its query changed. It leads to page 1 unless told."""
        return address(self.path, **{**self.query, "page": "", **changes})

    def sort_link(self, column: str) -> str:
        """Return the address that sorts by a column, in reverse order if the table is sorted by it already."""
        return self.link(sort=f"-{column}" if self.sort == column else column)

    def direction(self, column: str) -> str:
        """Return how a column is sorted, in ARIA's words."""
        return {column: "ascending", f"-{column}": "descending"}.get(self.sort, "none")


def listing(
    request: PageRequest,
    items: Sequence[_T],
    *,
    columns: Mapping[str, Callable[[_T], Any]],
    words: Callable[[_T], str],
    default: str = "",
) -> Listing[_T]:
    """Return the page of a table that ``q``, ``sort`` and ``page`` of the address ask for.

    ``columns`` are the sort keys by name; ``words`` is the text of a row that is searched. Unknown columns are ignored.
    """
    search, sort = request.asked("q").strip(), request.asked("sort", default)
    found = [item for item in items if search.casefold() in words(item).casefold()] if search else list(items)
    key = columns.get(sort.removeprefix("-"))
    if key is not None:
        found.sort(key=key, reverse=sort.startswith("-"))
    pages = max(1, -(-len(found) // ROWS))
    number = min(_number(request.asked("page")), pages)
    return Listing(
        rows=found[(number - 1) * ROWS : number * ROWS],
        total=len(found),
        number=number,
        pages=pages,
        search=search,
        sort=sort if key is not None else "",
        path=request.http.scope["path"],
        query=dict(request.http.query_params),
    )


def _number(text: str) -> int:
    return max(1, int(text)) if text.isdecimal() and len(text) < 8 else 1
