"""The tests' own PostgreSQL does what the fault tests lean on."""

from __future__ import annotations

import asyncpg
import pytest

from tests.support.postgres import Postgres, PostgresServer


async def test_databases_are_separate_and_copied_from_a_template(postgres_server: Postgres) -> None:
    """A new database is empty; one made from a template holds what the template holds, and is its own."""
    template = postgres_server.create_database()
    connection = await asyncpg.connect(template)
    await connection.execute("create table t (n int); insert into t values (7)")
    await connection.close()

    copy = await asyncpg.connect(postgres_server.create_database(template=template.rsplit("/", 1)[1]))
    empty = await asyncpg.connect(postgres_server.create_database())
    try:
        assert await copy.fetchval("select n from t") == 7
        assert await empty.fetchval("select to_regclass('t')") is None
    finally:
        await copy.close()
        await empty.close()


async def test_what_was_committed_survives_a_kill(own_postgres: PostgresServer) -> None:
    """After a kill of postmaster and backends the same port and data answer again; open work is lost."""
    url = own_postgres.create_database("work")
    connection = await asyncpg.connect(url)
    await connection.execute("create table t (n int); insert into t values (1)")
    open_work = connection.transaction()
    await open_work.start()
    await connection.execute("insert into t values (2)")
    port, before = own_postgres.port, own_postgres.pid

    own_postgres.kill()

    assert own_postgres.pid is None
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncpg.connect(url)
    own_postgres.start()
    assert (own_postgres.port, own_postgres.pid != before) == (port, True)
    connection.terminate()
    again = await asyncpg.connect(url)
    assert [row["n"] for row in await again.fetch("select n from t")] == [1]
    await again.close()


async def test_killed_backends_are_replaced_by_the_same_postmaster(own_postgres: PostgresServer) -> None:
    """Killing the backends breaks their connections; the postmaster recovers and keeps its process id."""
    connection = await asyncpg.connect(own_postgres.create_database("work"))
    before = own_postgres.pid

    assert own_postgres.kill_backends() == 1

    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await connection.fetchval("select 1")
    own_postgres._wait_until_it_answers()
    assert own_postgres.pid == before


def test_a_stopped_server_leaves_nothing() -> None:
    """Leaving the context ends the process and removes the folder."""
    with PostgresServer() as server:
        folder = server.folder
        assert server.execute("select 1") == "SELECT 1"

    assert server.pid is None
    assert not folder.exists()
