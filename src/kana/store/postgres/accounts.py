"""Users and subscriptions on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from kana.engine.ids import bucket_of_id
from kana.engine.ports.users import Signed, Subscribed
from kana.engine.usage.batch import NamedUser
from kana.errors import Conflict, SubscriptionNotFound, UserNotFound
from kana.model.account import Account
from kana.model.catalog import Catalog
from kana.model.environment import Actor, Environment, bucket_of
from kana.model.subscription import Subscription
from kana.model.text import shown
from kana.model.user import User, UserRef
from kana.store import rows
from kana.store.catalogs import Catalogs
from kana.store.postgres.columns import columns
from kana.store.postgres.database import Database
from kana.store.postgres.directory import Directory
from kana.store.postgres.pool import Connection, fetch, fetch_one
from kana.store.postgres.session import PostgresSession
from kana.store.postgres.statements import SQL


class Accounts(Directory):
    """Keeps users and what they are subscribed to."""

    def __init__(self, database: Database, catalogs: Catalogs) -> None:
        Directory.__init__(self, database)
        self._catalogs = catalogs

    async def create_user(self, user: User, *, signed: Signed | None = None) -> User:
        """See the port."""

        async def work(connection: Connection) -> User:
            await _claim_id(connection, user)
            await connection.execute(SQL["put_user"], *rows.user_row(user))
            if signed is not None:
                await connection.execute(SQL["add_log_line"], *rows.user_log_row(None, user, signed))
            return user

        return await self._database.write(work)

    async def user(self, environment: Environment, user_id: str) -> User:
        """See the port."""

        async def work(connection: Connection) -> User:
            return await _load_user(connection, await find_user(connection, environment, user_id))

        return await self._database.read(work)

    async def user_by_key(self, environment: Environment, bucket: int, key: int) -> User | None:
        """See the port."""

        async def work(connection: Connection) -> User | None:
            found = await fetch_one(connection, SQL["load_user_by_key"], bucket, key, environment.value)
            return None if found is None else rows.user_from(found)

        return await self._database.read(work)

    async def users(self, environment: Environment, *, limit: int, after: str | None) -> list[User]:
        """See the port."""

        async def work(connection: Connection) -> list[User]:
            found = await fetch(connection, SQL["list_users"], environment.value, after or "", limit)
            return [rows.user_from(row) for row in found]

        return await self._database.read_aside(work)

    async def update_user(
        self, environment: Environment, user_id: str, change: Callable[[User], User], *, signed: Signed | None = None
    ) -> User:
        """See the port."""

        async def work(connection: Connection) -> User:
            old = await _load_user(connection, await _lock_user(connection, environment, user_id))
            new = change(old)
            if new.id != old.id:
                await _claim_id(connection, new)
                bucket = bucket_of(environment, old.id)
                await connection.execute(SQL["delete_user_id"], bucket, environment.value, old.id)
            await connection.execute(SQL["put_user"], *rows.user_row(new))
            if signed is not None and new != old:
                await connection.execute(SQL["add_log_line"], *rows.user_log_row(old, new, signed))
            return new

        return await self._database.write(work)

    async def revoke_tokens(self, environment: Environment, user_id: str, *, by: Actor, now: datetime) -> User:
        """See the port."""

        async def work(connection: Connection) -> User:
            user = await _load_user(connection, await _lock_user(connection, environment, user_id))
            await connection.execute(SQL["raise_token_version"], user.bucket, user.key)
            await connection.execute(SQL["add_log_line"], *rows.tokens_log_row(user, by=by, now=now))
            return replace(user, token_version=user.token_version + 1)

        return await self._database.write(work)

    async def change_subscriptions(
        self,
        environment: Environment,
        user_id: str,
        change: Callable[[Account, Catalog], Sequence[Subscription]],
        *,
        signed: Signed | None = None,
    ) -> list[Subscription]:
        """See the port."""

        async def work(connection: Connection) -> list[Subscription]:
            user = await _lock_user(connection, environment, user_id)
            [account] = await load_accounts(connection, [user], history=[True])
            catalogs = await self._catalogs.read(PostgresSession(connection), [environment])
            changed = list(change(account, catalogs[environment]))
            changed_rows = [rows.subscription_row(environment, subscription) for subscription in changed]
            await connection.executemany(SQL["put_subscription"], changed_rows)
            if signed is not None:
                log = rows.subscription_log_rows(environment, account, changed, signed)
                await connection.executemany(SQL["add_log_line"], log)
            return changed

        return await self._database.write(work)

    async def subscription(self, environment: Environment, subscription_id: int) -> Subscribed:
        """See the port."""
        bindings = (bucket_of_id(subscription_id), subscription_id, environment.value)

        async def work(connection: Connection) -> Any:
            return await fetch_one(connection, SQL["load_subscription"], *bindings)

        found = await self._database.read(work)
        if found is None:
            raise SubscriptionNotFound(f"Subscription not found: '{subscription_id}'")
        return rows.subscribed_from(found)

    async def subscriptions(
        self, environment: Environment, *, user_id: str | None, limit: int, after: int | None
    ) -> list[Subscribed]:
        """See the port."""

        async def work(connection: Connection) -> list[Subscribed]:
            if user_id is None:
                found = await fetch(connection, SQL["list_subscriptions"], environment.value, after or 0, limit)
            else:
                user = await find_user(connection, environment, user_id)
                bindings = (user.bucket, user.key, after or 0, limit)
                found = await fetch(connection, SQL["list_subscriptions_of"], *bindings)
            return [rows.subscribed_from(row) for row in found]

        return await self._database.read_aside(work)

    async def users_by_email(self, environment: Environment, email: str, *, limit: int) -> list[User]:
        """See the port."""

        async def work(connection: Connection) -> list[User]:
            found = await fetch(connection, SQL["load_users_by_email"], environment.value, email, limit)
            return [rows.user_from(row) for row in found]

        return await self._database.read_aside(work)


async def find_users(connection: Connection, users: Sequence[NamedUser]) -> dict[NamedUser, UserRef]:
    """Return where the data of these users is kept; those who do not exist are left out."""
    if not users:
        return {}
    found = await fetch(connection, SQL["load_accounts"], *columns([(bucket_of(*who), *who) for who in users]))
    return _refs(users, found)


async def lock_users(connection: Connection, users: Iterable[NamedUser], *, sharded: bool) -> dict[NamedUser, UserRef]:
    """The same, and nobody else decides on them before the transaction ends.

    Locks are taken in the order of the users' keys. A sharded database takes one statement for
    each bucket, and so the buckets are in order too.
    """
    ordered = sorted((bucket_of(*who), *who) for who in users)
    if ordered and not sharded:
        found = await fetch(connection, SQL["lock_accounts"], *columns(ordered))
        return _refs([(env, user_id) for _, env, user_id in ordered], found)
    locked: dict[NamedUser, UserRef] = {}
    for bucket in sorted({bucket for bucket, *_ in ordered}):
        mine = [(env, user_id) for place, env, user_id in ordered if place == bucket]
        locked |= _refs(mine, await fetch(connection, SQL["lock_accounts_of_bucket"], bucket, *columns(mine)))
    return locked


def _refs(users: Sequence[NamedUser], found: Iterable[Any]) -> dict[NamedUser, UserRef]:
    refs = {}
    for number, bucket, key in found:
        environment, user_id = users[number - 1]
        refs[environment, user_id] = UserRef(environment, bucket, key, user_id)
    return refs


async def load_accounts(
    connection: Connection, users: Sequence[UserRef], *, history: Sequence[bool] = ()
) -> list[Account]:
    """Return the accounts of users that were found, in their order.

    ``history`` says for each of them whether ended subscriptions are wanted too.
    """
    if not users:
        return []
    flags = history or [False] * len(users)
    keys = columns([(user.bucket, user.key, flag) for user, flag in zip(users, flags, strict=True)])
    held: list[list[Subscription]] = [[] for _ in users]
    for number, *subscription in await fetch(connection, SQL["load_held_subscriptions"], *keys):
        user = users[number - 1]
        held[number - 1].append(rows.subscription_from(user.bucket, user.key, subscription))
    return [Account(user, tuple(subscriptions)) for user, subscriptions in zip(users, held, strict=True)]


async def find_user(connection: Connection, environment: Environment, user_id: str) -> UserRef:
    """Return where a user's data is kept.

    Raises:
        UserNotFound: none has this id.
    """
    return _only(await find_users(connection, [(environment, user_id)]), user_id)


async def _lock_user(connection: Connection, environment: Environment, user_id: str) -> UserRef:
    return _only(await lock_users(connection, [(environment, user_id)], sharded=True), user_id)


def _only(found: dict[NamedUser, UserRef], user_id: str) -> UserRef:
    for user in found.values():
        return user
    raise UserNotFound(f"User not found: {shown(user_id)}")


async def _load_user(connection: Connection, ref: UserRef) -> User:
    row = await fetch_one(connection, SQL["load_user_by_key"], ref.bucket, ref.key, ref.environment.value)
    if row is None:  # Renamed since its id was found, in a transaction that sees each commit.
        raise UserNotFound(f"User not found: {shown(ref.id)}")
    return rows.user_from(row)


async def _claim_id(connection: Connection, user: User) -> None:
    """Take an id for a user, or refuse it when another has it."""
    bindings = (bucket_of(user.environment, user.id), user.environment.value, user.id, user.bucket, user.key)
    if await connection.fetchval(SQL["add_user_id"], *bindings) is None:
        raise Conflict(f"User {shown(user.id)} exists already; a user's id is unique")
