"""Usage on PostgreSQL: the ledger and its totals."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from kana.engine.ports.usage import Snapshot, Want, Wanted
from kana.engine.usage.batch import Batch, EntryUse, KeyUse, NamedUser
from kana.engine.usage.gather import Gatherer
from kana.errors import KanaError, OutcomeUnknown, Unavailable
from kana.model.account import Account
from kana.model.catalog import Catalog
from kana.model.environment import BUCKETS, Environment, bucket_of
from kana.model.grant import CounterKey
from kana.model.usage import Entry
from kana.model.user import UserRef
from kana.store.catalogs import Catalogs
from kana.store.entries import ENTRY_COLUMNS, Entries, counter_row, day_rows, entry_from, entry_row, hour_rows
from kana.store.notifications import add_notifications
from kana.store.postgres.accounts import find_users, load_accounts, lock_users
from kana.store.postgres.columns import columns
from kana.store.postgres.database import CALL_S, TRANSACTION_S, CommitLost, Database
from kana.store.postgres.pool import Connection, fetch
from kana.store.postgres.session import PostgresSession, PostgresTransactions
from kana.store.postgres.statements import SQL
from kana.store.reservations import load_ended, load_reserved, reservation_row, without_ended

LANES = 2
"""How many batches of one process commit at the same time on a database that is not sharded.

While one waits for the disk the other is decided. More would make the batches smaller, which costs
the process more per entry than waiting does.
"""

_Wanted = TypeVar("_Wanted", bound=Wanted)

_PAUSE_S = 0.05


@dataclass(frozen=True, slots=True)
class _Question:
    """The arguments of one call of ``snapshot``."""

    environment: Environment
    user_ids: Sequence[str]
    want: Want[Any]
    now: datetime
    history: bool

    @property
    def users(self) -> list[NamedUser]:
        return [(self.environment, user_id) for user_id in self.user_ids]


class PostgresLedger(Entries):
    """Decides and writes batches, separately for each lane, each under the locks of its accounts.

    ``lanes`` says for each bucket which lane it is in; in a sharded database that is its shard. Totals by
    hour cover all users: each lane of each process adds to its own rows, in a random bucket of that lane,
    so that none waits for another's commit.
    """

    def __init__(self, database: Database, catalogs: Catalogs, *, lanes: Sequence[int] | None = None) -> None:
        super().__init__(PostgresTransactions(database))
        self._database = database
        self._catalogs = catalogs
        self._sharded = lanes is not None
        self._lanes = lanes or [bucket * LANES // BUCKETS for bucket in range(BUCKETS)]
        self._hours_buckets = {
            lane: secrets.choice([bucket for bucket in range(BUCKETS) if self._lanes[bucket] == lane])
            for lane in set(self._lanes)
        }
        self._questions: Gatherer[_Question, Snapshot[Any]] = Gatherer(self._answer)

    def lane(self, environment: Environment, user_id: str) -> int:
        """See the port."""
        return self._lanes[bucket_of(environment, user_id)]

    async def append(self, batch: Batch) -> None:
        """See the port."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        while True:
            try:
                return await self._database.write(
                    lambda connection: self._append(connection, batch), until=started + TRANSACTION_S
                )
            except CommitLost as lost:
                if await self._was_written(batch, lost, started + CALL_S):
                    return None
                if loop.time() > started + TRANSACTION_S:
                    raise Unavailable("the connection was lost before the commit; nothing was recorded") from lost

    async def _append(self, connection: Connection, batch: Batch) -> None:
        users = await lock_users(connection, batch.users, sharded=self._sharded)
        catalogs = await self._catalogs.read(PostgresSession(connection), batch.environments)
        late = batch.late
        held = await load_accounts(connection, list(users.values()), history=[who in late for who in users])
        accounts = dict(zip(users, held, strict=True))
        earlier = await _load_earlier(connection, batch, users)
        to_reverse = await _load_entries(connection, batch.reverse, users)
        batch.begin()
        reserved = await load_reserved(PostgresSession(connection), batch, held, earlier)
        batch.decide(await _load_totals(connection, batch.place(catalogs, accounts, earlier, to_reverse, reserved)))
        if batch.entries:
            # COPY took three quarters of the time of an insert from arrays for 8 entries, and 0.6 for 1,000.
            lines = [entry_row(entry) for entry in batch.entries]
            await connection.copy_records_to_table("entries", columns=ENTRY_COLUMNS, records=lines)
        if batch.totals:
            totals = [(*counter_row(counter), used) for counter, used in batch.totals.items()]
            await connection.execute(SQL["put_total"], *columns(totals))
        if batch.tallies.days:
            bucket = self._hours_buckets[self.lane(*next(iter(batch.users)))]
            await connection.execute(SQL["add_usage_day"], *columns(day_rows(batch.tallies)))
            hours = hour_rows(batch.tallies, bucket=bucket)
            await connection.execute(SQL["add_usage_hour"], *columns(hours))
        if batch.reservations:
            rows = [reservation_row(each) for each in batch.reservations.values()]
            await PostgresSession(connection).many("put_reservation", rows)
        if batch.notifications:
            await add_notifications(PostgresSession(connection), batch.notifications)

    async def _was_written(self, batch: Batch, lost: CommitLost, until: float) -> bool:
        """Return whether a batch is in the ledger after its commit lost the connection.

        The lost transaction held the locks of its accounts: once one of them can be taken, it has ended,
        and its entries are there or never will be.

        Raises:
            OutcomeUnknown: the database could not be asked in time.
        """
        if not batch.entries:
            return True
        first = batch.entries[0]
        loop = asyncio.get_running_loop()

        async def look(connection: Connection) -> bool:
            await lock_users(connection, batch.users, sharded=self._sharded)
            found = await connection.fetchval(SQL["has_entry"], first.bucket, first.user_key, first.id)
            return found is not None

        while loop.time() < until:
            try:
                return await self._database.write(look, until=until)
            except KanaError:
                await asyncio.sleep(min(_PAUSE_S, max(until - loop.time(), 0)))
        raise OutcomeUnknown(
            "the connection to PostgreSQL was lost while committing; retry with the same key"
        ) from lost

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
        return await self._questions.ask(_Question(environment, user_ids, want, now, history))

    async def _answer(self, questions: Sequence[_Question]) -> list[Snapshot[Any] | Exception]:
        return await self._database.read(lambda connection: self._read_snapshots(connection, questions))

    async def _read_snapshots(
        self, connection: Connection, questions: Sequence[_Question]
    ) -> list[Snapshot[Any] | Exception]:
        """Answer several questions at the same moment, in as many round trips as for one."""
        catalogs = await self._catalogs.read(
            PostgresSession(connection), {question.environment for question in questions}
        )
        users = await find_users(connection, list({who for question in questions for who in question.users}))
        asked = [
            (number, users[who], question.history)
            for number, question in enumerate(questions)
            for who in question.users
            if who in users
        ]
        held = await load_accounts(
            connection, [user for _, user, _ in asked], history=[history for *_, history in asked]
        )
        accounts: list[dict[str, Account]] = [{} for _ in questions]
        for (number, user, _), account in zip(asked, held, strict=True):
            accounts[number][user.id] = account
        wanted = [
            _wanted(question, catalogs[question.environment], found)
            for question, found in zip(questions, accounts, strict=True)
        ]
        readers = [one for each in wanted if not isinstance(each, Exception) for one in each.values()]
        counters = {counter for one in readers for counter in one.counters()}
        used = await _load_totals(connection, counters)
        now = max(question.now for question in questions)
        without_ended(used, await load_ended(PostgresSession(connection), held, now))
        return [
            each if isinstance(each, Exception) else Snapshot(catalogs[question.environment], found, each, used)
            for question, found, each in zip(questions, accounts, wanted, strict=True)
        ]


