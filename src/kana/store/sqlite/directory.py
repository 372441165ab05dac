"""Many users at once on SQLite: found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import apsw

from kana.model.environment import Environment, bucket_of
from kana.model.search import UserSearch
from kana.model.user import User
from kana.store import directory, rows
from kana.store.sqlite.database import Database
from kana.store.sqlite.statements import DIRECTORY


class Directory:
    """Finds users among very many."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def search_users(self, search: UserSearch) -> list[User]:
        """See the port."""
        return await self._database.read_aside(lambda connection: _search(connection, search))

    async def users_by_id(self, environment: Environment, ids: Sequence[str]) -> Mapping[str, User]:
        """See the port."""
        return await self._database.read_aside(lambda connection: _load(connection, environment, ids))


def _search(connection: apsw.Connection, search: UserSearch) -> list[User]:
    for name, bindings in directory.gatherings(search):
        found = connection.execute(DIRECTORY[name], bindings).fetchall()
        if len(found) <= directory.GATHERED_MAX:
            return directory.page_of(found, search)
    name, bindings = directory.walk(search)
    return [rows.user_from(row) for row in connection.execute(DIRECTORY[name], bindings)]


def _load(connection: apsw.Connection, environment: Environment, ids: Sequence[str]) -> dict[str, User]:
    wanted = rows.to_json([(bucket_of(environment, user_id), environment.value, user_id) for user_id in ids])
    users = map(rows.user_from, connection.execute(DIRECTORY["load_users"], (wanted,)))
    return {user.id: user for user in users}
