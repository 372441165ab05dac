"""What is done where Citus is installed: on a stand-in for its functions, since the extension itself is not at hand.

This proves which functions are called for which tables, and that the statements for a sharded
database decide as the others do. It does not prove that Citus accepts them: for that the suites run
against a coordinator that KANA_TEST_POSTGRES_URL names.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import asyncpg
import pytest

from kana.model.environment import BUCKETS
from kana.store.postgres import PostgresStore
from kana.store.postgres.migrate import migrate
from kana.store.postgres.statements import SESSION, SQL
from tests.support.postgres import Postgres
from tests.support.stores import furnish_workspace
from tests.support.world import TEST, World, a_package, a_usage, allows

SHARDS = 32
STAND_IN = """
create schema kana;
create table public.called (what text, relation text, by text);
create materialized view kana.pg_dist_partition as select null::regclass as logicalrelid where false;
create function kana.create_distributed_table(relation regclass, by text) returns void language sql as
    $$ insert into public.called values ('distributed', relation::text, by) $$;
create function kana.create_reference_table(relation regclass) returns void language sql as
    $$ insert into public.called values ('reference', relation::text, null) $$;
create function kana.get_shard_id_for_distribution_column(relation text, bucket smallint) returns bigint language sql as
    $$ select 102000 + hashint2(bucket) & 31 $$;
"""


@pytest.fixture
async def url(postgres_server: Postgres, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database that says that it has the extension."""
    url = postgres_server.create_database()
    connection = await asyncpg.connect(url)
    await connection.execute(STAND_IN)
    await connection.close()
    sharded = SESSION["load_server"].replace("exists (select from pg_extension where extname = 'citus')", "true")
    monkeypatch.setitem(SESSION, "load_server", sharded)
    return url


@pytest.fixture
async def world(url: str) -> AsyncIterator[World]:
    """The engines over a store that takes its database for sharded."""
    store = await PostgresStore.open(url)
    await furnish_workspace(store)
    world = World(store)
    await world.furnish(a_package("basic", allows(5)))
    yield world
    await store.close()


async def test_the_first_start_distributes_each_table_once(url: str) -> None:
    """What has a bucket is distributed by it, and all else is everywhere; a second start calls nothing."""
    for _ in range(2):
        await (await PostgresStore.open(url)).close()
    connection = await asyncpg.connect(url, server_settings={"search_path": "kana"})
    called = await connection.fetch("select what, relation, by from public.called")
    tables = await connection.fetch(
        "select relname from pg_class where relnamespace = 'kana'::regnamespace and relkind = 'r'"
    )
    async with connection.transaction():
        await migrate(connection, sharded=True)
    again = await connection.fetchval("select count(*) from public.called")
    await connection.close()

    distributed = {relation for what, relation, by in called if what == "distributed" and by == "bucket"}
    assert distributed >= {"users", "user_ids", "subscriptions", "entries", "counters"}
    assert {"environments", "features", "packages", "keys"} <= {relation for _, relation, _ in called} - distributed
    assert {relation for _, relation, _ in called} == {name for (name,) in tables}
    assert len(called) == again == len(tables)


async def test_a_lane_is_a_shard(world: World) -> None:
    """Users of one lane are on one shard, so that their batches commit there alone."""
    lanes = Counter(world.store.ledger.lane(TEST, f"user-{number}") for number in range(5000))
    assert set(lanes) == set(range(SHARDS))
    assert BUCKETS % SHARDS == 0


async def test_a_sharded_database_decides_alike(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks are taken bucket by bucket, in one order; the last units go to exactly as many as there are."""
    monkeypatch.delitem(SQL, "lock_accounts")  # takes locks on several shards at once, which Citus does not
    users = [f"user-{number}" for number in range(40)]
    for user in users:
        await world.subscribed_user(user)
    receipts = await asyncio.gather(*(world.usage.record(a_usage(user_id=user)) for user in users for _ in range(8)))
    granted = Counter(receipt.entry.user_key for receipt in receipts if receipt.entry.recorded)
    audit = await world.store.audits.audit()

    assert set(granted.values()) == {5}
    assert (len(granted), audit.entries, audit.drifts) == (40, 320, ())
