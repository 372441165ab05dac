"""Merging two users in one transaction."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from kana.engine.ports.users import Signed
from kana.errors import Conflict
from kana.model import subscribing as rules
from kana.model.account import Account
from kana.model.catalog import Catalog
from kana.model.environment import Environment, bucket_of
from kana.model.grant import CounterKey
from kana.model.merge import MergedUser, MovedEntry, check_nothing_held, moved_entries, shared_features
from kana.model.notification import of_subscriptions
from kana.model.period import from_milliseconds, to_milliseconds
from kana.model.tally import Tallies
from kana.model.text import shown
from kana.model.user import User
from kana.store.accounts import load_account
from kana.store.catalogs import Catalogs
from kana.store.entries import counter_row, day_rows, entry_row, hour_rows
from kana.store.notifications import add_notifications
from kana.store.session import Row, Session, Transactions
from kana.store.subscriptions import subscription_row
from kana.store.users import load_user, load_user_ref, lock_user_ref, merged_log_row, user_from, user_row
from kana.store.values import to_json


class Merges:
    """Merges users. ``MergeStore`` says what each call promises."""

    def __init__(self, transactions: Transactions, catalogs: Catalogs) -> None:
        self._transactions = transactions
        self._catalogs = catalogs

    async def merge_users(
        self, environment: Environment, from_id: str, into_id: str, *, signed: Signed, next_id: Callable[[], int]
    ) -> User:
        """Merge."""

        async def work(session: Session) -> User:
            # In the order in which batches lock accounts, so that no two transactions wait for each other.
            ids = sorted({from_id, into_id}, key=lambda each: (bucket_of(environment, each), each))
            refs = {each: await lock_user_ref(session, environment, each) for each in ids}
            source, target = await load_user(session, refs[from_id]), await load_user(session, refs[into_id])
            _check(source, target, from_id)
            accounts = [await load_account(session, refs[each]) for each in (from_id, into_id)]
            catalogs = await self._catalogs.read(session, [environment])
            now = max(account.time(signed.clock()) for account in accounts)
            check_nothing_held(accounts[0], now=now)
            await _move(session, accounts[0], accounts[1], catalogs[environment], now=now, next_id=next_id)
            await _end(session, environment, accounts[0], now=now)
            await _redirect(session, MergedUser(user=source, merged_at=now), target)
            await session.execute("add_log_line", *merged_log_row(source, target, by=signed.by, now=now))
            return target

        return await self._transactions.write(work)


def _check(source: User, target: User, from_id: str) -> None:
    if source.id != from_id:
        raise Conflict(f"User {shown(from_id)} was merged into {shown(source.id)} before; merge that user instead")
    if (source.bucket, source.key) == (target.bucket, target.key):
        raise Conflict(f"{shown(from_id)} cannot be merged into the same user")


async def _move(
    session: Session, source: Account, target: Account, catalog: Catalog, *, now: datetime, next_id: Callable[[], int]
) -> None:
    """Move what was used in the current periods of features that both have."""
    shared = shared_features(source, target, catalog, now=now)
    counters = {each for feature in shared for each in (*feature.source.counters, *feature.target.counters)}
    used = {each: await session.value("load_counter", *counter_row(each)) or 0 for each in counters}
    moved = moved_entries(source.user, target.user, shared, used, now=now, next_id=next_id)
    tallies = Tallies()
    for entry, package_id in moved:
        tallies.add(entry, package_id)
    await session.many("write_entry", [entry_row(each.entry) for each in moved])
    await session.many("add_to_counter", list(_totals(moved, used)))
    await session.many("add_to_usage_day", day_rows(tallies))
    await session.many("add_to_usage_hour", hour_rows(tallies, bucket=source.user.bucket))


def _totals(moved: Iterable[MovedEntry], used: dict[CounterKey, int]) -> Iterable[Row]:
    totals: dict[CounterKey, int] = {}
    for entry, _ in moved:
        for counter, change in entry.postings:
            totals[counter] = totals.get(counter, used[counter]) + change
    return ((*counter_row(counter), total) for counter, total in totals.items())


async def _end(session: Session, environment: Environment, account: Account, *, now: datetime) -> None:
    ended = rules.end_all(account, now=now)
    await session.many("put_subscription", [subscription_row(environment, each) for each in ended])
    await add_notifications(session, of_subscriptions(account, ended, now=now))
    await session.execute("end_given", account.user.bucket, account.user.key, to_milliseconds(now))


async def _redirect(session: Session, merged: MergedUser, target: User) -> None:
    """Let the ids of a user, and of those who were merged into them before, lead to another."""
    user, places = merged.user, (merged.user.bucket, merged.user.key, target.bucket, target.key)
    for each in [merged, *await load_merged(session, user.bucket, user.key)]:
        ref = await load_user_ref(session, user.environment, each.user.id)
        key = (bucket_of(user.environment, each.user.id), user.environment.value, each.user.id)
        await session.execute("redirect_user_id", *key, target.bucket, target.key, to_json(ref.places))
    await session.execute("redirect_merged_users", *places)
    await session.execute("redirect_former_ids", *places)
    await session.execute("add_merged_user", *_merged_row(merged, target))
    await session.execute("delete_user", user.bucket, user.key)


async def load_merged(session: Session, bucket: int, key: int) -> list[MergedUser]:
    """Return those who were merged into a user, the first one first."""
    return [_merged_from(row) for row in await session.rows("list_merged_users", bucket, key)]


def _merged_row(merged: MergedUser, target: User) -> Row:
    """Write a row of ``add_merged_user``."""
    user = merged.user
    details = to_json([*user_row(user)[4:-1], user.token_version, user.time_zone])
    return (
        user.bucket, user.key, user.environment.value, user.id, target.bucket, target.key,
        to_milliseconds(merged.merged_at), details,
    )  # fmt: skip


def _merged_from(row: Row) -> MergedUser:
    """Read a row of ``list_merged_users``."""
    bucket, key, environment, user_id, merged_at, details = row
    kept: Sequence[object] = json.loads(details)
    return MergedUser(
        user=user_from((bucket, key, environment, user_id, *kept)), merged_at=from_milliseconds(merged_at)
    )