def _wanted(question: _Question, catalog: Catalog, accounts: Mapping[str, Account]) -> dict[str, Wanted] | KanaError:
    """Return what a question wants of each account; an error is the answer to this question only."""
    try:
        return {user_id: question.want(account, catalog) for user_id, account in accounts.items()}
    except KanaError as error:
        return error


async def _load_totals(connection: Connection, counters: Iterable[CounterKey]) -> dict[CounterKey, int]:
    wanted = list(counters)
    if not wanted:
        return {}
    keys = columns([counter_row(counter) for counter in wanted])
    return {wanted[number - 1]: used for number, used in await fetch(connection, SQL["load_totals"], *keys)}


async def _load_earlier(
    connection: Connection, batch: Batch, users: Mapping[NamedUser, UserRef]
) -> dict[KeyUse, Entry]:
    """Return the earlier entries with the batch's idempotency keys."""
    wanted = [(*place, digest) for who, digest in batch.keys if who in users for place in users[who].places]
    if not wanted:
        return {}
    found = map(entry_from, await fetch(connection, SQL["load_entries_by_key"], *columns(wanted)))
    return {(entry.user_key, entry.key): entry for entry in found if entry.key is not None}


async def _load_entries(
    connection: Connection, asked: Sequence[tuple[NamedUser, int]], users: Mapping[NamedUser, UserRef]
) -> dict[EntryUse, Entry]:
    """Return the entries with these ids, as far as they are of these users."""
    found = {}
    for who, number in asked:  # Few, and rarely any.
        if who in users:
            for row in await fetch(connection, SQL["load_entry"], users[who].bucket, users[who].key, number):
                found[users[who].key, number] = entry_from(row)
    return found
