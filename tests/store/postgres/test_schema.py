"""The tables and statements are fit to be sharded by ``bucket``, and both stores say the same."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from importlib.resources import files

import asyncpg
import pytest

from kana.store.entries import ENTRY_COLUMNS
from kana.store.postgres import PostgresStore
from kana.store.postgres.statements import SQL
from kana.store.sqlite.statements import SQL as SQLITE
from tests.support.postgres import Postgres

SHARDED = {"users", "user_ids", "subscriptions", "entries", "counters"}
HOT_PATH = {
    "add_user_id", "delete_user_id", "has_entry", "search_entries", "list_subscriptions_of",
    "load_accounts", "load_entries_by_key", "load_held_subscriptions", "load_subscription", "load_totals",
    "load_subscriptions_of", "load_user_by_key", "load_user_ref", "lock_accounts", "lock_accounts_of_bucket",
    "lock_user_ref", "put_subscription", "put_total", "put_user", "raise_token_version",
}  # fmt: skip
"""The statements that are about some users; all others are about the catalogue, or are lists and counts of all."""


@pytest.fixture
async def connection(postgres_server: Postgres) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """A connection to a database that has just got its tables."""
    url = postgres_server.create_database()
    await (await PostgresStore.open(url)).close()
    connection = await asyncpg.connect(url, server_settings={"search_path": "kana"})
    yield connection
    await connection.close()


async def test_what_users_own_has_a_bucket(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """The bucket is the first column of what users own, and by it these tables are told from the others."""
    found = await connection.fetch(
        """
        select c.relname from pg_attribute as a join pg_class as c on c.oid = a.attrelid
        where c.relnamespace = 'kana'::regnamespace and c.relkind = 'r' and a.attname = 'bucket' and a.attnum = 1
        """
    )
    assert {name for (name,) in found} >= SHARDED


async def test_every_unique_index_of_a_sharded_table_holds_its_bucket(
    connection: asyncpg.Connection[asyncpg.Record],
) -> None:
    """A sharded table can have no unique index without its distribution column; it leads those of what users own."""
    found = await connection.fetch(
        """
        select c.relname, i.indisprimary,
            array(select a.attname::text from unnest(i.indkey) with ordinality as k (number, place)
                join pg_attribute as a on a.attrelid = c.oid and a.attnum = k.number order by place)
        from pg_index as i join pg_class as c on c.oid = i.indrelid
        where c.relnamespace = 'kana'::regnamespace and i.indisunique and exists (
            select from pg_attribute as a where a.attrelid = c.oid and a.attname = 'bucket'
        )
        """
    )
    assert {name for name, is_primary, _ in found if is_primary} >= SHARDED
    assert [name for name, _, columns in found if "bucket" not in columns] == []
    assert {columns[0] for name, _, columns in found if name in SHARDED} == {"bucket"}


async def test_nothing_needs_a_single_node(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """No foreign key, no exclusion, no trigger, no sequence and no default that counts."""
    constraints = await connection.fetch(
        "select conrelid::regclass, contype from pg_constraint where connamespace = 'kana'::regnamespace"
    )
    relations = await connection.fetch("select relkind from pg_class where relnamespace = 'kana'::regnamespace")
    computed = await connection.fetchval(
        "select count(*) from pg_attrdef where pg_get_expr(adbin, adrelid) !~ '^[0-9]+(::[a-z]+)?$'"
    )
    triggers = await connection.fetchval("select count(*) from pg_trigger")

    # Primary keys and checks; from PostgreSQL 18 on what is not null is a constraint too.
    assert {kind for _, kind in constraints} <= {b"p", b"c", b"n"}
    assert {kind for (kind,) in relations} == {b"r", b"i"}
    assert (computed, triggers) == (0, 0)


@pytest.mark.parametrize("name", sorted(HOT_PATH))
def test_statements_about_users_name_the_bucket(name: str) -> None:
    """On the hot path each table of users' data is reached by its bucket, so that one shard answers."""
    sql = re.sub(r"--.*", "", SQL[name])
    aliases = dict(re.findall(r"\b(?:from|join|update)\s+(\w+)(?:\s+as\s+(\w+))?", sql))
    for table in aliases.keys() & SHARDED:
        alias = aliases[table]
        reached = rf"\b{alias}\.bucket = (\$\d|\w+\.bucket)" if alias else r"\bbucket = \$\d"
        assert re.search(reached, sql), f"{name} reads {table} without its bucket"
    for table in set(re.findall(r"insert into (\w+)", sql)) & SHARDED:
        assert re.search(rf"insert into {table} \(\s*bucket,", sql), name


def test_joins_keep_to_one_bucket() -> None:
    """Two tables of users' data meet by their bucket only: ``home_bucket`` is read, and then asked by."""
    crossing = [name for name, sql in SQL.items() if re.search(r"=\s*\w+\.home_bucket", sql)]
    assert crossing == []


def test_both_stores_have_the_same_statements() -> None:
    """Who knows one store finds their way in the other: names are the same where the work is."""
    sqlite, postgres = set(SQLITE), set(SQL)

    assert sqlite - postgres <= {
        "add_entry",  # PostgreSQL copies entries in
        "load_account", "load_total", "load_entry_by_key",  # one after another: a file has no round trips to spare
    }  # fmt: skip
    assert postgres - sqlite >= {
        "has_entry",  # after a lost commit
        "load_held_subscriptions",  # SQLite's load_accounts reads them too
        "lock_accounts", "lock_accounts_of_bucket",  # SQLite has one writer
    }  # fmt: skip


def test_both_stores_have_the_same_columns() -> None:
    """Tables and columns have the same names in the same order, so that one reads both."""

    def columns(store: str) -> dict[str, list[str]]:
        folder = files(f"kana.store.{store}").joinpath("migrations")
        text = "\n".join(folder.joinpath(name).read_text() for name in sorted(item.name for item in folder.iterdir()))
        tables = re.findall(r"create table (\w+) \((.*?)\n\)", text, re.DOTALL)
        lines = {table: re.findall(r"^    ([a-z_]+) ", body, re.MULTILINE) for table, body in tables}
        return {table: [word for word in found if word not in ("primary", "check")] for table, found in lines.items()}

    assert columns("sqlite") == columns("postgres")
    assert [*columns("postgres")["entries"], "postings", "reverses", "decision_id", "line"] == list(ENTRY_COLUMNS)
    assert ENTRY_COLUMNS[0] == "bucket"
