"""Many users at once on PostgreSQL: found, and written together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from kana.engine.ports import Merge, Signed
from kana.errors import Conflict
from kana.model.environment import Environment, bucket_of
from kana.model.search import UserSearch
from kana.model.user import User
from kana.store import directory, rows
from kana.store.postgres.columns import columns
from kana.store.postgres.database import Database
from kana.store.postgres.pool import Connection, fetch
from kana.store.postgres.statements import DIRECTORY, SQL


class Directory:
    """Finds users among very many, and merges very many into them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def search_users(self, search: UserSearch) -> list[User]:
        """See the port."""
        return await self._database.read_aside(lambda connection: _search(connection, search))

    async def users_by_id(self, environment: Environment, ids: Sequence[str]) -> Mapping[str, User]:
        """See the port."""
        return await self._database.read_aside(
            lambda connection: _load(connection, environment, ids, statement="load_users")
        )

    async def merge_users(
        self,
        environment: Environment,
        chunks: Callable[[], Iterable[Mapping[str, Merge]]],
        *,
        source: str = "",
        signed: Signed | None = None,
    ) -> None:
        """See the port."""

        async def work(connection: Connection) -> None:
            await connection.execute(DIRECTORY["look_up_by_key"])
            made = put = 0
            for chunk in chunks():
                there = await _load(connection, environment, list(chunk), statement="lock_users")
                merged = [(there.get(user_id), merge(there.get(user_id))) for user_id, merge in chunk.items()]
                new_users = [new for old, new in merged if old is None]
                await _add_ids(connection, new_users)
                if changed := [rows.user_row(new) for old, new in merged if new != old]:
                    await connection.execute(DIRECTORY["put_users"], *columns(changed))
                made, put = made + len(new_users), put + len(changed)
            if signed is not None:
                line = rows.import_log_row(environment, source, made=made, changed=put - made, signed=signed)
                await connection.execute(SQL["add_log_line"], *line)

        await self._database.write_aside(work)


async def _search(connection: Connection, search: UserSearch) -> list[User]:
    for name, bindings in directory.gatherings(search):
        found = await fetch(connection, DIRECTORY[name], *bindings)
        if len(found) <= directory.GATHERED_MAX:
            return directory.page_of(found, search)
    name, bindings = directory.walk(search)
    return [rows.user_from(row) for row in await fetch(connection, DIRECTORY[name], *bindings)]


async def _load(
    connection: Connection, environment: Environment, ids: Sequence[str], *, statement: str
) -> dict[str, User]:
    if not ids:
        return {}
    wanted = columns([(bucket_of(environment, user_id), environment.value, user_id) for user_id in ids])
    found = await fetch(connection, SQL["load_accounts"], *wanted)
    if not found:
        return {}
    places = columns([(bucket, key) for _, bucket, key in found])
    users = map(rows.user_from, await fetch(connection, DIRECTORY[statement], *places))
    return {user.id: user for user in users}


async def _add_ids(connection: Connection, users: Sequence[User]) -> None:
    """Take the ids of new users; another call may have taken one of them since they were looked up."""
    if not users:
        return
    taken = [
        (bucket_of(user.environment, user.id), user.environment.value, user.id, user.bucket, user.key) for user in users
    ]
    status = await connection.execute(DIRECTORY["add_user_ids"], *columns(taken))
    if status != f"INSERT 0 {len(taken)}":
        raise Conflict("Somebody made one of these users meanwhile; nothing was imported, try again")
