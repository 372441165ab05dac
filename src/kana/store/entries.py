"""Rows of the ledger and of the totals derived from it, and reading the ledger."""

from __future__ import annotations

import json
from collections.abc import Sequence

from kana.engine.ids import first_id_at
from kana.errors import EntryNotFound, InvalidValue
from kana.model.entitlement import Consumption, Outcome
from kana.model.environment import Environment
from kana.model.grant import CounterKey, Posting
from kana.model.ledger import LOOKED_AT_MAX, LedgerPage, LedgerSearch
from kana.model.line import DecisionLine, HoldStep
from kana.model.period import from_milliseconds, to_milliseconds
from kana.model.tally import Tallies
from kana.model.text import NUMBER_MAX
from kana.model.usage import Action, Entry
from kana.model.user import UserRef
from kana.store.session import Row, Session, Transactions
from kana.store.users import load_user_ref
from kana.store.values import HELD, NO_RESET, RESETS, optional_milliseconds, optional_moment, to_json


class Entries:
    """The part of a ledger that is the same on every database. ``Ledger`` says what each call promises."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def search(self, search: LedgerSearch) -> LedgerPage:
        """Look through entries backwards."""

        async def work(session: Session) -> LedgerPage:
            user = await load_user_ref(session, search.environment, search.user_id)
            if search.after is not None and await _load_entry(session, user, search.after) is None:
                raise InvalidValue(f"after must be the id of an entry of the user, got {search.after}", field="after")
            looked_at = _looked_at(user, search)
            found = await session.rows("search_entries", *looked_at, *_wanted(session, search), search.limit + 1)
            entries = [entry_from(row) for row in found[: search.limit]]
            if len(found) > search.limit:
                return LedgerPage(entries, entries[-1].id)
            end = await session.rows("find_end_of_search", *looked_at)
            return LedgerPage(entries, end[0][0] if len(end) > 1 else None)

        return await self._transactions.read_aside(work)

    async def entry(self, environment: Environment, user_id: str, entry_id: int) -> Entry:
        """Read one entry."""

        async def work(session: Session) -> Entry:
            user = await load_user_ref(session, environment, user_id)
            row = await _load_entry(session, user, entry_id)
            if row is None:
                raise EntryNotFound(f"Entry not found: '{entry_id}'")
            return entry_from(row)

        return await self._transactions.read(work)

    async def decision(self, entry: Entry) -> Sequence[Entry]:
        """Read the entries that were decided with one."""
        return await self._transactions.read(lambda session: load_decision(session, entry))

    async def entry_owner(self, environment: Environment, entry_id: int) -> str:
        """Return whose an entry is."""
        bindings = (environment.value, entry_id)
        found = await self._transactions.read_aside(lambda session: session.row("find_entry_owner", *bindings))
        if found is None:
            raise EntryNotFound(f"Entry not found: '{entry_id}'")
        return str(found[0])


async def load_decision(session: Session, entry: Entry) -> list[Entry]:
    """Return the entries of the decision that an entry is of, in order: itself alone if it is of none."""
    if entry.line is None:
        return [entry]
    bindings = (entry.bucket, entry.user_key, entry.line.decision_id, entry.line.size)
    return [entry_from(row) for row in await session.rows("load_decision", *bindings)]


async def _load_entry(session: Session, user: UserRef, entry_id: int) -> Row | None:
    return await session.row("load_entry", user.bucket, user.key, entry_id)


def _looked_at(user: UserRef, search: LedgerSearch) -> Row:
    """Write which entries a search looks at: all that happened in its time are among those from an id on."""
    before = NUMBER_MAX if search.after is None else search.after
    since = 0 if search.start is None else first_id_at(search.start)
    return (user.bucket, user.key, before, since, LOOKED_AT_MAX)


def _wanted(session: Session, search: LedgerSearch) -> Row:
    """Write which of them match."""
    times = (optional_milliseconds(search.start), optional_milliseconds(search.end))
    return (search.feature_id, session.array(search.outcomes), *times)


def counter_row(counter: CounterKey) -> Row:
    """Write the key of a total for ``load_totals`` and ``put_total``."""
    bucket, subscription_id, feature_id, reset_period, period_start, is_held = counter
    reset = reset_period or NO_RESET
    return (bucket, subscription_id, feature_id, HELD + reset if is_held else reset, to_milliseconds(period_start))


def counter_from(row: Row) -> CounterKey:
    """Read the first five columns of ``audit``: the key of a total."""
    reset = row[3].removeprefix(HELD)
    return CounterKey(row[0], row[1], row[2], RESETS[reset], from_milliseconds(row[4]), reset is not row[3])


def entry_from(row: Row) -> Entry:
    """Read a row of the fragment ``entry``."""
    bucket, feature_id, subscription_id, used = row[0], row[4], row[10], row[13]
    recorded_at, timestamp = from_milliseconds(row[19]), optional_moment(row[17])
    counter = consumption = None
    if subscription_id is not None:
        counter = counter_from((bucket, subscription_id, feature_id, row[11], row[12]))
    if used is not None:
        consumption = Consumption(used, row[14], bool(row[15]))
    return Entry(
        bucket=bucket,
        user_key=row[1],
        id=row[2],
        environment=Environment(row[3]),
        feature_id=feature_id,
        action=Action(row[5]),
        delta=row[6],
        outcome=Outcome(row[7]),
        reason=row[8],
        change=row[9],
        counter=counter,
        consumption=consumption,
        key=None if row[16] is None else bytes(row[16]),
        timestamp=timestamp,
        metadata=None if row[18] is None else json.loads(row[18]),
        occurred_at=timestamp or recorded_at,
        recorded_at=recorded_at,
        split=() if row[20] is None else _split_from(bucket, feature_id, row[20]),
        reverses=row[21],
        line=None if row[22] is None else _line_from(row[22], row[23]),
    )


def _line_from(decision_id: int, line: str) -> DecisionLine:
    size, step, reservation_id, cost_of, *is_final = json.loads(line)
    return DecisionLine(
        decision_id=decision_id,
        size=size,
        step=None if step is None else HoldStep(step),
        reservation_id=reservation_id,
        cost_of=cost_of,
        is_final=next(iter(is_final), None),
    )


def _line_row(line: DecisionLine | None) -> Row:
    if line is None:
        return (None, None)
    is_final = () if line.is_final is None else (line.is_final,)
    return (line.decision_id, to_json((line.size, line.step, line.reservation_id, line.cost_of, *is_final)))


def _split_from(bucket: int, feature_id: str, postings: str) -> tuple[Posting, ...]:
    return tuple(
        Posting(counter_from((bucket, subscription_id, feature_id, reset, start)), change)
        for subscription_id, reset, start, change in json.loads(postings)
    )


def _split_row(split: tuple[Posting, ...]) -> str:
    """Write how much went to each of several counters; all are of the entry's own bucket and feature."""
    rows = ((counter_row(counter), change) for counter, change in split)
    return to_json([(subscription_id, reset, start, change) for (_, subscription_id, _, reset, start), change in rows])


