"""Insights: how much was used, by whom and in which package, who is refused, and who is about to run out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from kana.engine.ports.catalog import CatalogStore
from kana.engine.ports.clock import Clock
from kana.engine.ports.insights import InsightStore, NearTotal, Threshold
from kana.engine.ports.usage import Ledger
from kana.engine.usage.counted import CountedFeatures, counted_features
from kana.errors import InvalidValue, UserNotFound
from kana.model.account import Account
from kana.model.catalog import Catalog
from kana.model.entitlement import Place
from kana.model.environment import Environment
from kana.model.grant import CounterKey
from kana.model.insights import (
    Adoption,
    CreditRow,
    Outlook,
    Refusals,
    Step,
    Steps,
    TopUser,
    UsageRow,
    check_range,
    gathered,
    in_order,
    near,
    runs_out_at,
    spent,
)
from kana.model.log import LogLine
from kana.model.page import page_size
from kana.model.text import UNITS_MAX, shown

ROWS_MAX = 10_000
"""Most rows of one answer about usage."""

DOWNLOAD_ROWS_MAX = 100_000
"""The same for a file."""

FIRST_MAX = 1000
"""Most users, refusals or changes that one call may ask for."""

_Row = TypeVar("_Row")

_AT_ONCE = 200
"""How many users' accounts are read together, so that short reads of others do not wait long."""


class InsightEngine:
    """Reads totals. These are long reads, which delay no check and no record; the latest usage is included."""

    def __init__(self, store: InsightStore, catalogs: CatalogStore, ledger: Ledger, *, clock: Clock) -> None:
        self._store = store
        self._catalogs = catalogs
        self._ledger = ledger
        self._clock = clock

    async def usage(
        self,
        environment: Environment,
        *,
        start: datetime,
        end: datetime,
        step: Step,
        feature_ids: Sequence[str] | None = None,
        package_ids: Sequence[str] | None = None,
        user_id: str | None = None,
        rows_max: int = ROWS_MAX,
    ) -> list[UsageRow]:
        """Return a row for each step, feature and package with entries, in order of time.

        Steps are never partial: each one that ``[start, end)`` touches is included as a whole. Without ids all
        features, packages and users are included. Refusals without a package are included if no packages are named.

        Raises:
            FeatureNotFound, PackageNotFound, UserNotFound: one of the ids does not exist.
            InvalidValue: the range is not allowed, or there are more than ``rows_max`` rows.
        """
        steps = Steps.over(start, end, step)
        catalog = await self._catalogs.catalog(environment)
        features = _known_features(catalog, feature_ids)
        packages: list[str | None] = [None, *catalog.packages]
        if package_ids is not None:
            packages = [catalog.package(package_id).id for package_id in package_ids]
        if user_id is None:
            found = await self._store.usage_by_step(environment, steps, features, packages, limit=rows_max + 1)
            rows = in_order(found)
        else:
            rows = gathered(await self._store.usage_of(environment, user_id, steps, features, packages), step)
        return _bounded(rows, rows_max)

    async def credit(
        self,
        environment: Environment,
        feature_id: str,
        *,
        start: datetime,
        end: datetime,
        step: Step,
        rows_max: int = ROWS_MAX,
    ) -> list[CreditRow]:
        """Return on which features a credit was spent, a row for each step and feature, in order of time.

        ``feature_id`` is the credit. Steps are never partial. What was used of it by itself is a row without a feature.

        Raises:
            FeatureNotFound: no such id.
            InvalidValue: the range is not allowed, or there are more than ``rows_max`` rows.
        """
        steps = Steps.over(start, end, step)
        catalog = await self._catalogs.catalog(environment)
        packages: list[str | None] = [None, *catalog.packages]
        rows, totals = await self._store.usage_of_credit(environment, catalog.feature(feature_id).id, steps, packages)
        return _bounded(spent(rows, totals, step), rows_max)

    async def adoption(
        self, environment: Environment, *, start: datetime, end: datetime, feature_ids: Sequence[str] | None = None
    ) -> list[Adoption]:
        """Return how many users were entitled to each feature on some day of the range, and how many used it.

        Days are whole. Which packages have a feature is decided by the present catalogue.

        Raises:
            FeatureNotFound: one of the ids does not exist.
            InvalidValue: the range is not allowed.
        """
        start, end = _whole_days(start, end)
        catalog = await self._catalogs.catalog(environment)
        packages_of = {
            feature_id: [package.id for package in catalog.packages_with(feature_id)]
            for feature_id in _known_features(catalog, feature_ids)
        }
        return await self._store.adoption(environment, packages_of, start=start, end=end)

    async def top_users(
        self, environment: Environment, feature_id: str, *, start: datetime, end: datetime, first: int = 20
    ) -> list[TopUser]:
        """Return the ``first`` users by units used of a feature, 1 to 1,000, in a range of whole days.

        Raises:
            FeatureNotFound: no such id.
            InvalidValue: the range or ``first`` is not allowed.
        """
        start, end = _whole_days(start, end)
        feature = (await self._catalogs.catalog(environment)).feature(feature_id)
        return await self._store.top_users(
            environment, feature.id, start=start, end=end, limit=page_size(first, most=FIRST_MAX)
        )

    async def refusals(
        self,
        environment: Environment,
        *,
        start: datetime,
        end: datetime,
        feature_id: str | None = None,
        user_id: str | None = None,
        first: int = 100,
    ) -> list[Refusals]:
        """Return who was refused what in ``[start, end)``, how often, and why, the most often refused first.

        Raises:
            FeatureNotFound, UserNotFound: no such id.
            InvalidValue: the range or ``first`` is not allowed.
        """
        check_range(start, end)
        if feature_id is not None:
            (await self._catalogs.catalog(environment)).feature(feature_id)
        return await self._store.refusals(
            environment,
            start=start,
            end=end,
            feature_id=feature_id,
            user_id=user_id,
            limit=page_size(first, most=FIRST_MAX),
        )

    async def near_limit(self, environment: Environment, *, first: int = 100) -> list[Outlook]:
        """Return who has used 80 % or more of a limit that applies to them now, the largest share first.

        Raises:
            InvalidValue: ``first`` is not 1 to 1,000.
        """
        now, wanted = self._clock(), page_size(first, most=FIRST_MAX)
        thresholds = list(_thresholds(await self._catalogs.catalog(environment)))
        candidates = await self._store.near_limits(environment, thresholds, now=now)
        candidates.sort(key=lambda each: (-each.share, each.user_id))
        found: list[Outlook] = []
        for start in range(0, len(candidates), _AT_ONCE):
            if len(found) >= wanted and found[wanted - 1].share >= candidates[start].share:
                break
            confirmed = await self._confirmed(environment, candidates[start : start + _AT_ONCE], now)
            found = sorted({*found, *confirmed}, key=_by_share)
        return found[:wanted]

    async def _confirmed(
        self, environment: Environment, candidates: Sequence[NearTotal], now: datetime
    ) -> list[Outlook]:
        """Return the outlook of those who are near the limit that applies to them.

        Of several allowances together never a larger share is used than of one of them.
        """
        wanted = {(each.user_id, each.feature_id) for each in candidates}
        outlooks = await self._outlooks(environment, {user_id for user_id, _ in wanted}, now)
        return [
            each for each in outlooks if (each.user_id, each.feature_id) in wanted and each.used >= near(each.limit)
        ]

    async def outlook(self, environment: Environment, user_id: str) -> list[Outlook]:
        """Return how much of each limit that applies to a user now is used, the largest share first.

        Raises:
            UserNotFound: no user has this id.
        """
        found = await self._outlooks(environment, [user_id], self._clock())
        return sorted(found, key=lambda each: (-each.share, each.feature_id))

    async def _outlooks(self, environment: Environment, user_ids: Iterable[str], now: datetime) -> list[Outlook]:
        def want(account: Account, catalog: Catalog) -> CountedFeatures:
            counted = (feature for feature in catalog.features.values() if feature.is_counted)
            return counted_features(account, catalog, counted, now=now)

        wanted = list(user_ids)
        snapshot = await self._ledger.snapshot(environment, wanted, want, now=now)
        if len(wanted) == 1 and not snapshot.accounts:
            raise UserNotFound(f"User not found: {shown(wanted[0])}")
        return [
            outlook
            for user_id, places in snapshot.wanted.items()
            for place in places.values()
            if (outlook := _outlook(user_id, place, snapshot.used)) is not None
        ]

    async def log(
        self,
        environment: Environment,
        *,
        first: int = 100,
        after: int | None = None,
        subject_id: str | None = None,
        shared: bool = False,
    ) -> list[LogLine]:
        """Return the ``first`` administrative changes, 1 to 1,000, the newest first, after the one with an id.

        ``shared`` includes changes that belong to no environment, such as those of colleagues: never for API keys.

        Raises:
            InvalidValue: ``first`` is out of range.
        """
        limit = page_size(first, most=FIRST_MAX)
        return await self._store.log(environment, limit=limit, before=after, subject_id=subject_id, shared=shared)


