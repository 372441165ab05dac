"""What a ledger is searched for, and when a page of it is all that was asked for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from kana.errors import InvalidValue
from kana.model.ledger import LedgerPage, LedgerSearch
from kana.model.usage import Entry, entry_for
from tests.support.world import NOON, TEST, a_ref, a_usage


def an_entry() -> Entry:
    """An entry of ada's."""
    return entry_for(a_usage(), a_ref(), None, entry_id=1, now=NOON)


@pytest.mark.parametrize(("start", "end"), [(None, None), (NOON, None), (None, NOON), (NOON, NOON + timedelta(1))])
def test_each_side_of_the_time_may_stay_open(start: Any, end: Any) -> None:
    """A search from, until, between, or of all time."""
    search = LedgerSearch(environment=TEST, user_id="ada", start=start, end=end)
    assert (search.start, search.end) == (start, end)


@pytest.mark.parametrize("end", [NOON, NOON - timedelta(milliseconds=1)])
def test_a_time_that_ends_before_it_begins_is_refused(end: Any) -> None:
    """And so is one that is empty."""
    with pytest.raises(InvalidValue, match=r"^to must be after from, got 2026-03-10T12:00:00\+00:00 to ") as caught:
        LedgerSearch(environment=TEST, user_id="ada", start=NOON, end=end)
    assert caught.value.field == "to"


@pytest.mark.parametrize(("count", "next_id"), [(0, None), (1, None), (2, None), (2, 7)])
def test_a_page_is_whole_if_it_is_full_or_the_last(count: int, next_id: int | None) -> None:
    """Then a list that is shorter than asked for says that nothing follows."""
    entries = [an_entry()] * count
    assert LedgerPage(entries, next_id).whole(2) == entries


@pytest.mark.parametrize(
    ("count", "says"),
    [
        (1, "looks at only 1 match, and not 2: ask for the first 1, then go on after 7, or give a later from"),
        (0, "looks at none match: go on after 7, or give a later from"),
    ],
)
def test_a_page_that_ended_early_is_never_taken_for_the_last(count: int, says: str) -> None:
    """It is an error that says how to go on, since a short list would end the reading."""
    with pytest.raises(InvalidValue, match=f"^of the 100000 entries that a page {says}$") as caught:
        LedgerPage([an_entry()] * count, 7).whole(2)
    assert caught.value.field == "first"
