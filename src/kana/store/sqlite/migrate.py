"""Bring the file to the tables of this program: numbered scripts, forwards only, under the write lock."""

from __future__ import annotations

import apsw

from kana.errors import DatabaseRefused
from kana.store.sqlite.connection import in_transaction
from kana.store.statements import read_migrations

APPLICATION_ID = 0x4B414E41  # "KANA"
"""Stands in the file's header, so that another program's database is not taken for ours."""


def migrate(connection: apsw.Connection) -> None:
    """Apply the migrations that the file lacks, all in one transaction: interrupted, nothing has happened.

    Of two processes that start at once one migrates and the other finds it done.

    Raises:
        DatabaseRefused: the file is another program's, or newer than this one.
    """
    in_transaction(connection, _bring_up, begin="begin immediate")


def _bring_up(connection: apsw.Connection) -> None:
    migrations = read_migrations("kana.store.sqlite")
    version = _number(connection, "user_version")
    _check(connection, version, newest=len(migrations))
    for script in migrations[version:]:
        connection.execute(script)
    if version < len(migrations):
        connection.execute(f"pragma application_id = {APPLICATION_ID}")
        connection.execute(f"pragma user_version = {len(migrations)}")


def _check(connection: apsw.Connection, version: int, *, newest: int) -> None:
    if version > newest:
        raise DatabaseRefused(
            f"the database is at version {version} and this program knows up to {newest}; use a newer kana-server"
        )
    is_ours = _number(connection, "application_id") == APPLICATION_ID
    is_empty = not list(connection.execute("select 1 from sqlite_schema limit 1"))
    if not is_ours and not (version == 0 and is_empty):
        raise DatabaseRefused("the file is another program's database; Kana needs one of its own")


def _number(connection: apsw.Connection, pragma: str) -> int:
    [(number,)] = connection.execute(f"pragma {pragma}")
    return int(number)
