"""Features and packages: reading what changed since a known version, and writing changes."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from dataclasses import asdict, replace
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple, TypeVar

from kana.engine.pace import aside
from kana.errors import DatabaseRefused, KanaError
from kana.model.allowance import Allowance, Combine, Cost, Rollover
from kana.model.catalog import Catalog, CatalogChange, difference
from kana.model.environment import Actor, Environment
from kana.model.feature import Feature, FeatureType
from kana.model.notification import NewNotification, of_catalog
from kana.model.package import Package, PackageFeature, PackagePrice, PackageStatus
from kana.model.period import ResetPeriod, from_milliseconds, to_milliseconds
from kana.store.catalog_journal import CatalogJournal, Page, decide, is_small, load_decided, pages_of
from kana.store.catalog_memory import Mark, Marked, Memory
from kana.store.log import first_line_after, log_row, verb
from kana.store.notifications import add_notifications
from kana.store.session import Row, Session, Transactions
from kana.store.subscriptions import current_start
from kana.store.values import NO_RESET, RESETS, earliest_start, to_json

_Noun = TypeVar("_Noun", Feature, Package)


class _Written(NamedTuple):
    """A change of a catalogue: the catalogue that it makes, the number of the change, what it writes and tells."""

    catalog: Catalog
    change: int
    pages: Sequence[Page]
    notifications: Sequence[NewNotification]


class Catalogs:
    """Stores features and packages. ``CatalogStore`` says what each call promises.

    Catalogues stay in memory, and each transaction reads which one is the newest, so that a change in any process
    applies to all of them at once. Only what another process changed is read again. A change is computed on another
    thread and then written, if the catalogue has not changed meanwhile: by a few statements, or if it is large in
    many transactions, one of which decides (catalog_journal.py).

    ``turns`` creates a lock that is held during a read if reads wait for a server: one read serves all who ask.
    """

    def __init__(
        self, transactions: Transactions, *, turns: Callable[[], AbstractAsyncContextManager[object]] = nullcontext
    ) -> None:
        self._transactions = transactions
        self._journal = CatalogJournal(transactions)
        self._memories = {environment: Memory(environment) for environment in Environment}
        self._reading = {environment: turns() for environment in Environment}
        self._changing = {environment: asyncio.Lock() for environment in Environment}

    async def catalog(self, environment: Environment) -> Catalog:
        """Return the newest catalogue."""

        async def work(session: Session) -> Catalog:
            return (await self.read(session, [environment]))[environment]

        return await self._transactions.read(work)

    async def read(self, session: Session, environments: Iterable[Environment]) -> dict[Environment, Catalog]:
        """Return the newest catalogues within a transaction; read only what another process has changed."""
        marks = await _load_marks(session)
        return {
            each: self._memories[each].find(mark := marks[each]) or await self._learn(session, each, mark)
            for each in environments
        }

    async def _learn(self, session: Session, environment: Environment, mark: Mark) -> Catalog:
        memory = self._memories[environment]
        async with self._reading[environment]:
            base = memory.base(mark[0])
            while (known := memory.find(mark)) is None:
                base = await _load(session, base, mark[0])
                loaded, mark = Marked(mark, base), (await _load_marks(session))[environment.value]
                # If a change commits between these statements, the parts may not fit together; then it is read again.
                if loaded.mark == mark:
                    memory.learn(loaded)
            return known

    async def packages_then(self, environment: Environment, moment: datetime) -> Mapping[str, Any]:
        """Read the log."""
        bindings = (environment.value, first_line_after(moment))
        found = await self._transactions.read_aside(lambda session: session.rows("load_packages_then", *bindings))
        return {package_id: json.loads(before) for package_id, before in found}

    async def change_catalog(
        self, environment: Environment, change: Callable[[Catalog], Catalog], *, by: Actor, now: datetime
    ) -> Catalog:
        """Apply a change; repeat it if another process was first."""
        async with self._changing[environment]:
            while True:
                await self._journal.settle(environment, now=now)
                old = await self.catalog(environment)
                written = await aside(partial(_written, old, change, by=by, now=now))
                if written is None:
                    return old
                if await self._write(old, written, now=now):
                    return written.catalog

    async def settle(self, environment: Environment, *, now: datetime) -> None:
        """Finish interrupted changes of other processes."""
        await self._journal.settle(environment, now=now)

    async def _write(self, old: Catalog, written: _Written, *, now: datetime) -> bool:
        """Write a change, unless it was computed on a catalogue that is no longer the newest."""
        work = partial(self._decide, old, written)
        if is_small(written.pages):
            return await self._transactions.write(work)
        try:
            await self._journal.keep(written.change, old.environment, written.pages, now=now)
            return await self._transactions.write(work)
        finally:
            with suppress(KanaError):  # A decided change is valid, and the next change of the catalogue finishes it.
                await self._journal.finish(written.change)

    async def _decide(self, old: Catalog, written: _Written, session: Session) -> bool:
        """Make a catalogue the newest one; if the change is small, write it too."""
        environment, version = old.environment, written.catalog.version
        if await session.value("lock_environment", environment.value) != old.version:
            return False
        if await session.value("has_decided_change", environment.value) is not None:
            return False  # What it left to merge would come after this.
        if is_small(written.pages):
            for page in written.pages:
                await session.execute(*page)
        else:
            await decide(session, written.change, version=version)
        await session.execute("raise_catalog_version", environment.value, written.change)
        await add_notifications(session, written.notifications)
        self._memories[environment].coming = Marked((version, written.change), written.catalog)
        return True

    async def count_subscribers(self, environment: Environment, *, now: datetime) -> Mapping[str, int]:
        """Count the subscriptions to each package that have not ended."""

        async def work(session: Session) -> dict[str, int]:
            found = await session.rows("count_subscribers", environment.value, to_milliseconds(now))
            return {row[0]: row[1] for row in found}

        return await self._transactions.read_aside(work)

    async def count_over(
        self,
        environment: Environment,
        package_id: str,
        feature_id: str,
        *,
        limit: int,
        reset: ResetPeriod | None,
        now: datetime,
    ) -> int:
        """Count the subscriptions whose current total is over a limit."""
        since = earliest_start(reset, now)
        subscribed = (environment.value, package_id, to_milliseconds(now))

        async def work(session: Session) -> int:
            found = await session.rows("load_totals_over", *subscribed, feature_id, reset or NO_RESET, limit, since)
            return sum(_is_current(row, reset=reset, now=now) for row in found)

        return await self._transactions.read_aside(work)


async def _load_marks(session: Session) -> dict[str, Mark]:
    found = await session.rows("load_catalog_versions")
    if not found:
        raise DatabaseRefused("the database has no workspace yet; run `kana init`")
    return {row[0]: (row[1], row[2]) for row in found}


async def _load(session: Session, base: Catalog, version: int) -> Catalog:
    since = (base.environment.value, base.version)
    decided = await load_decided(session, base.environment, since=base.version)
    features, packages = ([row[1:] for row in decided[name]] for name in ("put_features", "put_packages"))
    deleted = {row[1] for row in decided["delete_packages"]}
    there = [*await session.rows("list_package_ids", base.environment.value), *packages]
    return catalog_from(
        base,
        version,
        [*await session.rows("load_features", *since), *features],
        [*await session.rows("load_packages", *since), *packages],
        [row for row in there if row[0] not in deleted],
    )


def catalog_from(
    base: Catalog,
    version: int,
    features: Sequence[Row],
    packages: Sequence[Row],
    package_ids: Sequence[Row],
) -> Catalog:
    """Return a catalogue with the changes since.

    Reads the rows of ``load_features``, ``load_packages`` and ``list_package_ids``.
    """
    known = base.packages.kept if isinstance(base.packages, PackagesByRow) else base.packages
    there = {row[0] for row in package_ids}
    kept = {key: each for key, each in {**known, **{row[0]: row for row in packages}}.items() if key in there}
    return replace(
        base,
        version=version,
        features=_by_creation({**base.features, **{row[0]: _feature_from(row) for row in features}}),
        packages=PackagesByRow(dict(sorted(kept.items(), key=lambda item: (_created(item[1]), item[0])))),
    )


class PackagesByRow(Mapping[str, Package]):
    """Packages by id, in order of creation; each is created from its row when it is first needed.

    A check needs one or two. Creating all packages of a large catalogue takes most of a second, for which the first
    call after a change in another process should not wait.
    """

    def __init__(self, kept: dict[str, Package | Row]) -> None:
        self.kept = kept

    def __getitem__(self, package_id: str) -> Package:
        found = self.kept[package_id]
        if not isinstance(found, Package):
            found = self.kept[package_id] = _package_from(found)
        return found

    def __contains__(self, package_id: object) -> bool:
        return package_id in self.kept

    def __iter__(self) -> Iterator[str]:
        return iter(self.kept)

    def __len__(self) -> int:
        return len(self.kept)


def _created(kept: Package | Row) -> int:
    """Return when a package was created, from the package or its row."""
    return to_milliseconds(kept.created_at) if isinstance(kept, Package) else int(kept[7])


def _in_order(catalog: Catalog) -> Catalog:
    """Return items in order of creation, however they were collected."""
    return replace(catalog, features=_by_creation(catalog.features), packages=_by_creation(catalog.packages))


def _by_creation(nouns: Mapping[str, _Noun]) -> dict[str, _Noun]:
    return dict(sorted(nouns.items(), key=lambda item: (item[1].created_at, item[0])))


def _written(old: Catalog, change: Callable[[Catalog], Catalog], *, by: Actor, now: datetime) -> _Written | None:
    """Apply a change and write its rows; None if it changes nothing."""
    new = change(old)
    changes = difference(old, new)
    if changes.is_empty:
        return None
    environment, version, number = old.environment, old.version + 1, secrets.randbits(62)
    lists: dict[str, list[Row]] = {
        "put_features": [(*_feature_row(environment, each), version) for each in changes.features],
        "put_packages": [(*_package_row(environment, each), version) for each in changes.packages],
        "delete_packages": [(environment, each) for each in changes.deleted_package_ids],
        "add_log_lines": [(*line, number) for line in _log_rows(old, new, changes, by=by, now=now)],
    }
    told = of_catalog(old, changes, now=now)
    return _Written(_in_order(replace(new, version=version)), number, list(pages_of(lists)), told)


def _feature_from(row: Row) -> Feature:
    return Feature(
        id=row[0],
        name=row[1],
        type=FeatureType(row[2]),
        unit_label=row[3],
        unit_label_plural=row[4],
        metadata=json.loads(row[5]),
        created_at=from_milliseconds(row[6]),
    )


def _feature_row(environment: Environment, feature: Feature) -> Row:
    """Write a row of ``put_features``, without the version."""
    return (
        environment,
        feature.id,
        feature.name,
        feature.type,
        feature.unit_label,
        feature.unit_label_plural,
        to_json(feature.metadata),
        to_milliseconds(feature.created_at),
    )


def _package_from(row: Row) -> Package:
    return Package(
        id=row[0],
        name=row[1],
        is_addon=bool(row[2]),
        status=PackageStatus(row[3]),
        features=tuple(_held_from(*held) for held in json.loads(row[9])),
        base_package_ids=tuple(json.loads(row[4])),
        prices=tuple(PackagePrice(**price) for price in json.loads(row[5])),
        metadata=json.loads(row[6]),
        created_at=from_milliseconds(row[7]),
        updated_at=from_milliseconds(row[8]),
        trial_days=row[10],
    )


def _package_row(environment: Environment, package: Package) -> Row:
    """Write a row of ``put_packages``, without the version."""
    return (
        environment,
        package.id,
        package.name,
        int(package.is_addon),
        package.status,
        to_json(package.base_package_ids),
        to_json([asdict(price) for price in package.prices]),
        to_json(package.metadata),
        to_milliseconds(package.created_at),
        to_milliseconds(package.updated_at),
        to_json([_held(feature) for feature in package.features]),
        package.trial_days,
    )


def _held_from(
    feature_id: str,
    name: str | None,
    limit: int | None,
    overage: int,
    reset: str,
    combine: str = Combine.HIGHEST,
    rollover: tuple[int, int] | None = None,
    grace_percent: int = 0,
    cost: tuple[str, int] | None = None,
) -> PackageFeature:
    """Read a feature of a package. Rows from before allowances had more to say are shorter."""
    allowance = Allowance(
        limit=limit,
        overage_enabled=bool(overage),
        reset_period=RESETS[reset],
        combine=Combine(combine),
        rollover=None if rollover is None else Rollover(limit=rollover[0], periods=rollover[1]),
        grace_percent=grace_percent,
        cost=None if cost is None else Cost(feature_id=cost[0], units=cost[1]),
    )
    return PackageFeature(feature_id=feature_id, name=name, allowance=allowance)


def _held(feature: PackageFeature) -> Row:
    allowance = feature.allowance
    rollover, cost = allowance.rollover, allowance.cost
    return (
        feature.feature_id,
        feature.name,
        allowance.limit,
        int(allowance.overage_enabled),
        allowance.reset_period or NO_RESET,
        allowance.combine,
        None if rollover is None else (rollover.limit, rollover.periods),
        allowance.grace_percent,
        None if cost is None else (cost.feature_id, cost.units),
    )


def _log_rows(old: Catalog, new: Catalog, change: CatalogChange, *, by: Actor, now: datetime) -> list[Row]:
    """Write a line of the administrative log for each feature and package that changes."""
    touched = [("feature", item.id, old.features.get(item.id), item) for item in change.features]
    touched += [("package", item.id, old.packages.get(item.id), item) for item in change.packages]  # type: ignore[misc]
    touched += [("package", key, old.packages[key], None) for key in change.deleted_package_ids]  # type: ignore[misc]
    return [
        log_row(
            verb(before, after), (kind, key), environment=new.environment, before=before, after=after, by=by, now=now
        )
        for kind, key, before, after in touched
    ]


def _is_current(row: Row, *, reset: ResetPeriod | None, now: datetime) -> bool:
    """Read a row of ``load_totals_over``: whether its total is that of the subscription's current period."""
    *counting, period_start = row
    return from_milliseconds(period_start) == current_start(counting, reset, now)
