"""Words are the model's: no table that grows with use lists them, so that one word more copies nothing."""

from __future__ import annotations

import re

import apsw
import asyncpg
import pytest

from kana.store.postgres import PostgresStore
from kana.store.postgres import migrate as postgres_migrate
from kana.store.sqlite import migrate as sqlite_migrate
from kana.store.statements import read_migrations
from tests.support.postgres import Postgres

GROWING = ["counters", "entries", "segment_events", "subscriptions"]
BEFORE = {"sqlite": 13, "postgres": 12}
"""The last version whose tables listed words."""
WORDS = re.compile(r"'[A-Za-z_]+'(?:::text)?\s*,")
"""Two quoted words and more, as a list has them; a comparison with one word has no comma."""
CHECK = re.compile(r"check (\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))")

Schema = tuple[dict[str, list[str]], list[tuple[str, str]]]
"""The checks of each table that grows, and the indexes and triggers of them all."""


async def schema_of(store: str, version: int, request: pytest.FixtureRequest) -> Schema:
    """What a new database of a version has."""
    migrations = read_migrations(f"kana.store.{store}")[:version]
    patch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
    module = sqlite_migrate if store == "sqlite" else postgres_migrate
    with patch.context() as then:
        then.setattr(module, "read_migrations", lambda package: migrations)
        if store == "sqlite":
            return sqlite_schema()
        return await postgres_schema(request.getfixturevalue("postgres_server"))


def sqlite_schema() -> Schema:
    """What a new file has."""
    connection = apsw.Connection(":memory:")
    sqlite_migrate.migrate(connection)
    found = connection.execute("select type, tbl_name, name, sql from sqlite_schema order by name").fetchall()
    connection.close()
    checks = {str(table): CHECK.findall(str(sql)) for kind, table, _, sql in found if kind == "table"}
    others = [(str(name), str(sql)) for kind, table, name, sql in found if kind != "table" and table in GROWING]
    return {table: sorted(checks[table]) for table in GROWING}, others


async def postgres_schema(server: Postgres) -> Schema:
    """What a new database has."""
    url = server.create_database()
    await (await PostgresStore.open(url)).close()
    connection = await asyncpg.connect(url, server_settings={"search_path": "kana"})
    checks = await connection.fetch(
        "select conrelid::regclass::text, pg_get_constraintdef(oid) from pg_constraint"
        " where contype = 'c' and connamespace = 'kana'::regnamespace"
    )
    indexes = await connection.fetch(
        "select indexname, indexdef from pg_indexes where schemaname = 'kana' and tablename = any($1) order by 1",
        GROWING,
    )
    await connection.close()
    by_table = {table: sorted(check for name, check in checks if name == table) for table in GROWING}
    return by_table, [(name, definition) for name, definition in indexes]


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
async def test_no_check_of_a_table_that_grows_lists_words(store: str, request: pytest.FixtureRequest) -> None:
    """The model says which words there are. The tables of before, which did list them, are told by the same look."""
    before, _ = await schema_of(store, BEFORE[store], request)
    after, _ = await schema_of(store, BEFORE[store] + 1, request)
    now, _ = await schema_of(store, len(read_migrations(f"kana.store.{store}")), request)

    listing = {table: [check for check in checks if WORDS.search(check)] for table, checks in before.items()}
    assert {table: len(found) for table, found in listing.items()} == {
        "counters": 1, "entries": 2, "segment_events": 2, "subscriptions": 1,
    }  # fmt: skip
    assert after == {table: [check for check in before[table] if check not in listing[table]] for table in GROWING}
    assert [check for checks in now.values() for check in checks if WORDS.search(check)] == []


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
async def test_taking_them_off_changes_nothing_else(store: str, request: pytest.FixtureRequest) -> None:
    """Every index and trigger is there as it was, word for word."""
    _, before = await schema_of(store, BEFORE[store], request)
    _, after = await schema_of(store, BEFORE[store] + 1, request)

    assert after == before
    assert {name for name, _ in after} >= {"entries_by_key", "entries_refused", "subscriptions_by_id"}


@pytest.mark.parametrize("version", [BEFORE["sqlite"], BEFORE["sqlite"] + 1])
def test_tables_stay_strict_and_in_the_order_of_their_keys(version: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What SQLite copies is kept as it was kept: with types, and without a second key."""
    migrations = read_migrations("kana.store.sqlite")[:version]
    monkeypatch.setattr(sqlite_migrate, "read_migrations", lambda package: migrations)
    connection = apsw.Connection(":memory:")
    sqlite_migrate.migrate(connection)

    found = connection.execute("select name, wr, strict from pragma_table_list where schema = 'main'").fetchall()
    connection.close()
    assert {name: (wr, strict) for name, wr, strict in found if name in GROWING} == dict.fromkeys(GROWING, (1, 1))
    assert [name for name, *_ in found if str(name).startswith("old_")] == []
