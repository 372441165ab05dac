"""The size of a page of a list: the rule for ``first`` in every API."""

from __future__ import annotations

from typing import TypeVar

from kana.errors import InvalidValue

LIST_MAX = 10_000
"""Most rows of a list, with ``first`` or without."""

_Row = TypeVar("_Row")


def page_size(first: int, *, most: int) -> int:
    """Return ``first`` if a page may have that many rows: 1 to ``most``.

    Raises:
        InvalidValue: it may not.
    """
    if 1 <= first <= most:
        return first
    raise InvalidValue(f"first must be 1 to {most}, got {first}", field="first")


def rows_to_read(first: int | None) -> int:
    """Return how many rows to read for a page, or for a whole list: one more than it may have.

    Raises:
        InvalidValue: ``first`` is given and not 1 to 10,000.
    """
    return LIST_MAX + 1 if first is None else page_size(first, most=LIST_MAX)


def page_of(rows: list[_Row], first: int | None, *, noun: str) -> list[_Row]:
    """Return the rows that were read for ``first``; without it they are the whole list.

    Raises:
        InvalidValue: the list is too long to return without ``first``.
    """
    if first is None and len(rows) > LIST_MAX:
        raise InvalidValue(f"there are more than {LIST_MAX} {noun}; page with first and after", field="first")
    return rows