ENTRY_COLUMNS = (
    "bucket",
    "user_key",
    "id",
    "environment",
    "feature_id",
    "action",
    "delta",
    "outcome",
    "reason",
    "change",
    "subscription_id",
    "reset_period",
    "period_start",
    "used",
    "budget",
    "overage_enabled",
    "key",
    "timestamp",
    "metadata",
    "recorded_at",
    "postings",
    "reverses",
    "decision_id",
    "line",
)
"""The columns of the ledger, in the order of ``entry_row``."""


def entry_row(entry: Entry) -> Row:
    """Write a row of ``entries``."""
    counter, consumption = entry.counter, entry.consumption
    return (
        entry.bucket,
        entry.user_key,
        entry.id,
        entry.environment,
        entry.feature_id,
        entry.action,
        entry.delta,
        entry.outcome,
        entry.reason,
        entry.change,
        None if counter is None else counter.source_id,
        None if counter is None else counter.reset_period or NO_RESET,
        None if counter is None else to_milliseconds(counter.period_start),
        None if consumption is None else consumption.used,
        None if consumption is None else consumption.budget,
        None if consumption is None else int(consumption.overage_enabled),
        entry.key,
        optional_milliseconds(entry.timestamp),
        None if entry.metadata is None else to_json(entry.metadata),
        to_milliseconds(entry.recorded_at),
        _split_row(entry.split) if entry.split else None,
        entry.reverses,
        *_line_row(entry.line),
    )


def day_rows(tallies: Tallies) -> list[Row]:
    """Write the rows of ``add_usage_day``."""
    return [(*key, *tally) for key, tally in tallies.days.items()]


def hour_rows(tallies: Tallies, *, bucket: int) -> list[Row]:
    """Write the rows of ``add_usage_hour`` in a fixed order, so that transactions cannot deadlock."""
    return [(*key, bucket, *tally) for key, tally in sorted(tallies.hours.items())]
