"""The statements of queries.sql and directory.sql, by name."""

from __future__ import annotations

from kana.store.statements import read_statements

SQL = read_statements("kana.store.sqlite")
DIRECTORY = read_statements("kana.store.sqlite", "directory.sql")
