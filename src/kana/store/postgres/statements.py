"""The statements of queries.sql, session.sql and directory.sql, by name."""

from __future__ import annotations

from kana.store.statements import read_statements

SQL = read_statements("kana.store.postgres")
SESSION = read_statements("kana.store.postgres", "session.sql")
DIRECTORY = read_statements("kana.store.postgres", "directory.sql")
