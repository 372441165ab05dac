"""Reading the accounts of a batch or a snapshot on SQLite."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import apsw

from kana.engine.usage.batch import NamedUser
from kana.model.account import Account
from kana.model.environment import bucket_of
from kana.model.given import Given
from kana.model.user import UserRef
from kana.store.given import given_from
from kana.store.sqlite.statements import SQL
from kana.store.subscriptions import subscription_from
from kana.store.values import optional_moment


def load_accounts(
    connection: apsw.Connection, users: Sequence[NamedUser], *, history: Collection[NamedUser] = ()
) -> dict[NamedUser, Account]:
    """Return the accounts of the users who exist; for those in ``history`` with ended subscriptions.

    They are looked up one after another, which costs less than JSON for all of them.
    """
    asked = [(bucket_of(*user), user[0].value, user[1], user in history, number) for number, user in enumerate(users)]
    accounts: dict[NamedUser, Account] = {}
    for number, bucket, user_key, has_given, holds_end, *held in connection.executemany(SQL["load_account"], asked):
        user = users[number]
        subscriptions = () if held[0] is None else (subscription_from(bucket, user_key, *held),)
        known = accounts.get(user)
        if known is None:
            given = _load_given(connection, bucket, user_key) if has_given else ()
            ref = UserRef(user[0], bucket, user_key, user[1])
            accounts[user] = Account(ref, subscriptions, given, holds_end=optional_moment(holds_end))
        else:
            accounts[user] = Account(
                known.user, known.subscriptions + subscriptions, known.given, holds_end=known.holds_end
            )
    return accounts


def _load_given(connection: apsw.Connection, bucket: int, user_key: int) -> tuple[Given, ...]:
    found = connection.execute(SQL["load_given"], (bucket, user_key))
    return tuple(given_from(bucket, user_key, *row) for row in found)
