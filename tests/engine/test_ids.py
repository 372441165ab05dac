"""Ids grow with time and carry what finds them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kana.engine.ids import IdMaker, bucket_of_id, first_id_at
from tests.support.world import NOON, SetClock, examples

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
moves = st.lists(st.integers(-(10**10), 10**10), min_size=1, max_size=20)


@examples(100)
@given(moves)
def test_ids_grow_whatever_the_clock_does(milliseconds: list[int]) -> None:
    """Forward, back or still: each id is larger than the one before, positive, and of 63 bits."""
    clock = SetClock()
    ids = IdMaker(clock)
    made = [ids()]
    for move in milliseconds:
        clock.now = max(clock.now + timedelta(milliseconds=move), EPOCH - timedelta(days=1))
        made += [ids(), ids()]
    assert made == sorted(set(made))
    assert made[0] > 0
    assert made[-1] < 2**63


@examples(100)
@given(moves, st.integers(0, 1023))
def test_ids_with_a_bucket_grow_too_and_give_it_back(milliseconds: list[int], bucket: int) -> None:
    """Whatever the clock does, an id says in which bucket to look."""
    clock = SetClock()
    ids = IdMaker(clock)
    made = []
    for move in milliseconds:
        clock.now = max(clock.now + timedelta(milliseconds=move), EPOCH - timedelta(days=1))
        made += [ids.with_bucket(bucket), ids.with_bucket(1023 - bucket)]
    assert made == sorted(set(made))
    assert [bucket_of_id(number) for number in made] == [bucket, 1023 - bucket] * len(milliseconds)


@pytest.mark.parametrize("moment", [EPOCH - timedelta(days=365), EPOCH, EPOCH + timedelta(days=69 * 365)])
def test_ids_fit_from_before_2026_to_2095(moment: datetime) -> None:
    """A clock before our epoch counts as the epoch; 69 years fit into 63 bits."""
    ids = IdMaker(SetClock(moment))
    for number in (ids(), ids.with_bucket(1023)):
        assert 0 < number < 2**63


def test_many_ids_in_one_millisecond_are_all_different() -> None:
    """The counter may wrap: ids go on growing by one."""
    ids = IdMaker(SetClock())
    ids._sequence = 2**22 - 50_000
    assert len({ids() for _ in range(100_000)}) == 100_000


def test_an_id_says_when_it_was_made() -> None:
    """The milliseconds since 2026 lead, so that ids of different processes sort by time."""
    earlier, later = IdMaker(SetClock(NOON)), IdMaker(SetClock(NOON + timedelta(milliseconds=1)))
    assert earlier() < later()
    assert earlier() >> 22 == (NOON - EPOCH) // timedelta(milliseconds=1)
    assert earlier.with_bucket(7) < later.with_bucket(7)


@pytest.mark.parametrize("moment", [datetime(1, 1, 1, tzinfo=UTC), EPOCH, NOON, datetime(9999, 1, 1, tzinfo=UTC)])
def test_the_first_id_at_any_moment_is_one_that_databases_take(moment: datetime) -> None:
    """Before the first ids nothing is skipped; after the last possible one everything is."""
    assert 0 <= first_id_at(moment) < 2**63
    if moment >= EPOCH and moment.year < 2090:
        assert first_id_at(moment) < IdMaker(SetClock(moment))()


def test_two_makers_begin_apart() -> None:
    """Two processes that start in the same millisecond make different ids, all but once in four million times."""
    assert len({IdMaker(SetClock())() for _ in range(20)}) > 15
