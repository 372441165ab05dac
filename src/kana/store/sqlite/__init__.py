"""The store on one SQLite file: one writer, separate readers, every commit on disk before its answer."""

from kana.store.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
