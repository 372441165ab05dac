"""Notifications: writing them with what they are about, and reading them in an order in which none is missed."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import NamedTuple

from kana.model.environment import Environment
from kana.model.given import TopUp
from kana.model.notification import (
    SOON,
    NewNotification,
    Notification,
    NotificationType,
    of_reservation,
    of_subscription,
    top_up_ends_soon,
)
from kana.model.period import from_milliseconds, to_milliseconds
from kana.store.given import given_from
from kana.store.reservations import reservation_from
from kana.store.session import Row, Session, Transactions
from kana.store.subscriptions import subscription_from
from kana.store.values import optional_moment, to_json

PLACED_TOGETHER = 1000
"""Most notifications that get a position in one transaction."""

DUE_TOGETHER = 200
"""Most of each kind that are looked at in one transaction, so that nobody else waits."""

_LAST_MS = 2**42 - 1
"""The last millisecond that an id has room for, in 2109; what is said to have happened later is ordered as then."""

_NUMBERS = count(secrets.randbits(21))
"""Distinguishes what happens in one millisecond; it starts at random, as other processes write too."""

_MOVED_EVERY = timedelta(minutes=1)
"""How often it is written until when it was looked: a process that has nothing to do need not write all the time."""

_OVERLAP = timedelta(minutes=10)
"""How far back it is looked again, for what a transaction had not committed, or another clock had not reached."""


class Notifications:
    """Reads notifications. ``NotificationStore`` says what each call promises.

    The order in which transactions commit is nowhere to be read, and a number that is taken while writing may be
    committed after a larger one. So a notification has no position when it is written. Whoever reads gives one to all
    that are committed, under a lock that is held until these positions are committed themselves. So positions grow in
    the order in which they can be read, on any database.
    """

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def notifications(self, environment: Environment, *, after: int, limit: int) -> list[Notification]:
        """Give positions, and read."""
        await place_all(self._transactions, environment)
        bindings = (environment.value, after, limit)
        found = await self._transactions.read(lambda session: session.rows("list_notifications", *bindings))
        return [notification_from(row) for row in found]

    async def last(self, environment: Environment) -> int:
        """Give positions, and read the last one."""
        await place_all(self._transactions, environment)
        return await self._transactions.read(lambda session: last_position(session, environment))

    async def find_due(self, environment: Environment, *, now: datetime) -> bool:
        """Write a page of what is due since it was looked last."""

        async def work(session: Session) -> bool:
            _, looked_until = await _lock(session, environment)
            since = now if looked_until is None else looked_until - _OVERLAP
            pages = [await _write_page(session, environment, source, since, now) for source in _SOURCES]
            is_all = max(pages) < DUE_TOGETHER
            if is_all and (looked_until is None or now - looked_until >= _MOVED_EVERY):
                await session.execute("move_looked_until", environment.value, to_milliseconds(now))
            return is_all

        return await self._transactions.write(work)

    async def forget(self, *, before: datetime, limit: int) -> int:
        """Delete old ones."""
        until = to_milliseconds(before)

        async def has_old(session: Session) -> bool:
            return await session.value("has_old_notifications", until) is not None

        if not await self._transactions.read(has_old):
            return 0
        return await self._transactions.write(lambda session: session.execute("delete_notifications", until, limit))


async def add_notifications(session: Session, notifications: Iterable[NewNotification]) -> None:
    """Write notifications in the transaction of what they are about, but not again those of which there is only one."""
    for each in notifications:
        if each.once is None or await session.execute("note_once", each.bucket, each.once, each.environment.value):
            await session.execute("add_notification", *_notification_row(each))


async def place_all(transactions: Transactions, environment: Environment) -> None:
    """Give a position to all notifications that are committed and have none."""

    async def has_unplaced(session: Session) -> bool:
        return await session.value("has_unplaced", environment.value) is not None

    while await transactions.read(has_unplaced):
        await transactions.write(lambda session: _place(session, environment))


async def last_position(session: Session, environment: Environment) -> int:
    """Return the last position that was given; 0 if none was."""
    return await session.value("load_last_position", environment.value) or 0


async def _place(session: Session, environment: Environment) -> None:
    last, _ = await _lock(session, environment)
    found = await session.rows("list_unplaced", environment.value, PLACED_TOGETHER)
    await session.many("place_notification", [(*key, last + number) for number, key in enumerate(found, 1)])
    await session.execute("move_positions", environment.value, last + len(found))


async def _lock(session: Session, environment: Environment) -> tuple[int, datetime | None]:
    """Return the last position, and until when it was looked for what is due, and lock both."""
    await session.execute("begin_positions", environment.value)
    [row] = await session.rows("lock_positions", environment.value)
    return int(row[0]), optional_moment(row[1])


class _Source(NamedTuple):
    """Where something happens without a call: a statement, what it finds, how long before, and what its rows say."""

    statement: str
    type: NotificationType
    ahead: timedelta
    read: Callable[[Row, Environment, datetime], Iterable[NewNotification]]


async def _write_page(
    session: Session, environment: Environment, source: _Source, since: datetime, now: datetime
) -> int:
    """Write the notifications of some rows, and that these were looked at; return how many there were."""
    window = (to_milliseconds(since + source.ahead), to_milliseconds(now + source.ahead))
    rows = await session.rows(source.statement, *window, f"{source.type} ", environment.value, DUE_TOGETHER)
    for row in rows:
        await add_notifications(session, source.read(row, environment, now))
    await session.many("note_once", [(row[0], f"{source.type} {row[2]}", environment.value) for row in rows])
    return len(rows)


def _of_subscription(row: Row, environment: Environment, now: datetime) -> Iterator[NewNotification]:
    return of_subscription(subscription_from(*row), environment, now=now)


def _of_top_up(row: Row, environment: Environment, now: datetime) -> Sequence[NewNotification]:
    top_up = given_from(*row)
    assert isinstance(top_up, TopUp), "nothing else is listed"
    return top_up_ends_soon(top_up, environment, now=now)


def _of_reservation(row: Row, _environment: Environment, _now: datetime) -> Sequence[NewNotification]:
    return (of_reservation(reservation_from(row[2:])),)


_SOURCES = (
    _Source("list_starting", NotificationType.SUBSCRIPTION_STARTED, timedelta(0), _of_subscription),
    _Source("list_ending", NotificationType.SUBSCRIPTION_ENDED, timedelta(0), _of_subscription),
    _Source("list_trials_ending", NotificationType.TRIAL_ENDS_SOON, SOON, _of_subscription),
    _Source("list_top_ups_ending", NotificationType.TOP_UP_ENDS_SOON, SOON, _of_top_up),
    _Source("list_reservations_ending", NotificationType.RESERVATION_ENDED, timedelta(0), _of_reservation),
)


def _notification_row(notification: NewNotification) -> Row:
    """Write a row of ``add_notification``."""
    milliseconds = to_milliseconds(notification.occurred_at)
    return (
        notification.bucket,
        min(max(milliseconds, 0), _LAST_MS) << 21 | next(_NUMBERS) % (1 << 21),
        notification.user_key,
        notification.environment.value,
        notification.type.value,
        milliseconds,
        to_json(notification.about),
    )


def notification_from(row: Row) -> Notification:
    """Read a row of ``list_notifications`` and what else takes its columns."""
    position, type_, user_id, occurred_at, about = row
    return Notification(
        id=position,
        type=NotificationType(type_),
        user_id=user_id,
        occurred_at=from_milliseconds(occurred_at),
        about=json.loads(about),
    )
