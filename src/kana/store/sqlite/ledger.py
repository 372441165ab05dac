"""Usage on SQLite: the ledger and its totals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

import apsw

from kana.engine.ports.usage import Snapshot, Want, Wanted
from kana.engine.usage.batch import Batch, EntryUse, KeyUse, NamedUser
from kana.model.account import Account
from kana.model.environment import Environment
from kana.model.grant import CounterKey
from kana.model.usage import Entry
from kana.store.catalogs import Catalogs
from kana.store.entries import Entries, counter_row, day_rows, entry_from, entry_row, hour_rows
from kana.store.notifications import add_notifications
from kana.store.reservations import load_ended, load_reserved, reservation_row, without_ended
from kana.store.sqlite.accounts import load_accounts
from kana.store.sqlite.database import Database
from kana.store.sqlite.session import SqliteSession, SqliteTransactions, run
from kana.store.sqlite.statements import SQL

_Wanted = TypeVar("_Wanted", bound=Wanted)

SMALL_BATCH = 64
"""Most usages that are decided on the serving thread: a few milliseconds, in which it does nothing else."""

SMALL_BATCH_DESCRIBED = 10
"""Most of them that have metadata: to write 16 KB of it takes as long as to decide many without."""

_HOURS_BUCKET = 0
"""The bucket of the totals by hour: one writer adds to one row."""


class SqliteLedger(Entries):
    """Decides and writes batches on the writer thread, one after another."""

    def __init__(self, database: Database, catalogs: Catalogs) -> None:
        super().__init__(SqliteTransactions(database))
        self._database = database
        self._catalogs = catalogs

    def lane(self, environment: Environment, user_id: str) -> int:  # noqa: ARG002 - one writer, one lane
        """See the port."""
        return 0

    async def append(self, batch: Batch) -> None:
        """See the port."""
        described = sum(each.metadata is not None for each in batch.requests)
        is_small = len(batch.requests) <= SMALL_BATCH and described <= SMALL_BATCH_DESCRIBED
        await self._database.write(lambda connection: self._append(connection, batch), is_small=is_small)

    def _append(self, connection: apsw.Connection, batch: Batch) -> None:
        catalogs = run(self._catalogs.read(SqliteSession(connection), batch.environments))
        accounts = load_accounts(connection, list(batch.users), history=batch.late)
        earlier = _load_earlier(connection, batch, accounts)
        to_reverse = _load_entries(connection, batch.reverse, accounts)
        batch.begin()
        reserved = run(load_reserved(SqliteSession(connection), batch, accounts.values(), earlier))
        batch.decide(_load_totals(connection, batch.place(catalogs, accounts, earlier, to_reverse, reserved)))
        connection.executemany(SQL["add_entry"], [entry_row(entry) for entry in batch.entries])
        totals = [(*counter_row(counter), used) for counter, used in batch.totals.items()]
        connection.executemany(SQL["put_total"], totals)
        connection.executemany(SQL["add_usage_day"], day_rows(batch.tallies))
        connection.executemany(SQL["add_usage_hour"], hour_rows(batch.tallies, bucket=_HOURS_BUCKET))
        if batch.reservations:
            connection.executemany(SQL["put_reservation"], map(reservation_row, batch.reservations.values()))
        if batch.notifications:
            run(add_notifications(SqliteSession(connection), batch.notifications))

    async def snapshot(
        self,
        environment: Environment,
        user_ids: Sequence[str],
        want: Want[_Wanted],
        *,
        now: datetime,
        history: bool = False,
    ) -> Snapshot[_Wanted]:
        """See the port."""

        def work(connection: apsw.Connection) -> Snapshot[_Wanted]:
            catalog = run(self._catalogs.read(SqliteSession(connection), [environment]))[environment]
            users = [(environment, user_id) for user_id in user_ids]
            found = load_accounts(connection, users, history=users if history else ())
            accounts = {user_id: account for (_, user_id), account in found.items()}
            wanted = {user_id: want(account, catalog) for user_id, account in accounts.items()}
            counters = [counter for each in wanted.values() for counter in each.counters()]
            used = _load_totals(connection, counters)
            if any(each.has_holds for each in accounts.values()):
                without_ended(used, run(load_ended(SqliteSession(connection), accounts.values(), now)))
            return Snapshot(catalog, accounts, wanted, used)

        return self._database.read(work)


def _load_totals(connection: apsw.Connection, counters: Iterable[CounterKey]) -> dict[CounterKey, int]:
    """Return those of the totals that exist."""
    wanted = list(counters)
    asked = [(*counter_row(counter), number) for number, counter in enumerate(wanted)]
    return {wanted[number]: used for number, used in connection.executemany(SQL["load_total"], asked)}


def _load_earlier(
    connection: apsw.Connection, batch: Batch, accounts: Mapping[NamedUser, Account]
) -> dict[KeyUse, Entry]:
    """Return the earlier entries with the batch's idempotency keys."""
    asked = [
        (*place, digest) for user, digest in batch.keys if user in accounts for place in accounts[user].user.places
    ]
    found = map(entry_from, connection.executemany(SQL["load_entry_by_key"], asked))
    return {(entry.user_key, entry.key): entry for entry in found if entry.key is not None}


def _load_entries(
    connection: apsw.Connection, asked: Sequence[tuple[NamedUser, int]], accounts: Mapping[NamedUser, Account]
) -> dict[EntryUse, Entry]:
    """Return the entries with these ids, as far as they are of these users."""
    refs = [(accounts[user].user, number) for user, number in asked if user in accounts]
    bindings = [(user.bucket, user.key, number) for user, number in refs]
    found = map(entry_from, connection.executemany(SQL["load_entry"], bindings))
    return {(entry.user_key, entry.id): entry for entry in found}
