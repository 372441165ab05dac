"""Reads totals of usage and the administrative log, which other nouns write."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from kana.engine.ids import first_id_at
from kana.engine.ports.insights import NearTotal, Threshold
from kana.model.entitlement import Outcome
from kana.model.environment import Environment
from kana.model.insights import (
    NEAR_PERCENT,
    Adoption,
    CreditRow,
    Refusals,
    Step,
    Steps,
    TopUser,
    UsageRow,
    near,
)
from kana.model.log import LogLine
from kana.model.package import NO_PACKAGE
from kana.model.period import CLOCKS_APART, from_milliseconds, to_milliseconds
from kana.model.tally import DAY_MS, HOUR_MS
from kana.model.text import NUMBER_MAX
from kana.store.log import log_line_from
from kana.store.session import Row, Session, Transactions
from kana.store.subscriptions import current_start
from kana.store.unfinished import load_deletions
from kana.store.users import load_user_ref
from kana.store.values import NO_RESET, RESETS, earliest_start, whole

_Read = TypeVar("_Read")


class Insights:
    """Reads totals and the log. ``InsightStore`` says what each call promises."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def usage_by_step(
        self,
        environment: Environment,
        steps: Steps,
        feature_ids: Sequence[str],
        package_ids: Sequence[str | None],
        *,
        limit: int,
    ) -> list[UsageRow]:
        """Add up hours."""

        async def work(session: Session) -> list[UsageRow]:
            lists = (feature_ids, _packages_row(package_ids), [*map(to_milliseconds, steps.begins)])
            found = await session.rows(
                "load_usage", environment.value, *map(session.array, lists), *_range(steps.start, steps.end), limit
            )
            return [_step_from(row) for row in found]

        return await self._transactions.read_aside(work)

    async def usage_of(
        self,
        environment: Environment,
        user_id: str,
        steps: Steps,
        feature_ids: Sequence[str],
        package_ids: Sequence[str | None],
    ) -> list[UsageRow]:
        """Read a user's days, or their lines."""

        async def work(session: Session) -> list[UsageRow]:
            user = await load_user_ref(session, environment, user_id)
            lists = map(session.array, (feature_ids, _packages_row(package_ids)))
            bindings = (user.bucket, user.key, *lists, *_range(steps.start, steps.end))
            if steps.step is Step.HOUR:
                found = await session.rows("load_usage_hours_of", *bindings, first_id_at(steps.start))
                return [_hour_from(row) for row in found]
            return [_day_from(row) for row in await session.rows("load_usage_days_of", *bindings)]

        return await self._transactions.read_aside(work)

    async def usage_of_credit(
        self, environment: Environment, feature_id: str, steps: Steps, package_ids: Sequence[str | None]
    ) -> tuple[list[CreditRow], list[UsageRow]]:
        """Read the entries that are costs, and add up hours."""
        size = HOUR_MS if steps.step is Step.HOUR else DAY_MS
        range_, since = _range(steps.start, steps.end), to_milliseconds(steps.start - CLOCKS_APART)

        async def work(session: Session) -> tuple[list[CreditRow], list[UsageRow]]:
            costs = await session.rows("load_costs", environment.value, feature_id, *range_, size, since)
            begins = session.array([*map(to_milliseconds, steps.begins)])
            packages = session.array(_packages_row(package_ids))
            bindings = (environment.value, session.array([feature_id]), packages, begins, *range_)
            totals = await session.rows("load_usage", *bindings, NUMBER_MAX)
            return [_cost_from(row) for row in costs], [_step_from(row) for row in totals]

        return await self._transactions.read_aside(work)

    async def adoption(
        self, environment: Environment, packages_of: Mapping[str, Sequence[str]], *, start: datetime, end: datetime
    ) -> list[Adoption]:
        """Count those who had a feature once for all that the same packages hold."""

        async def work(session: Session) -> list[Adoption]:
            found: dict[str, Adoption] = {}
            for package_ids, feature_ids in _by_packages(packages_of).items():
                bindings = (environment.value, session.array(package_ids), *_range(start, end))
                entitled = await session.value("count_entitled", *bindings)
                used = dict(map(tuple, await session.rows("count_users_of", *bindings, session.array(feature_ids))))
                found |= {each: Adoption(each, entitled, used.get(each, 0)) for each in feature_ids}
            return [found[feature_id] for feature_id in packages_of]

        return await self._transactions.read_aside(work)

    async def top_users(
        self, environment: Environment, feature_id: str, *, start: datetime, end: datetime, limit: int
    ) -> list[TopUser]:
        """Add up days."""
        bindings = (environment.value, feature_id, *_range(start, end), limit)
        return await self._read("load_top_users", bindings, _top_user_from)

    async def near_limits(
        self, environment: Environment, thresholds: Sequence[Threshold], *, now: datetime
    ) -> list[NearTotal]:
        """Find totals, without those whose period is over."""
        moment = to_milliseconds(now)

        async def work(session: Session) -> list[NearTotal]:
            packages, *others = map(session.array, _threshold_columns(thresholds, now=now))
            rows = [
                *await session.rows("load_near_limits", environment.value, packages, moment, *others),
                *await session.rows("load_near_given", environment.value, moment, NEAR_PERCENT),
            ]
            return [_near_total_from(row) for row in rows if _is_current(row, now)]

        return await self._transactions.read_aside(work)

    async def refusals(
        self,
        environment: Environment,
        *,
        start: datetime,
        end: datetime,
        feature_id: str | None,
        user_id: str | None,
        limit: int,
    ) -> list[Refusals]:
        """Count lines that refused."""

        async def work(session: Session) -> list[Refusals]:
            user = None if user_id is None else await load_user_ref(session, environment, user_id)
            whose = (None, None) if user is None else (user.bucket, user.key)
            since = to_milliseconds(start - CLOCKS_APART)
            bindings = (environment.value, *_range(start, end), feature_id, *whose, limit, since)
            return [_refusals_from(row) for row in await session.rows("load_refusals", *bindings)]

        return await self._transactions.read_aside(work)

    async def log(
        self, environment: Environment, *, limit: int, before: int | None, subject_id: str | None, shared: bool
    ) -> list[LogLine]:
        """Read lines backwards."""
        bindings = (environment.value, NUMBER_MAX if before is None else before, subject_id, limit, shared)

        async def work(session: Session) -> list[LogLine]:
            lines = [log_line_from(row) for row in await session.rows("list_log", *bindings)]
            for deletion in await load_deletions(session, environment):
                lines = [deletion.line(line) for line in lines]
            return [line for line in lines if subject_id in (None, line.subject_id)]

        return await self._transactions.read_aside(work)

    async def _read(self, statement: str, bindings: Row, read: Callable[[Row], _Read]) -> list[_Read]:
        async def work(session: Session) -> list[_Read]:
            return [read(row) for row in await session.rows(statement, *bindings)]

        return await self._transactions.read_aside(work)


