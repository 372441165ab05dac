"""The statements of this database by name: those that both share, in SQLite's words, and its own."""

from __future__ import annotations

from kana.store.statements import for_sqlite, read_all

SQL = read_all("kana.store.sqlite", translate=for_sqlite)
