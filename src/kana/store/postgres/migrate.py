"""Updates the tables of the database to this release: numbered scripts, forward only, under one lock."""

from __future__ import annotations

import asyncpg

from kana.errors import DatabaseRefused
from kana.model.environment import BUCKETS
from kana.store.postgres.pool import Connection
from kana.store.postgres.statements import SESSION
from kana.store.statements import read_migrations

SERVER_VERSION_MIN = 130_000
"""PostgreSQL 13, the oldest release that was supported when this was written."""


async def check_server(connection: Connection) -> bool:
    """Return whether the database is sharded by Citus.

    Raises:
        DatabaseRefused: the server is too old, or its database cannot store every id.
    """
    version, encoding, has_citus = await connection.fetchrow(SESSION["load_server"]) or (0, "", False)
    if version < SERVER_VERSION_MIN:
        raise DatabaseRefused(f"PostgreSQL {version // 10000} is too old; 13 or newer is needed")
    if encoding != "UTF8":
        raise DatabaseRefused(f"the database's encoding is {encoding}; Kana needs UTF8: createdb -E UTF8 -T template0")
    return bool(has_citus)


async def migrate(connection: Connection, *, sharded: bool) -> None:
    """Apply the missing migrations in one transaction; if it is interrupted, nothing has happened.

    If several processes start together, one migrates and the others find it done.

    Raises:
        DatabaseRefused: the schema is another program's, or newer than this one.
    """
    migrations = read_migrations("kana.store.postgres")
    async with connection.transaction():
        await connection.execute(SESSION["lock_migrations"])
        version = await _version(connection, newest=len(migrations))
        for script in migrations[version:]:
            await connection.execute(script)
        if version < len(migrations):
            if sharded:
                await connection.execute(SESSION["distribute"])
            await connection.execute(SESSION["add_schema_version"], len(migrations))


async def _version(connection: Connection, *, newest: int) -> int:
    """Return the version of the tables, 0 for none; create the schema if it does not exist."""
    is_there, tables, is_ours = await connection.fetchrow(SESSION["schema_state"]) or (False, 0, False)
    if tables and not is_ours:
        raise DatabaseRefused("the schema `kana` of this database is another program's; Kana needs it")
    if not is_there:
        await connection.execute(SESSION["create_schema"])
    if not is_ours:
        await connection.execute(SESSION["create_schema_version"])
    version = int(await connection.fetchval(SESSION["load_schema_version"]))
    if version > newest:
        raise DatabaseRefused(
            f"the database is at version {version} and this program knows up to {newest}; use a newer kana-server"
        )
    return version


async def read_lanes(connection: asyncpg.Connection[asyncpg.Record]) -> list[int]:
    """Return for each bucket of a sharded database the number of its shard, from 0."""
    shards = [shard for (shard,) in await connection.fetch(SESSION["load_shards"], BUCKETS)]
    numbers = {shard: number for number, shard in enumerate(sorted(set(shards)))}
    return [numbers[shard] for shard in shards]
