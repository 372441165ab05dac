"""Users and subscriptions on SQLite."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime

import apsw

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
from kana.store.sqlite.database import Database
from kana.store.sqlite.directory import Directory
from kana.store.sqlite.session import SqliteSession, run
from kana.store.sqlite.statements import SQL


class Accounts(Directory):
    """Keeps users and what they are subscribed to."""

    def __init__(self, database: Database, catalogs: Catalogs) -> None:
        Directory.__init__(self, database)
        self._catalogs = catalogs

    async def create_user(self, user: User, *, signed: Signed | None = None) -> User:
        """See the port."""

        def work(connection: apsw.Connection) -> User:
            _claim_id(connection, user)
            connection.execute(SQL["put_user"], rows.user_row(user))
            if signed is not None:
                connection.execute(SQL["add_log_line"], rows.user_log_row(None, user, signed))
            return user

        return await self._database.write(work)

    async def user(self, environment: Environment, user_id: str) -> User:
        """See the port."""
        return self._database.read(lambda connection: _load_user(connection, environment, user_id))

    async def user_by_key(self, environment: Environment, bucket: int, key: int) -> User | None:
        """See the port."""
        bindings = (bucket, key, environment.value)
        found = self._database.read(lambda connection: connection.execute(SQL["load_user_by_key"], bindings).fetchall())
        return rows.user_from(found[0]) if found else None

    async def users(self, environment: Environment, *, limit: int, after: str | None) -> list[User]:
        """See the port."""
        bindings = (environment.value, after or "", limit)
        return await self._database.read_aside(
            lambda connection: [rows.user_from(row) for row in connection.execute(SQL["list_users"], bindings)]
        )

    async def update_user(
        self, environment: Environment, user_id: str, change: Callable[[User], User], *, signed: Signed | None = None
    ) -> User:
        """See the port."""

        def work(connection: apsw.Connection) -> User:
            old = _load_user(connection, environment, user_id)
            new = change(old)
            if new.id != old.id:
                _claim_id(connection, new)
                connection.execute(SQL["delete_user_id"], (bucket_of(environment, old.id), environment.value, old.id))
            connection.execute(SQL["put_user"], rows.user_row(new))
            if signed is not None and new != old:
                connection.execute(SQL["add_log_line"], rows.user_log_row(old, new, signed))
            return new

        return await self._database.write(work)

    async def revoke_tokens(self, environment: Environment, user_id: str, *, by: Actor, now: datetime) -> User:
        """See the port."""

        def work(connection: apsw.Connection) -> User:
            user = _load_user(connection, environment, user_id)
            connection.execute(SQL["raise_token_version"], (user.bucket, user.key))
            connection.execute(SQL["add_log_line"], rows.tokens_log_row(user, by=by, now=now))
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

        def work(connection: apsw.Connection) -> list[Subscription]:
            users = [(environment, user_id)]
            accounts = load_accounts(connection, users, history=users)
            if not accounts:
                raise UserNotFound(f"User not found: {shown(user_id)}")
            catalogs = run(self._catalogs.read(SqliteSession(connection), [environment]))
            changed = list(change(accounts[environment, user_id], catalogs[environment]))
            changed_rows = [rows.subscription_row(environment, subscription) for subscription in changed]
            connection.executemany(SQL["put_subscription"], changed_rows)
            if signed is not None:
                log = rows.subscription_log_rows(environment, accounts[environment, user_id], changed, signed)
                connection.executemany(SQL["add_log_line"], log)
            return changed

        return await self._database.write(work)

    async def subscription(self, environment: Environment, subscription_id: int) -> Subscribed:
        """See the port."""
        bindings = (bucket_of_id(subscription_id), subscription_id, environment.value)
        found = self._database.read(
            lambda connection: connection.execute(SQL["load_subscription"], bindings).fetchall()
        )
        if not found:
            raise SubscriptionNotFound(f"Subscription not found: '{subscription_id}'")
        return rows.subscribed_from(found[0])

    async def subscriptions(
        self, environment: Environment, *, user_id: str | None, limit: int, after: int | None
    ) -> list[Subscribed]:
        """See the port."""

        def work(connection: apsw.Connection) -> list[Subscribed]:
            if user_id is None:
                found = connection.execute(SQL["list_subscriptions"], (environment.value, after or 0, limit))
            else:
                user = _load_user(connection, environment, user_id)
                found = connection.execute(SQL["list_subscriptions_of"], (user.bucket, user.key, after or 0, limit))
            return [rows.subscribed_from(row) for row in found]

        return await self._database.read_aside(work)

    async def users_by_email(self, environment: Environment, email: str, *, limit: int) -> list[User]:
        """See the port."""
        bindings = (environment.value, email, limit)
        return self._database.read(
            lambda connection: [rows.user_from(row) for row in connection.execute(SQL["load_users_by_email"], bindings)]
        )


def load_accounts(
    connection: apsw.Connection, users: Sequence[NamedUser], *, history: Collection[NamedUser] = ()
) -> dict[NamedUser, Account]:
    """Return the accounts of those of the users who exist; for those in ``history`` with ended subscriptions too.

    One look-up after another: in this process they cost less than JSON for all of them would.
    """
    asked = [(bucket_of(*user), user[0].value, user[1], user in history, number) for number, user in enumerate(users)]
    accounts: dict[NamedUser, Account] = {}
    for number, bucket, user_key, *held in connection.executemany(SQL["load_account"], asked):
        user = users[number]
        subscriptions = () if held[0] is None else (rows.subscription(bucket, user_key, *held),)
        known = accounts.get(user)
        if known is None:
            accounts[user] = Account(UserRef(user[0], bucket, user_key, user[1]), subscriptions)
        else:
            accounts[user] = Account(known.user, known.subscriptions + subscriptions)
    return accounts


def load_user_ref(connection: apsw.Connection, environment: Environment, user_id: str) -> UserRef:
    """Return where a user's data is kept.

    Raises:
        UserNotFound: none has this id.
    """
    user = _load_user(connection, environment, user_id)
    return UserRef(environment, user.bucket, user.key, user.id)


def _load_user(connection: apsw.Connection, environment: Environment, user_id: str) -> User:
    bindings = (bucket_of(environment, user_id), environment.value, user_id)
    found = connection.execute(SQL["load_user"], bindings).fetchall()
    if not found:
        raise UserNotFound(f"User not found: {shown(user_id)}")
    return rows.user_from(found[0])


def _claim_id(connection: apsw.Connection, user: User) -> None:
    """Take an id for a user, or refuse it when another has it."""
    bindings = (bucket_of(user.environment, user.id), user.environment.value, user.id, user.bucket, user.key)
    connection.execute(SQL["add_user_id"], bindings)
    if connection.changes() == 0:
        raise Conflict(f"User {shown(user.id)} exists already; a user's id is unique")
