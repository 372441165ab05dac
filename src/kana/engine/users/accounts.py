"""Users and their subscriptions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import TypedDict

from kana.engine.ids import IdMaker
from kana.engine.ports.clock import Clock
from kana.engine.ports.users import AccountStore, Signed, Subscribed
from kana.engine.turns import in_turns
from kana.errors import SubscriptionNotFound, SubscriptionRefused, Unavailable, UserNotFound
from kana.model import subscribing as rules
from kana.model.account import Account
from kana.model.catalog import Catalog
from kana.model.environment import Actor, Environment, bucket_of
from kana.model.notification import NewNotification, of_subscriptions
from kana.model.page import page_of, rows_to_read
from kana.model.subscription import Subscription
from kana.model.terms import AT_ONCE, ChangeTime, ChangeUsage, Terms
from kana.model.text import new_identifier, published_number
from kana.model.user import User

_NextId = Callable[[], int]
_Change = Callable[[Account, Catalog, datetime], Sequence[Subscription]]

_TRIES = 5


class UserChanges(TypedDict, total=False):
    """The fields of a user that may change. A field that is left out stays. ``id`` renames the user."""

    id: str
    billing_id: str | None
    time_zone: str | None
    name: str | None
    email: str | None
    metadata: object


class AccountEngine:
    """Manages users and their subscriptions.

    ``by`` says who makes a change, for the administrative log. A product that calls the API in normal operation,
    for example when somebody signs up, passes none, and nothing is logged.
    """

    def __init__(self, store: AccountStore, *, clock: Clock, ids: IdMaker) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids

    async def create_user(
        self,
        environment: Environment,
        *,
        id: str,  # noqa: A002 - Kana's word
        billing_id: str | None = None,
        name: str | None = None,
        email: str | None = None,
        time_zone: str | None = None,
        metadata: object = None,
        by: Actor | None = None,
    ) -> User:
        """Create a user.

        Raises:
            Conflict: the id is taken.
            InvalidValue: a field is not allowed.

        Source: docs.usekana.com/reference, mutations "createUser".
        """
        user = User(
            environment=environment,
            bucket=bucket_of(environment, new_identifier(id, field="id")),
            key=self._ids(),
            id=id,
            billing_id=billing_id,
            name=name,
            email=email,
            time_zone=time_zone,
            metadata={} if metadata is None else metadata,
            created_at=self._clock(),
        )
        return await self._store.create_user(user, signed=self._signed(by))

    async def user(self, environment: Environment, user_id: str) -> User:
        """Return the user.

        Raises:
            UserNotFound: no user has this id.
        """
        return await self._store.user(environment, user_id)

    async def users(
        self, environment: Environment, *, first: int | None = None, after: str | None = None
    ) -> list[User]:
        """Return users in the order of their ids: all of them, or the ``first`` so many after an id.

        Raises:
            InvalidValue: there are more than 10,000 and ``first`` is not given, or it is out of range.
        """
        found = await self._store.users(environment, limit=rows_to_read(first), after=after)
        return page_of(found, first, noun="users")

    async def update_user(
        self, environment: Environment, user_id: str, changes: UserChanges, *, by: Actor | None = None
    ) -> User:
        """Change a user, the id included; subscriptions, usage and tokens follow.

        Raises:
            UserNotFound: no user has this id.
            Conflict: the new id is taken.
            InvalidValue: a field is not allowed.

        Source: docs.usekana.com/reference, mutations "updateUser".
        """

        def change(user: User) -> User:
            new_identifier(changes.get("id", user.id), field="id", old=user.id)
            return replace(user, **changes)

        return await self._store.update_user(environment, user_id, change, clock=self._clock, signed=self._signed(by))

    async def revoke_tokens(self, environment: Environment, user_id: str, *, by: Actor) -> User:
        """Revoke all existing tokens of a user, immediately and in every process.

        Raises:
            UserNotFound: no user has this id.
        """
        return await self._store.revoke_tokens(environment, user_id, by=by, now=self._clock())

    async def subscribe(
        self,
        environment: Environment,
        user_id: str,
        package_ids: Sequence[str],
        *,
        terms: Terms = AT_ONCE,
        by: Actor | None = None,
    ) -> list[Subscribed]:
        """Subscribe a user to packages, all or nothing; return the subscriptions in the order of the ids.

        Raises:
            UserNotFound: no user has this id.
            SubscriptionRefused: a rule of subscribing is broken.
            InvalidValue: the terms are not possible now.

        Source: docs.usekana.com/reference, mutations "subscribe".
        """

        def change(account: Account, catalog: Catalog, now: datetime) -> list[Subscription]:
            next_id = self._next_id(account)
            return rules.subscribe(account, catalog, package_ids, terms=terms, now=now, next_id=next_id)

        return await self._change(environment, user_id, change, by)

    async def change_subscription(
        self,
        environment: Environment,
        user_id: str,
        package_id: str,
        *,
        when: ChangeTime = ChangeTime.NOW,
        usage: ChangeUsage = ChangeUsage.RESET,
        by: Actor | None = None,
    ) -> Subscribed:
        """Move a user from one base package to another in one step: the old one ends as the new one starts.

        Returns the new subscription. Until it starts it can be taken back: ``resume_subscription`` of the old one.

        Raises:
            UserNotFound: no user has this id.
            SubscriptionRefused: the user has no base package, or the new package cannot be subscribed to.
            Conflict: there is no period end to wait for.
        """

        def change(account: Account, catalog: Catalog, now: datetime) -> list[Subscription]:
            next_id = self._next_id(account)
            return rules.change_base(account, catalog, package_id, when=when, usage=usage, now=now, next_id=next_id)

        return (await self._change(environment, user_id, change, by))[-1]

    async def cancel_subscription(
        self, environment: Environment, subscription_id: int, *, at_period_end: bool = False, by: Actor | None = None
    ) -> Subscribed:
        """Cancel a subscription now or at the end of its longest current period, for a base package with its add-ons.

        Cancelling a subscription that has ended changes nothing and returns it.

        Raises:
            SubscriptionNotFound: no subscription has this id.
            Conflict: there is no period end to wait for.
        """

        def change(account: Account, catalog: Catalog, now: datetime) -> list[Subscription]:
            return rules.cancel(account, catalog, subscription_id, at_period_end=at_period_end, now=now)

        return await self._change_one(environment, subscription_id, change, by)

    async def resume_subscription(
        self, environment: Environment, subscription_id: int, *, by: Actor | None = None
    ) -> Subscribed:
        """Take back an end that is still to come, and the change to another base package that is scheduled then.

        Add-ons that were to end with a base package go on. Without an end nothing changes.

        Raises:
            SubscriptionNotFound: no subscription has this id.
            SubscriptionRefused: it has ended; it is an add-on whose base package ends; or another one starts later.
        """

        def change(account: Account, catalog: Catalog, now: datetime) -> list[Subscription]:
            return rules.resume(account, catalog, subscription_id, now=now)

        held = await self._change_one(environment, subscription_id, change, by)
        if not held.subscription.stands(self._clock()):
            raise SubscriptionRefused(f"Subscription {subscription_id} has ended; subscribe the user again")
        return held

    async def _change_one(
        self, environment: Environment, subscription_id: int, change: _Change, by: Actor | None
    ) -> Subscribed:
        """Change the account of a subscription, unless it has ended; return the subscription as it is then."""
        for _ in range(_TRIES):
            held = await self.subscription(environment, subscription_id)
            if not held.subscription.stands(self._clock()):
                return held
            # Another call may end it meanwhile, or rename its user; then it is read again.
            with suppress(SubscriptionNotFound, UserNotFound):
                changed = await self._change(environment, held.user_id, change, by)
                mine = (each for each in changed if each.subscription.id == subscription_id)
                return next(mine, None) or await self.subscription(environment, subscription_id)
        raise Unavailable("the user is being renamed by others; try again", retry_after_s=1)

    async def subscription(self, environment: Environment, subscription_id: int) -> Subscribed:
        """Return a subscription with its status now.

        Raises:
            SubscriptionNotFound: no subscription has this id.
        """
        user_id, subscription = await self._store.subscription(environment, subscription_id)
        return Subscribed(user_id, subscription.at(self._clock()))

    async def subscriptions(
        self,
        environment: Environment,
        *,
        user_id: str | None = None,
        first: int | None = None,
        after: int | None = None,
    ) -> list[Subscribed]:
        """Return subscriptions of any status, the oldest first: of one user or of all.

        Raises:
            UserNotFound: no user has this id.
            InvalidValue: there are more than 10,000 and ``first`` is not given, or it is out of range.
        """
        found = await self._store.subscriptions(environment, user_id=user_id, limit=rows_to_read(first), after=after)
        now = self._clock()
        return await in_turns(
            page_of(found, first, noun="subscriptions"),
            lambda held: Subscribed(held.user_id, held.subscription.at(now)),
        )

    def _next_id(self, account: Account) -> _NextId:
        return lambda: self._ids.with_bucket(account.user.bucket)

    def _signed(self, by: Actor | None) -> Signed | None:
        return None if by is None else Signed(by, self._clock)

    async def _change(
        self, environment: Environment, user_id: str, change: _Change, by: Actor | None
    ) -> list[Subscribed]:
        """Change an account at a time that is read under its lock."""

        def change_now(account: Account, catalog: Catalog) -> Sequence[Subscription]:
            return change(account, catalog, account.time(self._clock()))

        def notify(account: Account, changed: Sequence[Subscription]) -> Sequence[NewNotification]:
            return of_subscriptions(account, changed, now=account.time(self._clock()))

        changed = await self._store.change_subscriptions(
            environment, user_id, change_now, notify=notify, signed=self._signed(by)
        )
        return [Subscribed(user_id, subscription.at(self._clock())) for subscription in changed]


def parse_subscription_id(text: str) -> int:
    """Return the number of a subscription's published id, which is decimal digits.

    Raises:
        SubscriptionNotFound: it is not a number, so no subscription has it.
    """
    return published_number(text, SubscriptionNotFound, "Subscription")
