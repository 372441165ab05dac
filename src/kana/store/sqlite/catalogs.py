"""Features and packages on SQLite."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

import apsw

from kana.errors import DatabaseRefused
from kana.model.catalog import Catalog, CatalogChange, difference
from kana.model.environment import Actor, Environment
from kana.model.period import ResetPeriod, to_milliseconds
from kana.store import rows
from kana.store.sqlite.database import Database
from kana.store.sqlite.statements import SQL


class Catalogs:
    """Keeps the newest catalogue of each environment in memory; its version in the file says whether it still is."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[Environment, Catalog] = {}

    async def catalog(self, environment: Environment) -> Catalog:
        """See the port."""
        return self._database.read(lambda connection: self.read_catalog(connection, environment))

    def read_catalog(self, connection: apsw.Connection, environment: Environment) -> Catalog:
        """Return the newest catalogue within a transaction; reads it only when its version has changed."""
        version = connection.execute(SQL["load_catalog_version"], (environment.value,)).get
        if version is None:
            raise DatabaseRefused("the database has no workspace yet; run `kana init`")
        known = self._known.get(environment)
        if known is None or known.version != version:
            known = self._known[environment] = rows.catalog_from(
                environment,
                version,
                connection.execute(SQL["load_features"], (environment.value,)),
                connection.execute(SQL["load_packages"], (environment.value,)),
                connection.execute(SQL["load_package_features"], (environment.value,)),
            )
        return known

    async def change_catalog(
        self, environment: Environment, change: Callable[[Catalog], Catalog], *, by: Actor, now: datetime
    ) -> Catalog:
        """See the port."""

        def work(connection: apsw.Connection) -> Catalog:
            old = self.read_catalog(connection, environment)
            new = change(old)
            changes = difference(old, new)
            if changes.is_empty:
                return old
            _write(connection, environment, changes)
            connection.executemany(SQL["add_log_line"], rows.catalog_log_rows(old, new, changes, by=by, now=now))
            connection.execute(SQL["raise_catalog_version"], (environment.value,))
            return new

        await self._database.write(work)
        return await self.catalog(environment)

    async def count_subscribers(self, environment: Environment, *, now: datetime) -> Mapping[str, int]:
        """See the port."""
        bindings = (environment.value, to_milliseconds(now))
        return await self._database.read_aside(
            lambda connection: dict(connection.execute(SQL["count_subscribers"], bindings))
        )

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

        def work(connection: apsw.Connection) -> int:
            found = connection.execute(SQL["load_totals_over"], bindings)
            return sum(rows.is_current(row, reset=reset, now=now) for row in found)

        return await self._database.read_aside(work)


def _write(connection: apsw.Connection, environment: Environment, changes: CatalogChange) -> None:
    connection.executemany(SQL["put_feature"], [rows.feature_row(environment, item) for item in changes.features])
    for package_id in changes.deleted_package_ids:
        connection.execute(SQL["delete_package"], (environment.value, package_id))
        connection.execute(SQL["delete_package_features"], (environment.value, package_id))
    for package in changes.packages:
        connection.execute(SQL["put_package"], rows.package_row(environment, package))
        connection.execute(SQL["delete_package_features"], (environment.value, package.id))
        connection.executemany(SQL["add_package_feature"], rows.package_feature_rows(environment, package))
