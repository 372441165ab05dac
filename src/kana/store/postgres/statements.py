"""The statements of PostgreSQL by name: the shared ones and its own."""

from __future__ import annotations

from kana.store.statements import read_all, read_statements

SQL = read_all("kana.store.postgres")
SESSION = read_statements("kana.store.postgres", "session.sql")
