"""Many users at once on PostgreSQL: found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kana.model.environment import Environment, bucket_of
from kana.model.search import UserSearch
from kana.model.user import User
from kana.store import directory, rows
from kana.store.postgres.columns import columns
from kana.store.postgres.database import Database
from kana.store.postgres.pool import Connection, fetch
from kana.store.postgres.statements import DIRECTORY, SQL


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


async def _search(connection: Connection, search: UserSearch) -> list[User]:
    for name, bindings in directory.gatherings(search):
        found = await fetch(connection, DIRECTORY[name], *bindings)
        if len(found) <= directory.GATHERED_MAX:
            return directory.page_of(found, search)
    name, bindings = directory.walk(search)
    return [rows.user_from(row) for row in await fetch(connection, DIRECTORY[name], *bindings)]


async def _load(connection: Connection, environment: Environment, ids: Sequence[str]) -> dict[str, User]:
    if not ids:
        return {}
    wanted = columns([(bucket_of(environment, user_id), environment.value, user_id) for user_id in ids])
    found = await fetch(connection, SQL["load_accounts"], *wanted)
    if not found:
        return {}
    places = columns([(bucket, key) for _, bucket, key in found])
    users = map(rows.user_from, await fetch(connection, DIRECTORY["load_users"], *places))
    return {user.id: user for user in users}
