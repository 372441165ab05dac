"""The stores that one suite of tests is run on, each by its name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Protocol

import apsw
import asyncpg
import pytest

from kana.engine.access.access import AccessEngine
from kana.engine.ports.store import Store
from kana.store.postgres import PostgresStore
from kana.store.sealing import UNSEALED, Seal
from kana.store.sqlite import SqliteStore
from tests.support.postgres import Postgres
from tests.support.world import TESTER, SetClock, World


class Place(Protocol):
    """An empty database of its own, where a store can be opened, closed and opened again, and several at once."""

    async def open(self, *, seal: Seal = UNSEALED) -> Store:
        """Open a store there. Each is to be closed by whoever opened it."""
        ...

    async def tamper(self, statement: str) -> None:
        """Run SQL behind the store's back, to show that what was done is found."""
        ...

    async def clear(self) -> None:
        """Make it empty again, while no store is open there."""
        ...


class SqlitePlace:
    """A file in a folder of the test."""

    def __init__(self, path: Path) -> None:
        self.path = path

    async def open(self, *, seal: Seal = UNSEALED) -> Store:
        return SqliteStore(str(self.path), seal=seal)

    async def tamper(self, statement: str) -> None:
        connection = apsw.Connection(str(self.path))
        connection.execute(statement)
        connection.close()

    async def clear(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)  # noqa: ASYNC240 - nobody else waits in a test


EMPTY = """
do $$
declare name text;
begin
    for name in
        select relname from pg_class where relnamespace = to_regnamespace('kana') and relkind = 'r'
            and relname <> 'schema_version'
    loop
        execute format('delete from kana.%I', name);
    end loop;
end $$
"""
"""Takes every row out of every table. The tables stay, since making them takes ten times as long."""


class PostgresPlace:
    """A database of its own on a PostgreSQL. ``is_used`` says that another test left something in it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_used = False

    async def open(self, *, seal: Seal = UNSEALED) -> Store:
        if self.is_used:
            await self.clear()
        return await PostgresStore.open(self.url, seal=seal)

    async def tamper(self, statement: str) -> None:
        connection = await asyncpg.connect(self.url, server_settings={"search_path": "kana"})
        await connection.execute(statement)
        await connection.close()

    async def clear(self) -> None:
        self.is_used = False
        await self.tamper(EMPTY)


_SPARE: defaultdict[str, list[PostgresPlace]] = defaultdict(list)
"""Databases that tests are done with: emptying one takes a fraction of the time that making one does."""


def _on_postgres(request: pytest.FixtureRequest, _folder: Path) -> Place:
    server: Postgres = request.getfixturevalue("postgres_server")
    spare = _SPARE[server.admin_url]
    place = spare.pop() if spare else PostgresPlace(server.create_database())

    def leave() -> None:
        place.is_used = True
        spare.append(place)

    request.addfinalizer(leave)
    return place


MakePlace = Callable[[pytest.FixtureRequest, Path], Place]

STORES: dict[str, MakePlace] = {
    "sqlite": lambda _, folder: SqlitePlace(folder / "kana.db"),
    "postgres": _on_postgres,
}
"""Another store joins every suite by a line here. It gets the test's request, for fixtures, and a folder."""


@pytest.fixture(params=STORES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty database of each kind."""
    return STORES[request.param](request, tmp_path)


@pytest.fixture
async def store(place: Place) -> AsyncIterator[Store]:
    """An open store with a workspace, on each kind of database."""
    store = await place.open()
    await furnish_workspace(store)
    yield store
    await store.close()


@pytest.fixture
async def world(store: Store) -> World:
    """The engines over ``store``."""
    return World(store)


async def furnish_workspace(store: Store) -> None:
    """Make the workspace, without which no store keeps anything."""
    assert await AccessEngine(store.keys, clock=SetClock()).initialise("workspace", by=TESTER) is not None
