"""The statements of SQLite by name: the shared ones, translated, and its own."""

from __future__ import annotations

from kana.store.statements import for_sqlite, read_all

SQL = read_all("kana.store.sqlite", translate=for_sqlite)
