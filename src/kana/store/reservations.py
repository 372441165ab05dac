"""Reservations: what users have set aside, and what a batch needs to know of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from kana.engine.ids import bucket_of_id
from kana.engine.ports.reservations import OwnedReservation
from kana.engine.usage.batch import NOTHING_RESERVED, Batch, KeyUse, Reserved
from kana.errors import ReservationNotFound
from kana.model.account import Account
from kana.model.environment import Environment
from kana.model.grant import CounterKey, Posting
from kana.model.period import from_milliseconds, to_milliseconds
from kana.model.reservation import HeldLine, Reservation, ReservationStatus
from kana.model.usage import Entry
from kana.store.entries import counter_from, counter_row, load_decision
from kana.store.session import Row, Session, Transactions
from kana.store.users import load_user_ref
from kana.store.values import optional_milliseconds, optional_moment, to_json


class Reservations:
    """Reads reservations. ``ReservationStore`` says what each call promises."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def reservation(self, environment: Environment, reservation_id: int) -> OwnedReservation:
        """Return one, with the present id of its user."""
        bucket = bucket_of_id(reservation_id)

        async def work(session: Session) -> OwnedReservation:
            owner = await session.value("find_reservation_owner", bucket, reservation_id, environment.value)
            row = await session.row("load_reservation", bucket, reservation_id)
            if owner is None or row is None:
                raise ReservationNotFound(f"Reservation not found: '{reservation_id}'")
            return OwnedReservation(str(owner), reservation_from(row))

        return await self._transactions.read(work)

    async def reservations(
        self, environment: Environment, user_id: str, *, limit: int, after: int | None
    ) -> list[Reservation]:
        """Return those of a user, the newest first."""

        async def work(session: Session) -> list[Reservation]:
            user = await load_user_ref(session, environment, user_id)
            rows = await session.rows("list_reservations", user.bucket, user.key, after, limit)
            return [reservation_from(row) for row in rows]

        return await self._transactions.read_aside(work)

    async def open_reservations(
        self, environment: Environment, user_id: str, *, now: datetime, limit: int
    ) -> list[Reservation]:
        """Return those of a user that are open, the first to end first."""

        async def work(session: Session) -> list[Reservation]:
            user = await load_user_ref(session, environment, user_id)
            bindings = (user.bucket, user.key, to_milliseconds(now), limit)
            return [reservation_from(row) for row in await session.rows("list_open_reservations", *bindings)]

        return await self._transactions.read_aside(work)


async def load_reserved(
    session: Session, batch: Batch, accounts: Iterable[Account], earlier: Mapping[KeyUse, Entry]
) -> Reserved:
    """Return what a batch needs of reservations and of decisions over several lines: mostly nothing."""
    repeated = [entry for entry in earlier.values() if entry.line is not None]
    ended = await load_ended(session, accounts, batch.now)
    wanted = batch.wanted_reservations
    if not (repeated or ended or wanted):
        return NOTHING_RESERVED
    ids = {*wanted, *(entry.line.reservation_id for entry in repeated if entry.line is not None)}
    decisions = {entry.id: await load_decision(session, entry) for entry in repeated}
    reservations = {}
    for number in ids:
        row = None if number is None else await session.row("load_reservation", bucket_of_id(number), number)
        if row is not None:
            found = reservation_from(row)
            reservations[found.id] = found
    return Reserved(decisions, reservations, ended)


async def load_ended(session: Session, accounts: Iterable[Account], now: datetime) -> list[Reservation]:
    """Return the reservations of some users that have ended by now and are not closed."""
    users = {account.user for account in accounts if account.holds_end is not None and account.holds_end <= now}
    return [
        reservation_from(row)
        for user in users
        for row in await session.rows("load_ended_reservations", user.bucket, user.key, to_milliseconds(now))
    ]


def without_ended(used: dict[CounterKey, int], ended: Sequence[Reservation]) -> None:
    """Take what has ended out of totals that were read: nothing of it is set aside any more."""
    for reservation in ended:
        for counter, units in reservation.held():
            if counter in used:
                used[counter] -= units


def reservation_from(row: Row) -> Reservation:
    """Read the columns of the fragment ``reservation``."""
    number, bucket, user_key, environment, lines, created_at, ends_at, closed_as, closed_at = row
    return Reservation(
        id=number,
        bucket=bucket,
        user_key=user_key,
        environment=Environment(environment),
        lines=tuple(_line_from(bucket, *line) for line in json.loads(lines)),
        created_at=from_milliseconds(created_at),
        ends_at=from_milliseconds(ends_at),
        closed_as=None if closed_as is None else ReservationStatus(closed_as),
        closed_at=optional_moment(closed_at),
    )


def _line_from(
    bucket: int,
    feature_id: str,
    units: int,
    settled: int,
    left: Sequence[Row],
    cost_of: str | None,
    rate: int | None,
) -> HeldLine:
    return HeldLine(
        feature_id=feature_id,
        units=units,
        settled=settled,
        left=tuple(
            Posting(counter_from((bucket, source_id, feature_id, reset, start)), part)
            for source_id, reset, start, part in left
        ),
        cost_of=cost_of,
        rate=rate,
    )


def reservation_row(reservation: Reservation) -> Row:
    """Write a row of ``put_reservation``."""
    return (
        reservation.id,
        reservation.bucket,
        reservation.user_key,
        reservation.environment,
        to_json([_line_row(line) for line in reservation.lines]),
        to_milliseconds(reservation.created_at),
        to_milliseconds(reservation.ends_at),
        reservation.closed_as,
        optional_milliseconds(reservation.closed_at),
    )


def _line_row(line: HeldLine) -> Row:
    rows = [(counter_row(counter), units) for counter, units in line.left]
    left = [(source_id, reset, start, units) for (_, source_id, _, reset, start), units in rows]
    return (line.feature_id, line.units, line.settled, left, line.cost_of, line.rate)
