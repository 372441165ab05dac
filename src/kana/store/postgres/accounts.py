"""Finding, locking and reading the accounts of a batch or a snapshot on PostgreSQL, in one round trip each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from kana.engine.usage.batch import NamedUser
from kana.model.account import Account
from kana.model.environment import bucket_of
from kana.model.given import Given
from kana.model.subscription import Subscription
from kana.model.user import UserRef
from kana.store.given import given_from
from kana.store.postgres.columns import columns
from kana.store.postgres.pool import Connection, fetch
from kana.store.postgres.statements import SQL
from kana.store.subscriptions import subscription_from
from kana.store.users import led_to_from
from kana.store.values import optional_moment


async def find_users(connection: Connection, users: Sequence[NamedUser]) -> dict[NamedUser, UserRef]:
    """Return where the data of these users is stored; those who do not exist are left out."""
    if not users:
        return {}
    found = await fetch(connection, SQL["load_accounts"], *columns([(bucket_of(*who), *who) for who in users]))
    return _refs(users, found)


async def lock_users(connection: Connection, users: Iterable[NamedUser], *, sharded: bool) -> dict[NamedUser, UserRef]:
    """Return the same and lock them, so that nobody else decides on them before the transaction ends.

    Locks are taken in the order of the users' keys. A sharded database needs one statement for
    each bucket, so the buckets are in order too.
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
    for number, bucket, key, led_to in found:
        environment, user_id = users[number - 1]
        refs[environment, user_id] = UserRef(environment, bucket, key, user_id, led_to_from(led_to))
    return refs


async def load_accounts(
    connection: Connection, users: Sequence[UserRef], *, history: Sequence[bool] = ()
) -> list[Account]:
    """Return the accounts of users that were found, in the same order.

    ``history`` says for each of them whether ended subscriptions are included.
    """
    if not users:
        return []
    flags = history or [False] * len(users)
    keys = columns([(user.bucket, user.key, flag) for user, flag in zip(users, flags, strict=True)])
    held: list[list[Subscription]] = [[] for _ in users]
    given: list[tuple[Given, ...]] = [() for _ in users]
    holds_end: list[datetime | None] = [None] * len(users)
    for number, grants, first_end, *subscription in await fetch(connection, SQL["load_held_subscriptions"], *keys):
        user = users[number - 1]
        if grants is not None and not given[number - 1]:
            given[number - 1] = tuple(given_from(user.bucket, user.key, *row) for row in json.loads(grants))
        holds_end[number - 1] = optional_moment(first_end)
        if subscription[0] is not None:
            held[number - 1].append(subscription_from(user.bucket, user.key, *subscription))
    return [
        Account(user, tuple(mine), alone, holds_end=first_end)
        for user, mine, alone, first_end in zip(users, held, given, holds_end, strict=True)
    ]
