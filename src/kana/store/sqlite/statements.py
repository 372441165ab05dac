"""The statements of queries.sql, by name."""

from __future__ import annotations

from kana.store.statements import read_statements

SQL = read_statements("kana.store.sqlite")
