"""How many rows of a list may be asked for."""

from __future__ import annotations

import pytest

from kana.errors import InvalidValue
from kana.model.page import LIST_MAX, page_of, page_size, rows_to_read


def test_a_page_has_from_one_row_to_as_many_as_are_allowed() -> None:
    """Both ends belong to it; what is beyond them is refused by its name."""
    assert [page_size(first, most=5) for first in (1, 5)] == [1, 5]
    for first in (0, 6, -1):
        with pytest.raises(InvalidValue, match=f"^first must be 1 to 5, got {first}$") as raised:
            page_size(first, most=5)
        assert raised.value.field == "first"


def test_a_whole_list_is_read_to_one_row_more_than_it_may_have() -> None:
    """By that row is known that it is too long; a page is read to its size."""
    assert [rows_to_read(None), rows_to_read(7), rows_to_read(LIST_MAX)] == [LIST_MAX + 1, 7, LIST_MAX]
    with pytest.raises(InvalidValue, match=f"^first must be 1 to {LIST_MAX}, got {LIST_MAX + 1}$"):
        rows_to_read(LIST_MAX + 1)


def test_a_list_that_is_too_long_says_to_page() -> None:
    """A page never is."""
    rows = list(range(LIST_MAX + 1))
    with pytest.raises(InvalidValue, match=r"^there are more than 10000 users; page with first and after$") as raised:
        page_of(rows, None, noun="users")
    assert raised.value.field == "first"
    assert page_of(rows[:-1], None, noun="users") == rows[:-1]
    assert page_of(rows[:3], 3, noun="users") == rows[:3]
