"""Statements: what they have in common stands once, and what stands twice differs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

import pytest

from kana.model.subscription import SubscriptionStatus
from kana.store.statements import Fragment, expanded, for_sqlite, read_fragments, read_statements

FRAGMENTS = {
    "long": Fragment(("s", "least"), "length(s.name) >= least"),
    "named": Fragment(("s",), "({long(s, 3)} and s.names is null)"),
}


@pytest.mark.parametrize(
    ("statement", "sql"),
    [
        ("select 1", "select 1"),
        ("where {long(u, $2)}", "where length(u.name) >= $2"),
        ("where {long(u, $2::text)} or {long(v,  $3)}", "where length(u.name) >= $2::text or length(v.name) >= $3"),
        ("where {named(least)}", "where (length(least.name) >= 3 and least.names is null)"),
        ("select '{}', '{a}'", "select '{}', '{a}'"),
    ],
)
def test_a_fragment_takes_the_place_of_its_name(statement: str, sql: str) -> None:
    """Its parameters are whole words that the statement fills in, and it may hold other fragments."""
    assert expanded(statement, FRAGMENTS) == sql


@pytest.mark.parametrize("statement", ["{other(s)}", "{long(s)}", "{long(s, 1, 2)}"])
def test_a_fragment_that_is_not_there_is_an_error(statement: str) -> None:
    """A name that nothing has, or arguments too few or too many, are found as the program starts."""
    with pytest.raises((KeyError, ValueError)):
        expanded(statement, FRAGMENTS)


def test_what_is_said_of_a_fragment_is_not_in_it() -> None:
    """A comment in the middle of a statement's line would end it."""
    assert read_fragments().keys() >= {"stands", "user", "entry", "begins"}
    assert [name for name, fragment in read_fragments().items() if "--" in fragment.sql] == []


def test_no_fragment_is_named_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One noun's cannot silently take the place of another's."""
    (tmp_path / "nouns").mkdir()
    for name in ("__init__.py", "birds.sql", "trees.sql"):
        (tmp_path / "nouns" / name).write_text("" if name == "__init__.py" else "-- fragment: is_old(x)\nx.age > 9\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("kana.store.statements._SHARED", "nouns")

    with pytest.raises(ValueError, match="fragments named twice: is_old"):
        read_fragments()


def own(database: str) -> dict[str, str]:
    """The statements that one database has in its own words."""
    return read_statements(f"kana.store.{database}")


def bare(sql: str) -> str:
    """A statement without comments, in SQLite's words."""
    return " ".join(re.sub(r"--.*", "", for_sqlite(sql)).split())


def twins(sqlite: Mapping[str, str], postgres: Mapping[str, str]) -> list[str]:
    """The names under which both say the same."""
    return [name for name in sqlite.keys() & postgres.keys() if bare(sqlite[name]) == bare(postgres[name])]


def test_no_statement_stands_twice() -> None:
    """One that both databases understand stands once, in the file of its noun."""
    assert twins(own("sqlite"), own("postgres")) == []


def test_a_statement_that_stands_twice_is_seen() -> None:
    """The control: but for marks, casts, locks, comments and lines they are the same."""
    sqlite = {"a": "-- Some.\nselect b from c\nwhere d = ?1", "b": "select 1"}
    postgres = {"a": "select b::text from c where d = $1::text for update", "b": "select 2"}
    assert twins(sqlite, postgres) == ["a"]


def test_states_of_subscriptions_stand_in_fragments_alone() -> None:
    """No statement says for itself when a subscription stands or gives access: a test holds the fragments to the model.

    Of the words of both kinds, ``PENDING`` and the like are of other nouns.
    """
    word = re.compile("|".join(f"'{status}'" for status in SubscriptionStatus))
    books = ("kana.store", "kana.store.sqlite", "kana.store.postgres")
    statements = {
        f"{file.name}: {name}": sql
        for book in books
        for file in files(book).iterdir()
        if file.name.endswith(".sql")
        for name, sql in read_statements(book, file.name).items()
    }
    assert len(statements) > 100
    assert [name for name, sql in statements.items() if word.search(sql)] == []
    assert word.search(read_fragments()["stands"].sql) is None
    assert word.search(read_fragments()["may_stand"].sql)
