from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from kana.sdk.conversation import Steps

T = TypeVar("T")

_PAGE: Final = 1_000


def every_page(
    ask: Callable[[int, str | None], Steps[list[T]]], *, first: int | None, after: str | None, id_of: Callable[[T], str]
) -> Steps[list[T]]:
    """Return the items that ``ask(first, after)`` lists: one page if ``first`` is given, or else all pages.

    Pages are requested one after the other: what is created in the meantime may or may not be in them.
    """
    if first is not None:
        return (yield from ask(first, after))
    found: list[T] = []
    while True:
        page = yield from ask(_PAGE, after)
        found += page
        if len(page) < _PAGE:
            return found
        after = id_of(page[-1])


def by_id(item: Any) -> str:
    """Return the id of an item."""
    found: str = item.id
    return found
