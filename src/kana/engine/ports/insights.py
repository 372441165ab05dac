"""Reading of usage totals and the administrative log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from math import inf
from typing import NamedTuple, Protocol

from kana.model.allowance import Allowance
from kana.model.environment import Environment
from kana.model.insights import Adoption, CreditRow, Refusals, Steps, TopUser, UsageRow
from kana.model.log import LogLine
from kana.model.value import value_object


@value_object()
class Threshold:
    """What a package allows of a feature, with a ``limit`` that somebody may be near."""

    package_id: str
    feature_id: str
    allowance: Allowance
    limit: int


class NearTotal(NamedTuple):
    """What a user has used of one source of a feature's units, at most, which is near its limit."""

    user_id: str
    feature_id: str
    used: int
    limit: int

    @property
    def share(self) -> float:
        """The used share of the limit, without any bound where that is 0."""
        return self.used / self.limit if self.limit else inf


class InsightStore(Protocol):
    """Reads usage totals and the administrative log. These are long reads, which delay no decision and no write."""

    async def usage_by_step(
        self,
        environment: Environment,
        steps: Steps,
        feature_ids: Sequence[str],
        package_ids: Sequence[str | None],
        *,
        limit: int,
    ) -> list[UsageRow]:
        """Return at most ``limit`` rows, in any order: one for each step, feature and package with entries."""
        ...

    async def usage_of(
        self,
        environment: Environment,
        user_id: str,
        steps: Steps,
        feature_ids: Sequence[str],
        package_ids: Sequence[str | None],
    ) -> list[UsageRow]:
        """Return what one user used: a row for each hour if steps are hours, otherwise for each day.

        Raises:
            UserNotFound: no user has this id.
        """
        ...

    async def usage_of_credit(
        self, environment: Environment, feature_id: str, steps: Steps, package_ids: Sequence[str | None]
    ) -> tuple[list[CreditRow], list[UsageRow]]:
        """Return what was used of a credit for each feature that cost it, and in all, as of the same moment.

        A row for each hour if steps are hours, otherwise for each day; in all for each step and package.
        """
        ...

    async def adoption(
        self, environment: Environment, packages_of: Mapping[str, Sequence[str]], *, start: datetime, end: datetime
    ) -> list[Adoption]:
        """Return for each feature how many users had one of its packages in these days, and how many used it."""
        ...

    async def top_users(
        self, environment: Environment, feature_id: str, *, start: datetime, end: datetime, limit: int
    ) -> list[TopUser]:
        """Return the users who used most of a feature in these days, the heaviest user first."""
        ...

    async def near_limits(
        self, environment: Environment, thresholds: Sequence[Threshold], *, now: datetime
    ) -> list[NearTotal]:
        """Return what is near its limit now, in any order: of packages, and of what was given to one user.

        What is carried over or was brought along counts with the package that it is of. Nobody is left out whose
        sources together are near their sum; of them the largest share is told that one source can have.
        """
        ...

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
        """Return who was refused what in ``[start, end)`` and for which reason, the most often refused first.

        Raises:
            UserNotFound: ``user_id`` is given and no user has it.
        """
        ...

    async def log(
        self, environment: Environment, *, limit: int, before: int | None, subject_id: str | None, shared: bool
    ) -> list[LogLine]:
        """Return at most ``limit`` changes before an id, the newest first; of one subject, or of all.

        ``shared`` includes those of the whole workspace, which belong to no environment.
        """
        ...
