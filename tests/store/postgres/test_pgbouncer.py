"""A pooler between Kana and PostgreSQL: sessions are set up and held, or refused in our words, never half."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest

from kana.errors import DatabaseRefused
from kana.store.postgres import PostgresStore
from kana.store.postgres.sessions import SETTINGS, SHORT_PLANS, Sessions
from tests.support.pgbouncer import PgBouncer
from tests.support.postgres import PostgresServer
from tests.support.server import KanaServer, ServerEnded
from tests.support.stores import furnish_workspace
from tests.support.world import World, a_package, a_usage, allows

IGNORED = "search_path,synchronous_commit,statement_timeout,lock_timeout,options,extra_float_digits"


async def tables(url: str) -> dict[str, int]:
    """How many tables there are in each schema that holds any of Kana's or anybody's."""
    connection = await asyncpg.connect(url)
    found = await connection.fetch(
        "select schemaname, count(*) from pg_tables where schemaname !~ '^(pg_|information)' group by 1"
    )
    await connection.close()
    return {str(schema): int(count) for schema, count in found}


@pytest.mark.parametrize("settings", [{}, {"ignore_startup_parameters": IGNORED}, {"server_reset_query": ""}])
async def test_in_session_mode_everything_works(postgres_server: PostgresServer, settings: dict[str, str]) -> None:
    """Whatever the pooler ignores: tables are in our schema only, and an answer stands for what is on disk."""
    url = postgres_server.create_database()
    name = url.rpartition("/")[2]
    postgres_server.execute(f'alter database "{name}" set synchronous_commit = off')
    with PgBouncer(postgres_server, pool_mode="session", **settings) as pooler:
        for _ in range(2):  # The second time on connections of the pooler that have been used.
            store = await PostgresStore.open(pooler.url(url))
            if await store.keys.keyring() is None:
                await furnish_workspace(store)
            await store.probe()
            async with store._database._pool.connection() as connection:
                assert await connection.fetchval("show synchronous_commit") == "on"
                assert await connection.fetchval("show search_path") == "kana"
            await store.close()
        plain = await asyncpg.connect(url)  # The control: by itself the database would not wait for the disk.
        assert await plain.fetchval("show synchronous_commit") == "off"
        await plain.close()
    assert set(await tables(url)) == {"kana"}


@pytest.mark.parametrize("pool_mode", ["transaction", "statement"])
@pytest.mark.parametrize("settings", [{}, {"ignore_startup_parameters": IGNORED}, {"default_pool_size": "1"}])
async def test_without_sessions_it_is_refused(
    postgres_server: PostgresServer, pool_mode: str, settings: dict[str, str]
) -> None:
    """The message names the mode and what to do, and nothing was made anywhere."""
    url = postgres_server.create_database()
    with (
        PgBouncer(postgres_server, pool_mode=pool_mode, **settings) as pooler,
        pytest.raises(DatabaseRefused, match=r"leads to a pooler .* set pool_mode=session for its database"),
    ):
        await PostgresStore.open(pooler.url(url))
    assert await tables(url) == {}


async def test_a_session_that_is_shared_later_is_found_out(postgres_server: PostgresServer) -> None:
    """Each new connection is held against those that live: one that gets another's session is refused."""
    url = postgres_server.create_database()
    with PgBouncer(postgres_server, pool_mode="transaction") as pooler:
        sessions = Sessions(pooler.url(url))
        settings = {**SETTINGS, **SHORT_PLANS}
        first = await sessions.open(settings)
        with pytest.raises(DatabaseRefused, match="leads to a pooler"):
            await sessions.open(settings)
        await first.close()


def test_a_server_behind_a_pooler(postgres_server: PostgresServer, tmp_path: Path) -> None:
    """In session mode `kana serve` serves; in transaction mode it ends with a sentence and makes nothing."""
    url = postgres_server.create_database()
    with PgBouncer(postgres_server, pool_mode="transaction") as pooler:
        server = KanaServer(tmp_path, database_url=pooler.url(url))
        with pytest.raises(ServerEnded, match="set pool_mode=session"):
            server.start()
        server.close()
    with PgBouncer(postgres_server, pool_mode="session") as pooler, KanaServer(database_url=pooler.url(url)) as server:
        assert server.kana("audit").returncode == 0


async def test_usage_is_recorded_behind_a_pooler(postgres_server: PostgresServer) -> None:
    """The whole way of a usage: prepared statements, copies and locks."""
    url = postgres_server.create_database()
    with PgBouncer(postgres_server, pool_mode="session") as pooler:
        store = await PostgresStore.open(pooler.url(url))
        await furnish_workspace(store)
        world = World(store)
        await world.furnish(a_package("basic", allows(2)))
        await world.subscribed_user()
        answers = [await world.usage.record(a_usage(key=str(number))) for number in range(3)]
        assert [answer.entry.outcome.value for answer in answers] == ["RECORDED", "RECORDED", "LIMIT_EXCEEDED"]
        assert (await world.usage.record(a_usage(key="0"))).duplicate is True
        await store.close()
