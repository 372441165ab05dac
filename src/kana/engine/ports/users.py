"""Storage of users and their subscriptions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Generic, NamedTuple, Protocol, TypeAlias, TypeVar

from kana.engine.ports.clock import Clock
from kana.model.account import Account
from kana.model.catalog import Catalog
from kana.model.environment import Actor, Environment
from kana.model.given import Given
from kana.model.notification import NewNotification
from kana.model.search import UserSearch
from kana.model.subscription import Subscription
from kana.model.user import User

Kind = TypeVar("Kind", bound=Given)
_Changed = TypeVar("_Changed")

Notify: TypeAlias = Callable[[Account, Sequence[_Changed]], Sequence[NewNotification]]
"""Returns the notifications of a change, by the account before it and what is new or changed."""


class Subscribed(NamedTuple):
    """A subscription with the present id of its user."""

    user_id: str
    subscription: Subscription


class Gift(NamedTuple, Generic[Kind]):
    """What was given to a user, with their present id, and how much of a top-up is used.

    ``duplicate`` if the same idempotency key had given it before.
    """

    user_id: str
    given: Kind
    used: int = 0
    duplicate: bool = False


class Signed(NamedTuple):
    """Who makes a change, for the administrative log, and the clock for its time, which is read under the lock."""

    by: Actor
    clock: Clock


class AccountStore(Protocol):
    """Stores users and their subscriptions. A signed change is logged in the same transaction."""

    async def create_user(self, user: User, *, signed: Signed | None = None) -> User:
        """Add a user.

        Raises:
            Conflict: the id is taken in this environment.
        """
        ...

    async def user(self, environment: Environment, user_id: str) -> User:
        """Return the user.

        Raises:
            UserNotFound: no user has this id.
        """
        ...

    async def user_by_key(self, environment: Environment, bucket: int, key: int) -> User | None:
        """Return the user whose data is stored under this bucket and key, renamed or not; None if there is none."""
        ...

    async def users(self, environment: Environment, *, limit: int, after: str | None) -> list[User]:
        """Return at most ``limit`` users in the order of their ids, from the first id after ``after``."""
        ...

    async def update_user(
        self,
        environment: Environment,
        user_id: str,
        change: Callable[[User], User],
        *,
        clock: Clock,
        signed: Signed | None = None,
    ) -> User:
        """Apply a pure change to a user under its lock. The id may change; subscriptions and usage follow.

        That they had the old id until now, by ``clock``, is kept, so that all that is theirs can be found later.

        Raises:
            UserNotFound: no user has this id.
            Conflict: the new id is taken.
        """
        ...

    async def revoke_tokens(self, environment: Environment, user_id: str, *, by: Actor, now: datetime) -> User:
        """Raise the version of a user's tokens under their lock, and log it.

        Raises:
            UserNotFound: no user has this id.
        """
        ...

    async def change_subscriptions(
        self,
        environment: Environment,
        user_id: str,
        change: Callable[[Account, Catalog], Sequence[Subscription]],
        *,
        notify: Notify[Subscription],
        signed: Signed | None = None,
    ) -> list[Subscription]:
        """Apply a change to an account under its lock: new and changed subscriptions are written and returned.

        The account includes ended subscriptions. ``change`` may be called again on a newer one; it reads the
        time under the lock. Its notifications, by ``notify``, are written with it.

        Raises:
            UserNotFound: no user has this id.
        """
        ...

    async def change_given(
        self,
        environment: Environment,
        user_id: str,
        change: Callable[[Account, Catalog], Sequence[Given]],
        *,
        notify: Notify[Given],
        signed: Signed | None = None,
    ) -> list[Given]:
        """Apply a change under the account's lock: new top-ups and overrides, and earlier ones with another end.

        ``change`` may be called again on a newer account; it reads the time under the lock.

        Raises:
            UserNotFound: no user has this id.
        """
        ...

    async def find_given(self, environment: Environment, given_id: int) -> Gift[Given] | None:
        """Return a top-up or an override, ended or not; None if there is none."""
        ...

    async def given(
        self, environment: Environment, user_id: str, kind: type[Given], *, limit: int, after: int | None
    ) -> list[Gift[Given]]:
        """Return at most ``limit`` top-ups or overrides of a user, ended ones included, the oldest first.

        They are those from the first id after ``after``.

        Raises:
            UserNotFound: no user has this id.
        """
        ...

    async def subscription(self, environment: Environment, subscription_id: int) -> Subscribed:
        """Return the subscription, ended or not.

        Raises:
            SubscriptionNotFound: no subscription has this id.
        """
        ...

    async def subscriptions(
        self, environment: Environment, *, user_id: str | None, limit: int, after: int | None
    ) -> list[Subscribed]:
        """Return at most ``limit`` subscriptions, ended or not, the oldest first, from the first id after ``after``.

        Raises:
            UserNotFound: ``user_id`` is given and none has it.
        """
        ...

    async def search_users(self, search: UserSearch) -> list[User]:
        """Return a page of the users that match, quickly among hundreds of thousands."""
        ...

    async def users_by_id(self, environment: Environment, ids: Sequence[str]) -> Mapping[str, User]:
        """Return those of the users who exist, by id."""
        ...

    async def users_by_email(self, environment: Environment, email: str, *, limit: int) -> list[User]:
        """Return at most ``limit`` users with this e-mail and a billing id, the oldest first."""
        ...
