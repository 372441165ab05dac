"""Features and packages on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from kana.errors import DatabaseRefused
from kana.model.catalog import Catalog, CatalogChange, difference
from kana.model.environment import Actor, Environment
from kana.model.period import ResetPeriod, to_milliseconds
from kana.store import rows
from kana.store.postgres.database import Database
from kana.store.postgres.pool import Connection, fetch
from kana.store.postgres.statements import SQL


class Catalogs:
    """Keeps the newest catalogue of each environment in memory; its version in the database says whether it still is.

    The version is read in the transaction that needs the catalogue, so that what any process
    changed holds in all of them at once.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[Environment, Catalog] = {}

    async def catalog(self, environment: Environment) -> Catalog:
        """See the port."""

        async def work(connection: Connection) -> Catalog:
            return (await self.read_catalogs(connection, [environment]))[environment]

        return await self._database.read(work)

    async def read_catalogs(
        self, connection: Connection, environments: Iterable[Environment]
    ) -> dict[Environment, Catalog]:
        """Return the newest catalogues within a transaction; reads only those whose version has changed."""
        versions = await _load_versions(connection)
        return {env: await self._read(connection, env, versions.get(env.value)) for env in environments}

    async def _read(self, connection: Connection, environment: Environment, version: int | None) -> Catalog:
        if version is None:
            raise DatabaseRefused("the database has no workspace yet; run `kana init`")
        known = self._known.get(environment)
        if known is not None and known.version == version:
            return known
        # Of a change that commits between these statements the parts may differ: it is read again then.
        catalog = rows.catalog_from(
            environment,
            version,
            await fetch(connection, SQL["load_features"], environment.value),
            await fetch(connection, SQL["load_packages"], environment.value),
            await fetch(connection, SQL["load_package_features"], environment.value),
        )
        newest = (await _load_versions(connection))[environment.value]
        if newest != version:
            return await self._read(connection, environment, newest)
        self._known[environment] = catalog
        return catalog

    async def change_catalog(
        self, environment: Environment, change: Callable[[Catalog], Catalog], *, by: Actor, now: datetime
    ) -> Catalog:
        """See the port."""

        async def work(connection: Connection) -> Catalog:
            version = await connection.fetchval(SQL["lock_environment"], environment.value)
            old = await self._read(connection, environment, version)
            new = change(old)
            changes = difference(old, new)
            if changes.is_empty:
                return old
            await _write(connection, environment, changes)
            log = rows.catalog_log_rows(old, new, changes, by=by, now=now)
            await connection.executemany(SQL["add_log_line"], log)
            await connection.execute(SQL["raise_catalog_version"], environment.value)
            return new

        await self._database.write(work)
        return await self.catalog(environment)

    async def count_subscribers(self, environment: Environment, *, now: datetime) -> Mapping[str, int]:
        """See the port."""

        async def work(connection: Connection) -> dict[str, int]:
            bindings = (environment.value, to_milliseconds(now))
            found: Any = await fetch(connection, SQL["count_subscribers"], *bindings)
            return dict(found)

        return await self._database.read_aside(work)

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
        """See the port."""
        bindings = rows.over_row(environment, package_id, feature_id, limit=limit, reset=reset, now=now)

        async def work(connection: Connection) -> int:
            found = await fetch(connection, SQL["load_totals_over"], *bindings)
            return sum(rows.is_current(row, reset=reset, now=now) for row in found)

        return await self._database.read_aside(work)


async def _load_versions(connection: Connection) -> dict[str, int]:
    found: Any = await fetch(connection, SQL["load_catalog_version"])
    return dict(found)


async def _write(connection: Connection, environment: Environment, changes: CatalogChange) -> None:
    features = [rows.feature_row(environment, item) for item in changes.features]
    await connection.executemany(SQL["put_feature"], features)
    for package_id in changes.deleted_package_ids:
        await connection.execute(SQL["delete_package"], environment.value, package_id)
        await connection.execute(SQL["delete_package_features"], environment.value, package_id)
    for package in changes.packages:
        await connection.execute(SQL["put_package"], *rows.package_row(environment, package))
        await connection.execute(SQL["delete_package_features"], environment.value, package.id)
        await connection.executemany(SQL["add_package_feature"], rows.package_feature_rows(environment, package))
