"""Features and packages on SQLite."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial

import apsw

from kana.engine.pace import aside
from kana.errors import DatabaseRefused, KanaError
from kana.model.catalog import Catalog
from kana.model.environment import Actor, Environment
from kana.model.period import ResetPeriod, to_milliseconds
from kana.store import catalog_rows
from kana.store.catalog_rows import CatalogRows
from kana.store.rows import is_current, over_row
from kana.store.sqlite.database import Database
from kana.store.sqlite.statements import SQL
from kana.store.values import to_json


class Catalogs:
    """Keeps the newest catalogue of each environment in memory; its version in the file says whether it still is.

    A change is worked out aside and then written by few statements, if the catalogue is still the one that it was
    worked out on. What this process changed it knows, and reads nothing of it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[Environment, Catalog] = {}
        self._coming: dict[Environment, Catalog] = {}
        self._changing = {environment: asyncio.Lock() for environment in Environment}

    async def catalog(self, environment: Environment) -> Catalog:
        """See the port."""
        return self._database.read(lambda connection: self.read_catalog(connection, environment))

    def read_catalog(self, connection: apsw.Connection, environment: Environment) -> Catalog:
        """Return the newest catalogue within a transaction; reads only what has changed in another process."""
        version = connection.execute(SQL["load_catalog_version"], (environment.value,)).get
        if version is None:
            raise DatabaseRefused("the database has no workspace yet; run `kana init`")
        known = self._known.get(environment)
        if known is None or known.version != version:
            coming = self._coming.get(environment)
            if coming is None or coming.version != version:
                coming = _load(connection, known or Catalog(environment=environment, version=-1), version)
            known = self._known[environment] = coming
        return known

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

        def work(connection: apsw.Connection) -> bool:
            if connection.execute(SQL["load_catalog_version"], (environment.value,)).get != old.version:
                return False
            for name, bindings in bound:
                connection.execute(SQL[name], bindings)
            connection.execute(SQL["raise_catalog_version"], (environment.value,))
            # Whoever reads as soon as it is committed finds it here.
            self._coming[environment] = rows.catalog
            return True

        try:
            return await self._database.write(work)
        except KanaError:
            self._coming.pop(environment, None)
            raise

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
        bindings = over_row(environment, package_id, feature_id, limit=limit, reset=reset, now=now)

        def work(connection: apsw.Connection) -> int:
            found = connection.execute(SQL["load_totals_over"], bindings)
            return sum(is_current(row, reset=reset, now=now) for row in found)

        return await self._database.read_aside(work)


def _load(connection: apsw.Connection, base: Catalog, version: int) -> Catalog:
    since = (base.environment.value, base.version)
    return catalog_rows.catalog_from(
        base,
        version,
        connection.execute(SQL["load_features"], since),
        connection.execute(SQL["load_packages"], since),
        connection.execute(SQL["list_package_ids"], since[:1]),
    )


def _bound(environment: Environment, rows: CatalogRows) -> list[tuple[str, tuple[str, ...]]]:
    """Return the statements of a change with their bindings: lists as JSON."""
    return [
        ("put_features", (_as_json(rows.features),)),
        ("delete_packages", (environment.value, _as_json(rows.deleted_package_ids))),
        ("put_packages", (_as_json(rows.packages),)),
        ("add_log_lines", (_as_json(rows.log),)),
    ]


def _as_json(values: Sequence[object]) -> str:
    """Return a list as JSON, piece by piece: the encoder lets nobody else run before it is done."""
    return f"[{','.join(map(to_json, values))}]"
