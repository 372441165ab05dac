"""Reading the accounts of a batch or a snapshot on SQLite."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import lru_cache

import apsw

from kana.engine.usage.batch import NamedUser
from kana.model.account import Account
from kana.model.environment import bucket_of
from kana.model.given import Given
from kana.model.user import UserRef
from kana.store.given import given_from
from kana.store.session import Row
from kana.store.sqlite.statements import SQL
from kana.store.subscriptions import subscription_from
from kana.store.users import led_to_from
from kana.store.values import optional_moment


def load_accounts(
    connection: apsw.Connection, users: Sequence[NamedUser], *, history: Collection[NamedUser] = ()
) -> dict[NamedUser, Account]:
    """Return the accounts of the users who exist; for those in ``history`` with ended subscriptions.

    They are looked up one after another, which costs less than JSON for all of them.
    """
    asked = [(bucket_of(*user), user[0].value, user[1], user in history, number) for number, user in enumerate(users)]
    found: dict[int, tuple[Row, ...]] = {}
    for row in connection.executemany(SQL["load_account"], asked):
        number = row[0]
        found[number] = (*found[number], row[1:]) if number in found else (row[1:],)
    accounts: dict[NamedUser, Account] = {}
    for number, rows in found.items():
        user = users[number]
        account = _account_from(user, rows)
        if rows[0][2]:
            account = replace(account, given=_load_given(connection, account.user))
        accounts[user] = account
    return accounts


@lru_cache(maxsize=16_384)  # Accounts rarely change, and those in use are read again and again.
def _account_from(user: NamedUser, rows: Sequence[Row]) -> Account:
    """Read rows of ``load_account``, one for each subscription; without what was given to the user alone."""
    bucket, user_key, _, holds_end, led_to = rows[0][:5]
    held = [row[5:] for row in rows if row[5] is not None]
    return Account(
        user=UserRef(user[0], bucket, user_key, user[1], led_to_from(led_to)),
        subscriptions=tuple(subscription_from(bucket, user_key, *each) for each in held),
        holds_end=optional_moment(holds_end),
    )


def _load_given(connection: apsw.Connection, user: UserRef) -> tuple[Given, ...]:
    found = connection.execute(SQL["load_given"], (user.bucket, user.key))
    return tuple(given_from(user.bucket, user.key, *row) for row in found)
