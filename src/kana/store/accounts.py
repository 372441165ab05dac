"""Users and their subscriptions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from kana.engine.ids import bucket_of_id
from kana.engine.ports.clock import Clock
from kana.engine.ports.users import Gift, Notify, Signed, Subscribed
from kana.errors import SubscriptionNotFound
from kana.model.account import Account
from kana.model.catalog import Catalog
from kana.model.environment import Actor, Environment
from kana.model.given import Given
from kana.model.notification import NotificationType, of_user
from kana.model.search import UserSearch
from kana.model.subscription import Subscription
from kana.model.user import User, UserRef
from kana.store import directory
from kana.store.catalogs import Catalogs
from kana.store.given import KINDS, given_from, given_log_rows, given_row
from kana.store.notifications import add_notifications
from kana.store.session import Session, Transactions
from kana.store.subscriptions import subscribed_from, subscription_from, subscription_log_rows, subscription_row
from kana.store.users import (
    leave_id,
    load_user,
    load_user_ref,
    load_users,
    load_users_by_id,
    lock_user_ref,
    take_id,
    tokens_log_row,
    user_from,
    user_log_row,
    user_row,
)
from kana.store.values import optional_moment


class Accounts:
    """Stores users and their subscriptions. ``AccountStore`` says what each call promises."""

    def __init__(self, transactions: Transactions, catalogs: Catalogs) -> None:
        self._transactions = transactions
        self._catalogs = catalogs

    async def create_user(self, user: User, *, signed: Signed | None = None) -> User:
        """Add a user."""

        async def work(session: Session) -> User:
            await take_id(session, user)
            await session.execute("put_user", *user_row(user))
            created = of_user(user, NotificationType.USER_CREATED, now=user.created_at)
            await add_notifications(session, [created])
            if signed is not None:
                await session.execute("add_log_line", *user_log_row(None, user, signed))
            return user

        return await self._transactions.write(work)

    async def user(self, environment: Environment, user_id: str) -> User:
        """Return a user."""

        async def work(session: Session) -> User:
            return await load_user(session, await load_user_ref(session, environment, user_id))

        return await self._transactions.read(work)

    async def user_by_key(self, environment: Environment, bucket: int, key: int) -> User | None:
        """Return the user whose data is stored there."""

        async def work(session: Session) -> User | None:
            found = await session.row("load_user_by_key", bucket, key, environment.value)
            return None if found is None else user_from(found)

        return await self._transactions.read(work)

    async def users(self, environment: Environment, *, limit: int, after: str | None) -> list[User]:
        """Return users in the order of their ids."""
        bindings = (environment.value, after or "", limit)
        return await self._transactions.read_aside(lambda session: load_users(session, "list_users", *bindings))

    async def update_user(
        self,
        environment: Environment,
        user_id: str,
        change: Callable[[User], User],
        *,
        clock: Clock,
        signed: Signed | None = None,
    ) -> User:
        """Change a user under their lock."""

        async def work(session: Session) -> User:
            old = await load_user(session, await lock_user_ref(session, environment, user_id))
            new = change(old)
            if new.id != old.id:
                await take_id(session, new)
                await leave_id(session, old, now=clock())
            await session.execute("put_user", *user_row(new))
            if signed is not None and new != old:
                await session.execute("add_log_line", *user_log_row(old, new, signed))
            return new

        return await self._transactions.write(work)

    async def revoke_tokens(self, environment: Environment, user_id: str, *, by: Actor, now: datetime) -> User:
        """Raise the version of a user's tokens."""

        async def work(session: Session) -> User:
            user = await load_user(session, await lock_user_ref(session, environment, user_id))
            await session.execute("raise_token_version", user.bucket, user.key)
            await session.execute("add_log_line", *tokens_log_row(user, by=by, now=now))
            return replace(user, token_version=user.token_version + 1)

        return await self._transactions.write(work)

    async def change_subscriptions(
        self,
        environment: Environment,
        user_id: str,
        change: Callable[[Account, Catalog], Sequence[Subscription]],
        *,
        notify: Notify[Subscription],
        signed: Signed | None = None,
    ) -> list[Subscription]:
        """Change an account under its lock."""

        async def work(session: Session) -> list[Subscription]:
            user = await lock_user_ref(session, environment, user_id)
            zone = await session.value("load_time_zone", user.bucket, user.key)
            account = replace(await load_account(session, user), time_zone=zone)
            catalogs = await self._catalogs.read(session, [environment])
            changed = list(change(account, catalogs[environment]))
            await session.many("put_subscription", [subscription_row(environment, each) for each in changed])
            await add_notifications(session, notify(account, changed))
            if signed is not None:
                await session.many("add_log_line", subscription_log_rows(environment, account, changed, signed))
            return changed

        return await self._transactions.write(work)

    async def change_given(
        self,
        environment: Environment,
        user_id: str,
        change: Callable[[Account, Catalog], Sequence[Given]],
        *,
        notify: Notify[Given],
        signed: Signed | None = None,
    ) -> list[Given]:
        """Change what was given to a user under their account's lock."""

        async def work(session: Session) -> list[Given]:
            user = await lock_user_ref(session, environment, user_id)
            account = await load_account(session, user)
            for bucket, key in user.led_to:  # What had a key before a merge is given once, too.
                earlier = await _load_given(session, bucket, key)
                account = replace(account, given=(*earlier, *account.given))
            catalogs = await self._catalogs.read(session, [environment])
            changed = list(change(account, catalogs[environment]))
            await session.many("put_given", [given_row(environment, each) for each in changed])
            await add_notifications(session, notify(account, changed))
            if signed is not None:
                await session.many("add_log_line", given_log_rows(environment, account, changed, signed))
            return changed

        return await self._transactions.write(work)

    async def find_given(self, environment: Environment, given_id: int) -> Gift[Given] | None:
        """Return what was given, with the id of its user."""
        bindings = (bucket := bucket_of_id(given_id), given_id, environment.value)
        found = await self._transactions.read(lambda session: session.row("find_given", *bindings))
        if found is None:
            return None
        user_id, user_key, used, *row = found
        return Gift(user_id, given_from(bucket, user_key, *row), used)

    async def given(
        self, environment: Environment, user_id: str, kind: type[Given], *, limit: int, after: int | None
    ) -> list[Gift[Given]]:
        """Return what of one kind was given to a user, the oldest first."""

        async def work(session: Session) -> list[Gift[Given]]:
            user = await load_user_ref(session, environment, user_id)
            found = await session.rows("list_given", user.bucket, user.key, KINDS[kind], after or 0, limit)
            return [Gift(user_id, given_from(user.bucket, user.key, *row), used) for used, *row in found]

        return await self._transactions.read_aside(work)

    async def subscription(self, environment: Environment, subscription_id: int) -> Subscribed:
        """Return a subscription."""
        bindings = (bucket_of_id(subscription_id), subscription_id, environment.value)
        found = await self._transactions.read(lambda session: session.row("load_subscription", *bindings))
        if found is None:
            raise SubscriptionNotFound(f"Subscription not found: '{subscription_id}'")
        return subscribed_from(found)

    async def subscriptions(
        self, environment: Environment, *, user_id: str | None, limit: int, after: int | None
    ) -> list[Subscribed]:
        """Return subscriptions, the oldest first."""

        async def work(session: Session) -> list[Subscribed]:
            if user_id is None:
                found = await session.rows("list_subscriptions", environment.value, after or 0, limit)
            else:
                user = await load_user_ref(session, environment, user_id)
                found = await session.rows("list_subscriptions_of", user.bucket, user.key, after or 0, limit)
            return [subscribed_from(row) for row in found]

        return await self._transactions.read_aside(work)

    async def search_users(self, search: UserSearch) -> list[User]:
        """Return a page of the users that match."""
        return await self._transactions.read_aside(lambda session: directory.search(session, search))

    async def users_by_id(self, environment: Environment, ids: Sequence[str]) -> Mapping[str, User]:
        """Return those of the users who exist."""
        return await self._transactions.read_aside(lambda session: load_users_by_id(session, environment, ids))

    async def users_by_email(self, environment: Environment, email: str, *, limit: int) -> list[User]:
        """Return users with this e-mail and a billing id, the oldest first."""
        bindings = (environment.value, email, limit)
        return await self._transactions.read_aside(
            lambda session: load_users(session, "load_users_by_email", *bindings)
        )


async def load_account(session: Session, user: UserRef) -> Account:
    """Return an account with its ended subscriptions."""
    found = await session.rows("load_subscriptions_of", user.bucket, user.key)
    subscriptions = tuple(subscription_from(user.bucket, user.key, *row) for row in found)
    holds_end = await session.value("load_holds_end", user.bucket, user.key)
    given = await _load_given(session, user.bucket, user.key)
    return Account(user, subscriptions, given, holds_end=optional_moment(holds_end))


async def _load_given(session: Session, bucket: int, key: int) -> tuple[Given, ...]:
    found = await session.rows("load_given", bucket, key)
    return tuple(given_from(bucket, key, *row) for row in found)
