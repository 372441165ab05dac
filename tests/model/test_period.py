"""Periods, against a second implementation that is not ours: dateutil's relativedelta."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from itertools import islice, pairwise

import pytest
from dateutil.relativedelta import relativedelta
from hypothesis import assume, given
from hypothesis import strategies as st

from kana.errors import InvalidValue
from kana.model.period import (
    Calendar,
    Period,
    ResetPeriod,
    from_milliseconds,
    longest,
    period_at,
    period_start_at,
    periods_before,
    time_in,
    to_milliseconds,
    to_precision,
)
from tests.support.world import DAY, MILLISECOND, MONTH, NOON, YEAR, examples

QUARTER = ResetPeriod.QUARTER
STEPS: dict[ResetPeriod, Callable[[int], relativedelta]] = {
    ResetPeriod.HOUR: lambda number: relativedelta(hours=number),
    ResetPeriod.WEEK: lambda number: relativedelta(weeks=number),
    QUARTER: lambda number: relativedelta(months=3 * number),
    DAY: lambda number: relativedelta(days=number),
    MONTH: lambda number: relativedelta(months=number),
    YEAR: lambda number: relativedelta(years=number),
}
LEAP_YEAR_DAYS = [datetime(2024, 1, 1, 13, 5, 59, 999_000, tzinfo=UTC) + timedelta(days=day) for day in range(366)]

resets = st.sampled_from(ResetPeriod)
moments = st.datetimes(datetime(1990, 1, 1), datetime(2150, 1, 1)).map(  # noqa: DTZ001 - Hypothesis wants naive bounds.
    lambda moment: to_precision(moment.replace(tzinfo=UTC))
)


@pytest.mark.parametrize("reset", ResetPeriod)
def test_each_anchor_day_of_a_leap_year_agrees_with_a_second_implementation(reset: ResetPeriod) -> None:
    """366 anchors by 60 periods: each begins where dateutil says, holds its first and last millisecond, no more."""
    step = STEPS[reset]
    for anchor in LEAP_YEAR_DAYS:
        starts = [anchor + step(number) for number in range(61)]
        for number, (start, end) in enumerate(pairwise(starts)):
            expected = Period(start, end)
            assert period_at(anchor, reset, start) == expected, (anchor, number)
            assert period_at(anchor, reset, end - MILLISECOND) == expected, (anchor, number)


@pytest.mark.parametrize("reset", ResetPeriod)
def test_finished_periods_of_each_anchor_day_are_listed_newest_first(reset: ResetPeriod) -> None:
    """At the end of the 60th period there are 60 finished ones; a millisecond earlier 59."""
    step = STEPS[reset]
    for anchor in LEAP_YEAR_DAYS:
        expected = [Period(anchor + step(number), anchor + step(number + 1)) for number in reversed(range(60))]
        assert list(periods_before(anchor, reset, anchor + step(60))) == expected
        assert list(periods_before(anchor, reset, anchor + step(60) - MILLISECOND)) == expected[1:]


@pytest.mark.parametrize(
    ("anchor", "reset", "starts"),
    [
        ((2026, 1, 31), MONTH, [(2026, 1, 31), (2026, 2, 28), (2026, 3, 31), (2026, 4, 30), (2026, 5, 31)]),
        ((2024, 1, 31), MONTH, [(2024, 1, 31), (2024, 2, 29), (2024, 3, 31)]),
        ((2099, 12, 31), MONTH, [(2099, 12, 31), (2100, 1, 31), (2100, 2, 28), (2100, 3, 31)]),
        ((2024, 2, 29), YEAR, [(2024, 2, 29), (2025, 2, 28), (2026, 2, 28), (2027, 2, 28), (2028, 2, 29)]),
        ((2000, 2, 29), YEAR, [(2000, 2, 29), (2001, 2, 28)]),
        ((2026, 12, 31), DAY, [(2026, 12, 31), (2027, 1, 1)]),
        ((2025, 11, 30), QUARTER, [(2025, 11, 30), (2026, 2, 28), (2026, 5, 30), (2026, 8, 30), (2026, 11, 30)]),
        ((2026, 12, 28), ResetPeriod.WEEK, [(2026, 12, 28), (2027, 1, 4)]),
    ],
)
def test_ends_of_months_as_they_were_settled(
    anchor: tuple[int, int, int], reset: ResetPeriod, starts: list[tuple[int, int, int]]
) -> None:
    """A missing day becomes the month's last, and the anchor's day comes back when the month has it."""
    days = [datetime(*start, tzinfo=UTC) for start in starts]
    for start, end in pairwise(days):
        assert period_at(datetime(*anchor, tzinfo=UTC), reset, start) == Period(start, end)


@examples(400)
@given(anchor=moments, later=st.integers(0, 100 * 366 * 86_400_000), reset=resets)
def test_every_moment_has_exactly_one_period(anchor: datetime, later: int, reset: ResetPeriod) -> None:
    """The period holds its moment, is half open, touches its neighbours, and begins a whole step from the anchor."""
    moment = anchor + later * MILLISECOND
    period = period_at(anchor, reset, moment)
    assert period.end is not None
    assert period.start <= moment < period.end
    assert period.holds(moment)
    assert period.holds(period.start)
    assert period_start_at(anchor, reset, moment) == period.start
    assert not period.holds(period.end)
    assert period_at(anchor, reset, period.start) == period
    assert period_at(anchor, reset, period.end - MILLISECOND) == period
    assert period_at(anchor, reset, period.end).start == period.end
    if period.start > anchor:
        before = period_at(anchor, reset, period.start - MILLISECOND)
        assert before.end == period.start
        assert next(periods_before(anchor, reset, moment)) == before


@examples(400)
@given(anchor=moments, start=moments, later=st.integers(0, 9 * 366 * 86_400_000), reset=resets)
def test_from_another_instant_periods_are_that_ones_and_the_first_begins_with_the_subscription(
    anchor: datetime, start: datetime, later: int, reset: ResetPeriod
) -> None:
    """Before the anchor and after it they are whole steps from it, whichever came first; none is before the start."""
    moment = start + later * MILLISECOND
    period = period_at(start, reset, moment, anchor)
    assert period.holds(moment)
    number = round((moment - anchor) / longest(reset))
    step = STEPS[reset]
    while anchor + step(number) > moment:
        number -= 1
    while anchor + step(number + 1) <= moment:
        number += 1
    assert period == Period(max(start, anchor + step(number)), anchor + step(number + 1))
    assert period_start_at(start, reset, moment, anchor) == period.start
    before = next(periods_before(start, reset, moment, anchor), None)
    if period.start == start:
        assert before is None
    else:
        assert before == Period(max(start, anchor + step(number - 1)), period.start)


@pytest.mark.parametrize("reset", ResetPeriod)
def test_no_period_from_an_instant_is_longer_than_the_longest(reset: ResetPeriod) -> None:
    """What bounds a search for current totals never leaves one out, and is no more than a week too long."""
    lengths = {
        (anchor + STEPS[reset](number + 1)) - (anchor + STEPS[reset](number))
        for anchor in LEAP_YEAR_DAYS
        for number in range(60)
    }
    assert max(lengths) <= longest(reset) < max(lengths) + timedelta(days=7)


@examples(250)
@given(anchor=moments, number=st.integers(0, 1200), reset=resets)
def test_steps_never_drift(anchor: datetime, number: int, reset: ResetPeriod) -> None:
    """However far from the anchor, a period begins where stepping once from the anchor leads."""
    start = anchor + STEPS[reset](number)
    assert period_at(anchor, reset, start).start == start


@examples(200)
@given(anchor=moments, moment=moments, reset=resets)
def test_finished_periods_tile_the_time_since_the_anchor(
    anchor: datetime, moment: datetime, reset: ResetPeriod
) -> None:
    """Newest first, each touching the next, the first of them touching the current one; none before the anchor."""
    finished = list(islice(periods_before(anchor, reset, moment), 50))
    if moment < anchor:
        assert finished == []
        return
    current = period_at(anchor, reset, moment)
    assert [newer.start for newer in [current, *finished][: len(finished)]] == [older.end for older in finished]
    assert all(period.start >= anchor for period in finished)


def test_without_a_reset_there_is_one_period_without_an_end() -> None:
    """It begins at the anchor, holds all that follows and never finishes."""
    assert period_at(NOON, None, NOON + timedelta(days=9999)) == Period(NOON, None)
    assert list(periods_before(NOON, None, NOON + timedelta(days=9999))) == []
    assert period_start_at(NOON, None, NOON + timedelta(days=9999)) == NOON
    assert period_at(NOON, None, NOON, Calendar("UTC")) == Period(NOON, None)
    assert Period(NOON, None).holds(NOON + timedelta(days=9999))
    assert not Period(NOON, None).holds(NOON - MILLISECOND)


@pytest.mark.parametrize("hours", [-12, -3.5, 0, 5.75, 14])
def test_a_moment_counts_in_utc_whatever_its_zone(hours: float) -> None:
    """Midnight at UTC+14 anchors at 10:00 UTC of the day before, and daylight saving has no say."""
    local = datetime(2026, 1, 31, tzinfo=timezone(timedelta(hours=hours)))
    anchor = to_precision(local)
    assert anchor == local
    assert anchor.tzinfo is UTC
    assert period_at(anchor, DAY, anchor + timedelta(hours=24)).start == anchor + timedelta(hours=24)


@examples(200)
@given(st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)))  # noqa: DTZ001
def test_times_are_kept_to_the_millisecond(moment: datetime) -> None:
    """Milliseconds come back exactly, before 1970 too, and what is finer is cut and never rounded up."""
    kept = to_precision(moment)
    assert timedelta(0) <= moment - kept < MILLISECOND
    assert from_milliseconds(to_milliseconds(kept)) == kept
    assume(kept != moment)
    assert kept.microsecond == moment.microsecond // 1000 * 1000


@given(moments)
@examples(50)
def test_a_time_is_read_as_it_is_written(moment: datetime) -> None:
    """In any zone, with T and Z of either case, and cut to the millisecond."""
    assert time_in(moment.isoformat(), field="at") == moment
    assert time_in(moment.astimezone(timezone(timedelta(hours=-3, minutes=-30))).isoformat(), field="at") == moment
    text = moment.strftime("%Y-%m-%dt%H:%M:%S.") + f"{moment.microsecond // 1000:03d}999z"
    assert time_in(text, field="at") == moment


@pytest.mark.parametrize(
    "value",
    [
        None, 7, True, "", "now", "2026-03-10", "2026-03-10T12:00:00", "2026-03-10 12:00:00Z", "2026-03-10T12:00Z",
        "2026-W11-2T12:00:00Z", "2026-03-10T24:00:00Z", "2026-02-30T00:00:00Z", "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00", "2026-03-10T12:00:00.1234567890Z", "2026-03-10T12:00:60Z", " 2026-03-10T12:00:00Z",
    ],
)  # fmt: skip
def test_anything_else_is_no_time(value: object) -> None:
    """The error names the field, the value, and how a time is written."""
    with pytest.raises(InvalidValue, match=r"^at must be RFC 3339 with seconds and zone, as in 2026.*; got ") as raised:
        time_in(value, field="at")
    assert (raised.value.field, repr(value) in raised.value.message) == ("at", True)
