"""Rows of insights and of the administrative log, for every store; see ``rows``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime

from kana.engine.ports.insights import NearTotal, Threshold
from kana.model.environment import Actor, Environment
from kana.model.insights import Refusals, TopUser, UsageRow
from kana.model.log import LogLine
from kana.model.period import from_milliseconds, period_start_at, to_milliseconds
from kana.model.tally import NO_PACKAGE, Tallies
from kana.model.usage import Outcome
from kana.store.rows import LONGEST_PERIODS, NO_RESET, RESETS, Row
from kana.store.values import whole

_FIRST_MOMENT = -(2**62)


def day_rows(tallies: Tallies) -> list[Row]:
    """Write the rows of ``add_usage_day``."""
    return [(*key, *tally) for key, tally in tallies.days.items()]


def hour_rows(tallies: Tallies, *, bucket: int) -> list[Row]:
    """Write the rows of ``add_usage_hour`` in one order, so that no two who add wait for each other in a circle."""
    return [(*key, bucket, *tally) for key, tally in sorted(tallies.hours.items())]


def packages_row(package_ids: Iterable[str | None]) -> list[str]:
    """Write package ids as the totals have them."""
    return [NO_PACKAGE if package_id is None else package_id for package_id in package_ids]


def step_from(row: Row) -> UsageRow:
    """Read a row of ``load_usage``, whose sums come as one text."""
    step, feature_id, package_id, sums = row
    return hour_from((step, feature_id, package_id, *map(int, sums.split())))


def hour_from(row: Row) -> UsageRow:
    """Read a row of ``load_usage_hours_of``."""
    at, feature_id, package_id, high, low, entries, refusals = row
    return day_from((at, feature_id, package_id, whole(high, low), entries, refusals))


def day_from(row: Row) -> UsageRow:
    """Read a row of ``load_usage_days_of``."""
    at, feature_id, package_id, units, entries, refusals = row
    return UsageRow(
        at=from_milliseconds(at),
        feature_id=feature_id,
        package_id=None if package_id == NO_PACKAGE else package_id,
        units=units,
        entries=int(entries),
        refusals=int(refusals),
    )


def top_user_from(row: Row) -> TopUser:
    """Read a row of ``load_top_users``."""
    return TopUser(row[0], whole(row[1], row[2]), int(row[3]), int(row[4]))


def threshold_rows(thresholds: Sequence[Threshold], *, now: datetime) -> list[Row]:
    """Write what ``load_near_limits`` looks for. No period that holds now starts before the fourth column."""
    return [
        (
            each.package_id,
            each.feature_id,
            each.reset_period or NO_RESET,
            _FIRST_MOMENT if each.reset_period is None else to_milliseconds(now - LONGEST_PERIODS[each.reset_period]),
            each.used,
        )
        for each in thresholds
    ]


def near_total_from(row: Row, thresholds: Sequence[Threshold], *, now: datetime) -> NearTotal | None:
    """Read a row of ``load_near_limits``; None where its period is over."""
    user_id, started_at, feature_id, reset_period, period_start, used, number = row
    anchor = from_milliseconds(started_at)
    current = period_start_at(anchor, RESETS[reset_period], max(anchor, now))
    if from_milliseconds(period_start) != current:
        return None
    return NearTotal(user_id, feature_id, used, thresholds[number].limit)


def refusals_from(row: Row) -> Refusals:
    """Read a row of ``load_refusals``."""
    return Refusals(row[0], row[1], Outcome(row[2]), row[3], from_milliseconds(row[4]))


def log_line_from(row: Row) -> LogLine:
    """Read a row of ``list_log``."""
    return LogLine(
        id=row[0],
        environment=None if row[1] is None else Environment(row[1]),
        at=from_milliseconds(row[2]),
        actor=Actor(kind=row[3], name=row[4]),
        action=row[5],
        subject_kind=row[6],
        subject_id=row[7],
        before=None if row[8] is None else json.loads(row[8]),
        after=None if row[9] is None else json.loads(row[9]),
    )
