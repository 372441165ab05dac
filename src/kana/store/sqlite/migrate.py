"""Updates the tables of the file to this release: numbered scripts, forward only, under the write lock."""

from __future__ import annotations

import apsw

from kana.errors import DatabaseRefused
from kana.store.sqlite.connection import APPLICATION_ID, in_transaction, number
from kana.store.statements import read_migrations


def migrate(connection: apsw.Connection) -> None:
    """Apply the missing migrations in one transaction; if it is interrupted, nothing has happened.

    If two processes start together, one migrates and the other finds it done.

    Raises:
        DatabaseRefused: the file is newer than this program.
    """
    in_transaction(connection, _bring_up, begin="begin immediate")


def _bring_up(connection: apsw.Connection) -> None:
    migrations = read_migrations("kana.store.sqlite")
    version = number(connection, "user_version")
    if version > len(migrations):
        raise DatabaseRefused(
            f"the database is at version {version} and this program knows up to {len(migrations)};"
            " use a newer kana-server"
        )
    for script in migrations[version:]:
        connection.execute(script)
    if version < len(migrations):
        connection.execute(f"pragma application_id = {APPLICATION_ID}")
        connection.execute(f"pragma user_version = {len(migrations)}")
