"""Many users at once on SQLite: found, and written together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import apsw

from kana.engine.ports import Merge, Signed
from kana.model.environment import Environment, bucket_of
from kana.model.search import UserSearch
from kana.model.user import User
from kana.store import directory, rows
from kana.store.sqlite.database import Database
from kana.store.sqlite.statements import DIRECTORY, SQL


class Directory:
    """Finds users among very many, and merges very many into them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def search_users(self, search: UserSearch) -> list[User]:
        """See the port."""
        return await self._database.read_aside(lambda connection: _search(connection, search))

    async def users_by_id(self, environment: Environment, ids: Sequence[str]) -> Mapping[str, User]:
        """See the port."""
        return await self._database.read_aside(lambda connection: _load(connection, environment, ids))

    async def merge_users(
        self,
        environment: Environment,
        chunks: Callable[[], Iterable[Mapping[str, Merge]]],
        *,
        source: str = "",
        signed: Signed | None = None,
    ) -> None:
        """See the port."""

        def work(connection: apsw.Connection) -> None:
            made = put = 0
            for chunk in chunks():
                there = _load(connection, environment, list(chunk))
                merged = [(there.get(user_id), merge(there.get(user_id))) for user_id, merge in chunk.items()]
                changed = [new for old, new in merged if new != old]
                new_ids = [_id_row(new) for old, new in merged if old is None]
                connection.executemany(SQL["add_user_id"], new_ids)
                connection.executemany(SQL["put_user"], [rows.user_row(user) for user in changed])
                made, put = made + len(new_ids), put + len(changed)
            if signed is not None:
                line = rows.import_log_row(environment, source, made=made, changed=put - made, signed=signed)
                connection.execute(SQL["add_log_line"], line)

        await self._database.write(work)


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


def _id_row(user: User) -> rows.Row:
    return (bucket_of(user.environment, user.id), user.environment.value, user.id, user.bucket, user.key)
