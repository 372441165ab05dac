"""Opening a PostgreSQL: it gets its tables once, and what is not ours or not fit is refused with a reason."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import asyncpg
import pytest

from kana.errors import DatabaseRefused, Unavailable
from kana.store.postgres import PostgresStore
from kana.store.postgres.migrate import check_server
from kana.store.postgres.statements import SESSION
from tests.support.postgres import Postgres, PostgresServer
from tests.support.stores import furnish_workspace


async def run(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()


async def test_processes_that_start_at_once_find_one_set_of_tables(postgres_server: Postgres) -> None:
    """Of eight that open an empty database at once one makes the tables, and all of them work."""
    url = postgres_server.create_database()
    stores = await asyncio.gather(*(PostgresStore.open(url) for _ in range(8)))
    await furnish_workspace(stores[0])
    for store in stores:
        assert await store.keys.keyring() is not None
        await store.close()


async def test_a_newer_database_is_refused(postgres_server: Postgres) -> None:
    """The message names both versions, and nothing is touched."""
    url = postgres_server.create_database()
    await (await PostgresStore.open(url)).close()
    await run(url, "insert into kana.schema_version values (99)")

    with pytest.raises(
        DatabaseRefused, match=r"at version 99 and this program knows up to \d+; use a newer kana-server"
    ):
        await PostgresStore.open(url)


async def test_a_schema_of_another_program_is_refused(postgres_server: Postgres) -> None:
    """Kana lives beside other programs in a schema of its own; one that has its name but not its tables is not ours."""
    url = postgres_server.create_database()
    await run(url, "create table orders (n int); create schema kana; create table kana.boats (n int)")

    with pytest.raises(DatabaseRefused, match="the schema `kana` of this database is another program's"):
        await PostgresStore.open(url)
    await run(url, "drop table kana.boats")
    await (await PostgresStore.open(url)).close()
    await run(url, "select n from orders")


async def test_an_interrupted_migration_has_not_happened(
    postgres_server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A migration that fails in its middle leaves no table; the next start does it whole."""
    url = postgres_server.create_database()
    monkeypatch.setitem(SESSION, "add_schema_version", "select 1 / 0, $1::integer")
    with pytest.raises(Exception, match="division by zero"):
        await PostgresStore.open(url)
    monkeypatch.undo()

    connection = await asyncpg.connect(url)
    assert await connection.fetchval("select to_regnamespace('kana')") is None
    await connection.close()
    await (await PostgresStore.open(url)).close()


async def test_a_database_that_does_not_exist_is_refused_at_once(postgres_server: Postgres) -> None:
    """Waiting would not help: the message says what to do, and nobody waits a minute for it."""
    with pytest.raises(DatabaseRefused, match="does not exist; create it first"):
        await PostgresStore.open(postgres_server.url("nowhere"), wait_s=60)


async def test_a_database_of_another_encoding_is_refused(postgres_server: Postgres) -> None:
    """Identifiers are of any script: a database that cannot hold them is refused with the way out."""
    postgres_server.execute("create database latin encoding 'LATIN1' lc_collate 'C' lc_ctype 'C' template template0")
    try:
        with pytest.raises(DatabaseRefused, match="encoding is LATIN1; Kana needs UTF8"):
            await PostgresStore.open(postgres_server.url("latin"))
    finally:
        postgres_server.drop_database("latin")


async def test_a_user_without_privileges_is_told_so(postgres_server: Postgres) -> None:
    """The message names what is missing."""
    url = postgres_server.create_database()
    postgres_server.execute("create role guest login")
    try:
        guest = url.replace(f"{urlsplit(url).username}@", "guest@")
        with pytest.raises(DatabaseRefused, match="lacks a privilege"):
            await PostgresStore.open(guest)
    finally:
        postgres_server.execute("drop role guest")


async def test_an_old_server_is_refused(postgres_server: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an older PostgreSQL would do with our statements nobody has tried."""
    connection = await asyncpg.connect(postgres_server.create_database())
    monkeypatch.setitem(SESSION, "load_server", "select 120004, 'UTF8', false")
    with pytest.raises(DatabaseRefused, match="PostgreSQL 12 is too old; 13 or newer is needed"):
        await check_server(connection)
    await connection.close()


async def test_a_wrong_password_is_said_without_naming_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server says that it refused the password, not which."""
    with PostgresServer({"fsync": "off"}) as server:
        server.execute("alter role postgres password 'right'")
        hba = server.data / "pg_hba.conf"
        hba.write_text("host all all 127.0.0.1/32 scram-sha-256\n")
        server.stop()
        monkeypatch.setattr(server, "_wait_until_it_answers", lambda: None)  # it cannot log in any more
        server.start()
        url = server.url("postgres").replace("postgres@", "postgres:wr0ng@")
        with pytest.raises(DatabaseRefused, match="refused the password") as refused:
            await PostgresStore.open(url, wait_s=30)
        assert "wr0ng" not in refused.value.message


async def test_a_server_that_is_down_is_waited_for(own_postgres: PostgresServer) -> None:
    """A server that starts before its PostgreSQL says what it waits for, once, and goes on when it is there.

    A command does not wait: it says so and ends.
    """
    url = own_postgres.create_database("work")
    own_postgres.stop()
    with pytest.raises(DatabaseRefused, match="PostgreSQL cannot be reached"):
        await PostgresStore.open(url)
    with pytest.raises(Unavailable):
        await PostgresStore.open(url, wait_s=0.3)

    told: list[str] = []
    opening = asyncio.create_task(PostgresStore.open(url, wait_s=60, on_wait=told.append))
    await asyncio.sleep(0.5)
    await asyncio.to_thread(own_postgres.start)
    store = await opening
    await store.probe()
    await store.close()

    assert len(told) == len(set(told))
    assert told[0].startswith("PostgreSQL cannot be reached")
