"""Steps of time, shares of limits, and when somebody runs out: pure rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kana.errors import InvalidValue
from kana.model.allowance import Allowance
from kana.model.insights import Adoption, CreditRow, Outlook, Step, Steps, UsageRow, gathered, near, runs_out_at, spent
from kana.model.period import Period
from kana.model.tally import Tallies
from kana.model.usage import entry_for
from tests.support.world import NOON, ONE_DAY, TEST, a_ref, a_usage, examples

MARCH, APRIL = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
MOMENTS = st.datetimes(datetime(1971, 1, 1), datetime(2400, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - in UTC


@pytest.mark.parametrize(
    ("step", "begin", "following"),
    [
        (Step.HOUR, NOON, NOON + timedelta(hours=1)),
        (Step.DAY, NOON.replace(hour=0), NOON.replace(hour=0) + ONE_DAY),
        (Step.WEEK, datetime(2026, 3, 9, tzinfo=UTC), datetime(2026, 3, 16, tzinfo=UTC)),
        (Step.MONTH, MARCH, APRIL),
    ],
)
def test_each_step_holds_its_moments(step: Step, begin: datetime, following: datetime) -> None:
    """A step begins at or before its moment and ends after it: hours and days in UTC, weeks on Monday."""
    assert (step.floor(NOON + timedelta(minutes=5)), step.following(begin)) == (begin, following)


@given(start=MOMENTS, hours=st.integers(1, 5000), step=st.sampled_from(Step))
@examples(100)
def test_steps_follow_each_other(start: datetime, hours: int, step: Step) -> None:
    """Steps cover the range without gap or overlap, and none that the range does not touch."""
    end = start + timedelta(hours=hours)
    steps = Steps.over(start, end, step)
    assert steps.start <= start < steps.begins[1] if len(steps.begins) > 1 else steps.start <= start
    assert steps.begins[-1] < end <= steps.end
    assert all(step.following(begin) == after for begin, after in pairwise((*steps.begins, steps.end)))
    assert [step.floor(begin) for begin in steps.begins] == list(steps.begins)


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        (NOON, NOON, "to must be after from"),
        (NOON, NOON + timedelta(hours=10_001), "at most 10000 steps of a HOUR"),
        (NOON.replace(year=1969), NOON, "in the years 1970 to 8999"),
        (NOON, NOON.replace(year=9000), "in the years 1970 to 8999"),
    ],
)
def test_ranges_are_bounded(start: datetime, end: datetime, message: str) -> None:
    """An empty range, one of too many steps and one beyond the calendar are refused."""
    with pytest.raises(InvalidValue, match=message):
        Steps.over(start, end, Step.HOUR)


def test_rows_are_gathered_by_step() -> None:
    """Rows of one step, feature and package become one; others stay apart, in the order of time."""

    def row(at: datetime, units: int, package: str | None = "basic") -> UsageRow:
        return UsageRow(at=at, feature_id="message", package_id=package, units=units, entries=1, refusals=2)

    found = gathered([row(NOON, 5), row(MARCH, 2), row(APRIL, 1), row(MARCH, 3, None)], Step.MONTH)
    assert [(each.at, each.package_id, each.units, each.entries, each.refusals) for each in found] == [
        (MARCH, None, 3, 1, 2),
        (MARCH, "basic", 7, 2, 4),
        (APRIL, "basic", 1, 1, 2),
    ]


@pytest.mark.parametrize(("limit", "units"), [(100, 80), (101, 81), (1, 1), (0, 1), (9, 8)])
def test_near_is_eighty_percent(limit: int, units: int) -> None:
    """From 80 % on, rounded up, and never at nothing used."""
    assert near(limit) == units


@pytest.mark.parametrize(
    ("limit", "used", "expected"),
    [
        (100, 50, NOON + ONE_DAY),
        (100, 100, NOON),
        (100, 120, NOON),
        (0, 0, NOON),
        (100, 0, None),
        (100, 1, None),
        (None, 50, None),
        (3, 1, NOON + 2 * ONE_DAY),
    ],
)
def test_when_a_user_runs_out(limit: int | None, used: int, expected: datetime | None) -> None:
    """At the pace so far: now where the limit is reached, and never where the period ends before."""
    period = Period(NOON - ONE_DAY, NOON + 10 * ONE_DAY)
    assert runs_out_at(Allowance(limit=limit), period, [(period.start, used)], now=NOON) == expected


def test_a_period_without_an_end_runs_out_some_day() -> None:
    """Where nothing resets, the day is told however far it is, as long as the calendar has it."""
    endless = Period(NOON - ONE_DAY, None)
    assert runs_out_at(Allowance(limit=1000), endless, [(endless.start, 1)], now=NOON) == NOON + 999 * ONE_DAY
    assert runs_out_at(Allowance(limit=2**53 - 1), endless, [(endless.start, 1)], now=NOON) is None


def test_before_its_period_nobody_runs_out() -> None:
    """A clock that went back gives no pace."""
    assert runs_out_at(Allowance(limit=10), Period(NOON, None), [(NOON, 5)], now=NOON - ONE_DAY) is None


def test_several_totals_run_out_at_the_sum_of_their_paces() -> None:
    """Ten a day of a period that began ten days ago and one a day of one without an end: 11 a day for what is left."""
    period = Period(NOON - 10 * ONE_DAY, NOON + 20 * ONE_DAY)
    so_far = [(period.start, 100), (NOON - 100 * ONE_DAY, 100)]
    assert runs_out_at(Allowance(limit=310), period, so_far, now=NOON) == NOON + 10 * ONE_DAY
    assert runs_out_at(Allowance(limit=420), period, so_far, now=NOON) is None
    begun = [(NOON, 10), (NOON + ONE_DAY, 0)]
    assert runs_out_at(Allowance(limit=20), Period(NOON, None), begun, now=NOON) == NOON


def test_what_of_a_credit_is_not_spent_on_a_feature_is_used_by_itself() -> None:
    """By step and in order; what was undone of it, and steps in which nothing happened, are none."""

    def row(hours: int, feature_id: str | None, units: int, entries: int, refusals: int = 0) -> CreditRow:
        at = NOON + timedelta(hours=hours)
        return CreditRow(at=at, feature_id=feature_id, units=units, entries=entries, refusals=refusals)

    rows = [row(0, "b", 5, 2), row(0, "a", 3, 1, 1), row(1, "b", 4, 1), row(24, "a", 7, 2)]
    totals = [
        UsageRow(at=each.at, feature_id="credit", package_id=None, units=each.units, entries=each.entries,
                 refusals=each.refusals)
        for each in (row(0, None, 8, 3, 1), row(0, None, 1, 1), row(1, None, 4, 1), row(24, None, 7, 2))
    ]  # fmt: skip
    by_day = [row(-12, None, 1, 1), row(-12, "a", 3, 1, 1), row(-12, "b", 9, 3), row(12, "a", 7, 2)]
    assert spent(rows, totals, Step.DAY) == by_day
    assert spent(rows, totals, Step.HOUR) == [row(0, None, 1, 1), rows[1], rows[0], rows[2], rows[3]]
    assert spent([], [], Step.DAY) == []


def test_shares() -> None:
    """A share of nothing is none; a limit of 0 counts as reached."""
    assert (Adoption("a", 4, 1).share, Adoption("a", 0, 0).share) == (0.25, None)
    outlook = {"user_id": "ada", "feature_id": "message", "package_id": "basic", "overage_enabled": False}
    times = {"resets_at": None, "runs_out_at": None}
    shares = [Outlook(used=used, limit=limit, **outlook, **times).share for used, limit in ((3, 4), (5, 4), (0, 0))]  # type: ignore[arg-type]
    assert shares == [0.75, 1.25, 1.0]


def test_tallies_add_up_a_batch() -> None:
    """Entries of one user and day become one row, of one hour one row over all users; refusals count no units."""
    tallies = Tallies()
    half_past_one = NOON + timedelta(minutes=90)
    for key, now in ((1, NOON), (1, NOON), (2, NOON), (1, half_past_one)):
        entry = entry_for(a_usage(3), a_ref(key=key), None, entry_id=1, now=now)
        tallies.add(entry, "")
    day = 1_773_100_800_000
    assert tallies.days == {
        (7, 1, "message", day, "", TEST): [0, 0, 3],
        (7, 2, "message", day, "", TEST): [0, 0, 1],
    }
    assert tallies.hours == {
        (TEST, "message", "", day + 12 * 3_600_000): [0, 0, 3],
        (TEST, "message", "", day + 13 * 3_600_000): [0, 0, 1],
    }
