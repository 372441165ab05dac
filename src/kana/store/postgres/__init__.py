"""The store on PostgreSQL: many processes, one database, sharded by Citus if that is installed."""

from kana.store.postgres.store import PostgresStore

__all__ = ["PostgresStore"]
