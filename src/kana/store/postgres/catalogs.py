"""Features and packages on PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from kana.engine.pace import aside
from kana.errors import DatabaseRefused
from kana.model.catalog import Catalog
from kana.model.environment import Actor, Environment
from kana.model.period import ResetPeriod, to_milliseconds
from kana.store import catalog_rows
from kana.store.catalog_rows import CatalogRows
from kana.store.postgres.columns import columns
from kana.store.postgres.database import Database
from kana.store.postgres.pool import Connection, fetch
from kana.store.postgres.statements import SQL
from kana.store.rows import is_current, over_row


class Catalogs:
    """Keeps the newest catalogue of each environment in memory; its version in the database says whether it still is.

    The version is read in the transaction that needs the catalogue, so that what any process
    changed holds in all of them at once. Of what another process changed just that is read, once for all
    who ask; what this one changed it knows.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[Environment, Catalog] = {}
        self._changing = {environment: asyncio.Lock() for environment in Environment}
        self._learning = {environment: asyncio.Lock() for environment in Environment}

    async def catalog(self, environment: Environment) -> Catalog:
        """See the port."""

        async def work(connection: Connection) -> Catalog:
            return (await self.read_catalogs(connection, [environment]))[environment]

        return await self._database.read(work)

    async def read_catalogs(
        self, connection: Connection, environments: Iterable[Environment]
    ) -> dict[Environment, Catalog]:
        """Return the newest catalogues within a transaction; reads only what has changed in another process."""
        versions = await _load_versions(connection)
        return {env: await self._read(connection, env, versions.get(env.value)) for env in environments}

    async def _read(self, connection: Connection, environment: Environment, version: int | None) -> Catalog:
        if version is None:
            raise DatabaseRefused("the database has no workspace yet; run `kana init`")
        known = self._known.get(environment)
        if known is not None and known.version == version:
            return known
        async with self._learning[environment]:
            known = self._known.get(environment) or Catalog(environment=environment, version=-1)
            while known.version != version:
                # Of a change that commits between these statements the parts may differ: it is read again then.
                base = known if known.version < version else Catalog(environment=environment, version=-1)
                known = await _load(connection, base, version)
                version = (await _load_versions(connection))[environment.value]
            if known.version >= self._newest(environment):
                self._known[environment] = known
            return known

    def _newest(self, environment: Environment) -> int:
        known = self._known.get(environment)
        return -1 if known is None else known.version

    async def change_catalog(
        self, environment: Environment, change: Callable[[Catalog], Catalog], *, by: Actor, now: datetime
    ) -> Catalog:
        """See the port."""
        async with self._changing[environment]:
            while True:
                old = await self.catalog(environment)
                rows = await aside(partial(catalog_rows.changed_rows, old, change, by=by, now=now))
                if rows is None:
                    return old
                if await self._write(old, rows):
                    return rows.catalog

    async def _write(self, old: Catalog, rows: CatalogRows) -> bool:
        """Write a change, unless it was worked out on a catalogue that is no longer the newest."""
        environment = old.environment
        bound = await aside(partial(_bound, environment, rows))

        async def work(connection: Connection) -> bool:
            if await connection.fetchval(SQL["lock_environment"], environment.value) != old.version:
                return False
            for name, bindings in bound:
                await connection.execute(SQL[name], *bindings)
            await connection.execute(SQL["raise_catalog_version"], environment.value)
            return True

        # Whoever reads as soon as it is committed waits for it to be known.
        async with self._learning[environment]:
            is_written = await self._database.write(work)
            if is_written:
                self._known[environment] = rows.catalog
        return is_written

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
        bindings = over_row(environment, package_id, feature_id, limit=limit, reset=reset, now=now)

        async def work(connection: Connection) -> int:
            found = await fetch(connection, SQL["load_totals_over"], *bindings)
            return sum(is_current(row, reset=reset, now=now) for row in found)

        return await self._database.read_aside(work)


async def _load_versions(connection: Connection) -> dict[str, int]:
    found: Any = await fetch(connection, SQL["load_catalog_version"])
    return dict(found)


async def _load(connection: Connection, base: Catalog, version: int) -> Catalog:
    since = (base.environment.value, base.version)
    return catalog_rows.catalog_from(
        base,
        version,
        await fetch(connection, SQL["load_features"], *since),
        await fetch(connection, SQL["load_packages"], *since),
        await fetch(connection, SQL["list_package_ids"], since[0]),
    )


def _bound(environment: Environment, rows: CatalogRows) -> list[tuple[str, tuple[object, ...]]]:
    """Return the statements of a change that write anything, with their bindings: rows as columns."""
    lists = [
        ("put_features", rows.features),
        ("put_packages", rows.packages),
        ("add_log_lines", rows.log),
    ]
    bound: list[tuple[str, tuple[object, ...]]] = [
        ("delete_packages", (environment.value, rows.deleted_package_ids)),
    ]
    return bound + [(name, tuple(columns(each))) for name, each in lists if each]