def _bounded(rows: list[_Row], rows_max: int) -> list[_Row]:
    """Return the rows, if they are not too many."""
    if len(rows) > rows_max:
        raise InvalidValue(
            f"there are more than {rows_max} rows; ask for a shorter range, larger steps or fewer features",
            field="from",
        )
    return rows


def _by_share(outlook: Outlook) -> tuple[float, str, str]:
    return -outlook.share, outlook.user_id, outlook.feature_id


def _known_features(catalog: Catalog, feature_ids: Sequence[str] | None) -> list[str]:
    return list(catalog.features) if feature_ids is None else [catalog.feature(each).id for each in feature_ids]


def _whole_days(start: datetime, end: datetime) -> tuple[datetime, datetime]:
    check_range(start, end)
    last = Step.DAY.floor(end)
    return Step.DAY.floor(start), last if last == end else Step.DAY.following(last)


def _thresholds(catalog: Catalog) -> Iterator[Threshold]:
    """Yield each limit of the catalogue."""
    for package in catalog.packages.values():
        for held in package.features:
            limit = held.allowance.limit
            if limit is not None:
                yield Threshold(package.id, held.feature_id, held.allowance, limit)


def _outlook(user_id: str, place: Place, used: Mapping[CounterKey, int]) -> Outlook | None:
    """Return how far the limit of what answers is used up; None without a limit."""
    standing = place.standing(used)
    entitlement = standing.entitlement
    period, allowance = entitlement.period_at(place.moment), entitlement.allowance
    if allowance.limit is None:
        return None
    so_far = [(grant.since, grant.used) for grant in place.entitlement.pool_at(place.moment, used).grants]
    return Outlook(
        user_id=user_id,
        feature_id=entitlement.feature.id,
        package_id=entitlement.holder.package_id or None,
        used=min(standing.used, UNITS_MAX),
        limit=allowance.limit,
        overage_enabled=allowance.overage_enabled,
        resets_at=period.end,
        runs_out_at=runs_out_at(allowance, period, so_far, now=place.moment),
    )
