"""Totals of usage and the administrative log on SQLite, read on the thread for long reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import apsw

from kana.engine.ids import first_id_at
from kana.engine.ports.insights import NearTotal, Threshold
from kana.model.environment import Environment
from kana.model.insights import Adoption, Refusals, Step, Steps, TopUser, UsageRow
from kana.model.log import LogLine
from kana.model.period import CLOCKS_APART, to_milliseconds
from kana.store import insight_rows, rows
from kana.store.sqlite.accounts import load_user_ref
from kana.store.sqlite.database import Database
from kana.store.sqlite.statements import SQL

_ID_MAX = 2**63 - 1


class Insights:
    """Reads what others wrote."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def usage_by_step(
        self,
        environment: Environment,
        steps: Steps,
        feature_ids: Sequence[str],
        package_ids: Sequence[str | None],
        *,
        limit: int,
    ) -> list[UsageRow]:
        """See the port."""
        bindings = (
            environment.value,
            rows.to_json(list(feature_ids)),
            rows.to_json(insight_rows.packages_row(package_ids)),
            rows.to_json(steps.pairs),
            to_milliseconds(steps.start),
            to_milliseconds(steps.end),
            limit,
        )
        return await self._insight_rows("load_usage", bindings, insight_rows.step_from)

    async def usage_of(
        self,
        environment: Environment,
        user_id: str,
        steps: Steps,
        feature_ids: Sequence[str],
        package_ids: Sequence[str | None],
    ) -> list[UsageRow]:
        """See the port."""
        wanted = (
            rows.to_json(list(feature_ids)),
            rows.to_json(insight_rows.packages_row(package_ids)),
            to_milliseconds(steps.start),
            to_milliseconds(steps.end),
        )

        def work(connection: apsw.Connection) -> list[UsageRow]:
            user = load_user_ref(connection, environment, user_id)
            bindings = (user.bucket, user.key, *wanted)
            if steps.step is Step.HOUR:
                found = connection.execute(SQL["load_usage_hours_of"], (*bindings, first_id_at(steps.start)))
                return [insight_rows.hour_from(row) for row in found]
            return [insight_rows.day_from(row) for row in connection.execute(SQL["load_usage_days_of"], bindings)]

        return await self._database.read_aside(work)

    async def adoption(
        self, environment: Environment, packages_of: Mapping[str, Sequence[str]], *, start: datetime, end: datetime
    ) -> list[Adoption]:
        """See the port."""

        def work(connection: apsw.Connection) -> list[Adoption]:
            days = (to_milliseconds(start), to_milliseconds(end))
            found = []
            for feature_id, package_ids in packages_of.items():
                bindings = (environment.value, feature_id, rows.to_json(list(package_ids)), *days)
                [(entitled, used)] = connection.execute(SQL["load_adoption"], bindings)
                found.append(Adoption(feature_id, entitled, used))
            return found

        return await self._database.read_aside(work)

    async def top_users(
        self, environment: Environment, feature_id: str, *, start: datetime, end: datetime, limit: int
    ) -> list[TopUser]:
        """See the port."""
        bindings = (environment.value, feature_id, to_milliseconds(start), to_milliseconds(end), limit)
        return await self._insight_rows("load_top_users", bindings, insight_rows.top_user_from)

    async def near_limits(
        self, environment: Environment, thresholds: Sequence[Threshold], *, now: datetime
    ) -> list[NearTotal]:
        """See the port."""
        wanted = rows.to_json(insight_rows.threshold_rows(thresholds, now=now))
        bindings = (environment.value, wanted, to_milliseconds(now))
        found = await self._insight_rows(
            "load_near_limits", bindings, lambda row: insight_rows.near_total_from(row, thresholds, now=now)
        )
        return [near for near in found if near is not None]

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
        """See the port."""

        def work(connection: apsw.Connection) -> list[Refusals]:
            user = None if user_id is None else load_user_ref(connection, environment, user_id)
            whose = (None, None) if user is None else (user.bucket, user.key)
            range_ = (to_milliseconds(start), to_milliseconds(end))
            bindings = (environment.value, *range_, feature_id, *whose, limit, to_milliseconds(start - CLOCKS_APART))
            return [insight_rows.refusals_from(row) for row in connection.execute(SQL["load_refusals"], bindings)]

        return await self._database.read_aside(work)

    async def log(
        self, environment: Environment, *, limit: int, before: int | None, subject_id: str | None, shared: bool
    ) -> list[LogLine]:
        """See the port."""
        bindings = (environment.value, _ID_MAX if before is None else before, subject_id, limit, shared)
        return await self._insight_rows("list_log", bindings, insight_rows.log_line_from)

    async def _insight_rows(self, name: str, bindings: tuple[Any, ...], read: Callable[[rows.Row], Any]) -> list[Any]:
        return await self._database.read_aside(
            lambda connection: [read(row) for row in connection.execute(SQL[name], bindings)]
        )
