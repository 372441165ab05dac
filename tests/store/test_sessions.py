"""Work is written once: what both databases understand is one statement, and one coroutine runs on either."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from kana.store.postgres.statements import SQL as POSTGRES
from kana.store.session import Session
from kana.store.sqlite.database import Database
from kana.store.sqlite.session import SqliteTransactions
from kana.store.sqlite.statements import SQL as SQLITE
from kana.store.statements import for_sqlite, read_all, read_statements


@pytest.mark.parametrize(
    ("shared", "sqlite"),
    [
        ("where a = $1 and b = $12", "where a = ?1 and b = ?12"),
        ("where $1::text is null or sum(b)::bigint > $2", "where ?1 is null or sum(b) > ?2"),
        ("where a = any($3::text[])", "where a in (select value from json_each(?3))"),
        ("where a = any($3)", "where a in (select value from json_each(?3))"),
        ("select (value ->> 1)::json from json_array_elements($1::json)", "select (value ->> 1) from json_each(?1)"),
        ("select b from a where c = $1 for update", "select b from a where c = ?1"),
        ("select b from a as i order by c\nfor update of i;", "select b from a as i order by c;"),
    ],
)
def test_sqlite_gets_shared_statements_in_its_own_words(shared: str, sqlite: str) -> None:
    """Casts and locks are left out, lists are JSON, and the numbers of bindings stay."""
    assert for_sqlite(shared) == sqlite


def test_shared_statements_stand_in_both() -> None:
    """Each of the shared statements is in both books, and none has another database's marks left in it."""
    shared = read_statements("kana.store", "keys.sql")
    assert shared.keys() <= SQLITE.keys() & POSTGRES.keys()
    assert [name for name, sql in SQLITE.items() if re.search(r"\$\d|::", re.sub("--.*", "", sql))] == []
    assert [name for name, sql in POSTGRES.items() if re.search(r"\?\d", sql)] == []


def test_no_statement_is_named_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database's own statement cannot silently take the place of a shared one."""
    for package, name in (("shared_statements", "nouns.sql"), ("own_statements", "queries.sql")):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
        (tmp_path / package / name).write_text("-- name: load_it\nselect 1;\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("kana.store.statements._SHARED", "shared_statements")

    with pytest.raises(ValueError, match="statements named twice: load_it"):
        read_all("own_statements")


async def test_work_on_sqlite_never_waits(tmp_path: Path) -> None:
    """Who waits for something else inside a transaction is told, and nothing of it is written."""
    database = Database(str(tmp_path / "kana.db"))
    transactions = SqliteTransactions(database)

    async def work(session: Session) -> None:
        await session.execute("add_workspace", "acme", 0)
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="waited for something other"):
        await transactions.write(work)

    assert await transactions.read(lambda session: session.value("load_workspace")) is None
    await database.close()