def _range(start: datetime, end: datetime) -> tuple[int, int]:
    return to_milliseconds(start), to_milliseconds(end)


def _by_packages(packages_of: Mapping[str, Sequence[str]]) -> dict[tuple[str, ...], list[str]]:
    """Return the features that the same packages hold, by those packages."""
    found: dict[tuple[str, ...], list[str]] = {}
    for feature_id, package_ids in packages_of.items():
        found.setdefault(tuple(sorted(package_ids)), []).append(feature_id)
    return found


def _packages_row(package_ids: Iterable[str | None]) -> list[str]:
    """Write package ids in the form that the totals have."""
    return [NO_PACKAGE if package_id is None else package_id for package_id in package_ids]


def _step_from(row: Row) -> UsageRow:
    """Read a row of ``load_usage``, whose sums come as one text."""
    step, feature_id, package_id, sums = row
    return _hour_from((step, feature_id, package_id, *map(int, sums.split())))


def _cost_from(row: Row) -> CreditRow:
    """Read a row of ``load_costs``."""
    at, feature_id, high, low, entries, refusals = row
    return CreditRow(
        at=from_milliseconds(at),
        feature_id=feature_id,
        units=whole(high, low),
        entries=int(entries),
        refusals=int(refusals),
    )


def _hour_from(row: Row) -> UsageRow:
    """Read a row of ``load_usage_hours_of``."""
    at, feature_id, package_id, high, low, entries, refusals = row
    return _day_from((at, feature_id, package_id, whole(high, low), entries, refusals))


def _day_from(row: Row) -> UsageRow:
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


def _top_user_from(row: Row) -> TopUser:
    """Read a row of ``load_top_users``."""
    return TopUser(row[0], whole(row[1], row[2]), int(row[3]), int(row[4]))


def _threshold_columns(thresholds: Sequence[Threshold], *, now: datetime) -> Sequence[Row]:
    """Write the bindings of ``load_near_limits``.

    No current period starts before the fourth column; none whose rest is carried over before the last one, which is
    empty where nothing is.
    """
    resets = [each.allowance.reset_period for each in thresholds]
    carried = [0 if each.allowance.rollover is None else each.allowance.rollover.periods for each in thresholds]
    return (
        [each.package_id for each in thresholds],
        [each.feature_id for each in thresholds],
        [reset or NO_RESET for reset in resets],
        [earliest_start(reset, now) for reset in resets],
        [near(each.limit) for each in thresholds],
        [each.limit for each in thresholds],
        [earliest_start(reset, now, before=n) if n else None for reset, n in zip(resets, carried, strict=True)],
    )


def _is_current(row: Row, now: datetime) -> bool:
    """Whether a row of ``load_near_limits`` or ``load_near_given`` is of a current period, or of several periods."""
    _, *counting, reset_period, period_start, _, _, _ = row
    return period_start is None or from_milliseconds(period_start) == current_start(counting, RESETS[reset_period], now)


def _near_total_from(row: Row) -> NearTotal:
    """Read such a row."""
    return NearTotal(row[0], *row[-3:])


def _refusals_from(row: Row) -> Refusals:
    """Read a row of ``load_refusals``."""
    return Refusals(row[0], row[1], Outcome(row[2]), row[3], from_milliseconds(row[4]))
