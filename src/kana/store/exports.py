"""Reading all that is kept of one user, in stages: who they are, what they have, what they used, what was said."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from kana.engine.ports.exports import Bookmark, Kept, Total
from kana.errors import UserNotFound
from kana.model.deletion import IdSpan, had_id
from kana.model.environment import Environment, bucket_of
from kana.model.log import NOT_USERS
from kana.model.merge import MergedUser
from kana.model.period import from_milliseconds
from kana.model.text import NUMBER_MAX, shown
from kana.model.user import UserRef
from kana.store.accounts import load_account
from kana.store.bulk_changes import result_from
from kana.store.entries import counter_from, entry_from
from kana.store.log import log_line_from
from kana.store.merges import load_merged
from kana.store.reservations import reservation_from
from kana.store.segment import event_from
from kana.store.session import Session, Transactions
from kana.store.unfinished import bounds_of, load_spans
from kana.store.users import load_user, load_user_ref

_After: TypeAlias = tuple[int | str, ...]
_Page: TypeAlias = tuple[Sequence[Kept], _After | None]
"""What a stage read, and what it read last; None at its end."""

_Stage: TypeAlias = Callable[[Session, UserRef, _After, int], Awaitable[_Page]]


_KEY = [int, str, str, int]
"""The types of a counter's key after its bucket."""


class Exports:
    """Exports users. ``ExportStore`` says what each call promises."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def export_page(
        self, environment: Environment, user_id: str, bookmark: Bookmark | None, *, limit: int
    ) -> tuple[Sequence[Kept], Bookmark | None]:
        """Read a page of the stage, or go to the next one."""

        async def work(session: Session) -> tuple[Sequence[Kept], Bookmark | None]:
            user = await load_user_ref(session, environment, user_id)
            at = bookmark or Bookmark(user.key)
            if at.user_key != user.key:
                raise UserNotFound(f"User not found: {shown(user_id)}; somebody else has this id now")
            merged = await load_merged(session, user.bucket, user.key)
            stages = _stages(user, merged)
            if not 0 <= at.stage < len(stages):
                return [], None
            kept, after = await stages[at.stage](session, user, at.after, limit)
            if after is not None:
                return kept, Bookmark(user.key, at.stage, after)
            is_last = at.stage + 1 == len(stages)
            return kept, None if is_last else Bookmark(user.key, at.stage + 1)

        return await self._transactions.read_aside(work)


def _stages(user: UserRef, merged: Sequence[MergedUser]) -> Sequence[_Stage]:
    """Return what is read one after the other. Those who were merged into the user come last, as more may come."""
    own = (_read_user, _read_ids, *_held_by(user), _read_events, _read_log)
    theirs = (stage for each in merged for stage in _held_by(_ref_of(each)))
    return (*own, _read_merged, *theirs)


def _held_by(whose: UserRef) -> Sequence[_Stage]:
    """Return what reads what is stored under one key."""

    def reads(read: _Stage) -> _Stage:
        return lambda session, _, after, limit: read(session, whose, after, limit)

    return [reads(read) for read in _OF_ONE_KEY]


def _ref_of(merged: MergedUser) -> UserRef:
    user = merged.user
    return UserRef(user.environment, user.bucket, user.key, user.id)


def _from(kept: Sequence[Kept], after: _After, limit: int) -> _Page:
    """Return the page of a list that is short enough to be read whole; ``after`` says how many were returned."""
    start = _number(after)
    end = start + limit
    return kept[start:end], (end,) if end < len(kept) else None


def _number(after: _After) -> int:
    """Return a stage's number to continue after, 0 at its beginning."""
    return after[0] if after and isinstance(after[0], int) else 0


async def _read_user(session: Session, user: UserRef, _after: _After, _limit: int) -> _Page:
    return [await load_user(session, user)], None


async def _read_merged(session: Session, user: UserRef, after: _After, limit: int) -> _Page:
    return _from(await load_merged(session, user.bucket, user.key), after, limit)


async def _read_ids(session: Session, user: UserRef, after: _After, limit: int) -> _Page:
    return _from(await _spans(session, user), after, limit)


async def _read_subscriptions(session: Session, user: UserRef, after: _After, limit: int) -> _Page:
    return _from((await load_account(session, user)).subscriptions, after, limit)


async def _read_changes(session: Session, user: UserRef, after: _After, limit: int) -> _Page:
    rows = await session.rows("list_bulk_changes_of", user.bucket, user.key)
    return _from([result_from(row) for row in rows], after, limit)


async def _read_given(session: Session, user: UserRef, after: _After, limit: int) -> _Page:
    return _from((await load_account(session, user)).given, after, limit)


async def _read_reservations(session: Session, user: UserRef, after: _After, limit: int) -> _Page:
    found = await session.rows("list_reservations", user.bucket, user.key, _number(after) or None, limit)
    kept = [reservation_from(row) for row in found]
    return kept, (kept[-1].id,) if len(kept) == limit else None


async def _read_counters(session: Session, user: UserRef, after: _After, limit: int) -> _Page:
    account = await load_account(session, user)
    sources = [each.id for each in (*account.subscriptions, *account.given)]
    ids = session.array([*sources, *(-each for each in sources)])
    key = after if list(map(type, after)) == _KEY else (-NUMBER_MAX, "", "", 0)
    rows = await session.rows("list_counters_after", user.bucket, ids, *key, limit)
    totals = [Total(counter_from(row), row[5]) for row in rows]
    return totals, tuple(rows[-1][1:5]) if len(rows) == limit else None


async def _read_entries(session: Session, user: UserRef, after: _After, limit: int) -> _Page:
    found = await session.rows("list_entries_after", user.bucket, user.key, _number(after), limit)
    entries = [entry_from(row) for row in found]
    return entries, (entries[-1].id,) if len(entries) == limit else None


async def _read_events(session: Session, user: UserRef, after: _After, limit: int) -> _Page:
    """Read events of the next id that the user had; the last one's number and message are where to continue."""
    spans = await _spans(session, user)
    number, message_id = _number(after), str(after[1]) if len(after) == 2 else ""
    if not 0 <= number < len(spans):
        return [], None
    span = spans[number]
    key = (bucket_of(user.environment, span.id), user.environment.value, span.id)
    found = await session.rows("list_events_of", *key, *bounds_of(span), message_id, limit)
    events = [event_from(row) for row in found]
    return events, (number, events[-1].message_id) if len(events) == limit else (number + 1,)


async def _read_log(session: Session, user: UserRef, after: _After, limit: int) -> _Page:
    """Read the lines that are about the user; of an id that others had too, only those from the user's own time."""
    spans = await _spans(session, user)
    ids = session.array(list({span.id for span in spans}))
    rows = await session.rows("list_log_about", user.environment.value, _number(after), ids, limit)
    lines = [
        log_line_from(row)
        for row in rows
        if row[6] not in NOT_USERS and had_id(spans, row[7], from_milliseconds(row[2]))
    ]
    return lines, (rows[-1][0],) if len(rows) == limit else None


_OF_ONE_KEY = (_read_subscriptions, _read_changes, _read_given, _read_reservations, _read_counters, _read_entries)
"""What reads what is stored under one key, in the order of an export."""


async def _spans(session: Session, user: UserRef) -> tuple[IdSpan, ...]:
    own = await load_user(session, user)
    merged = await load_merged(session, user.bucket, user.key)
    present = [own.id, *(each.user.id for each in merged)]
    return await load_spans(session, user.environment, user.bucket, user.key, present=present)
