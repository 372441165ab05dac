"""Jobs that move many users to another package."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kana.engine.ports.bulk_changes import MoveOne
from kana.engine.ports.clock import Clock
from kana.engine.ports.users import Signed
from kana.errors import BulkChangeNotFound, UserNotFound
from kana.model.account import Account
from kana.model.bulk_change import (
    GONE,
    NOT_FOUND,
    STOPPED,
    BulkChange,
    BulkOutcome,
    BulkResult,
    BulkState,
    Move,
    Moved,
    Progress,
    Trace,
    progress,
)
from kana.model.environment import Actor, Environment, bucket_of
from kana.model.notification import of_subscriptions
from kana.model.period import from_milliseconds, to_milliseconds
from kana.model.terms import ChangeTime, ChangeUsage
from kana.model.user import User, UserRef
from kana.store.accounts import load_account
from kana.store.catalogs import Catalogs
from kana.store.notifications import add_notifications
from kana.store.session import Row, Session, Transactions
from kana.store.subscriptions import subscription_log_rows, subscription_row
from kana.store.users import lock_user_ref
from kana.store.values import optional_milliseconds, optional_moment, to_json

_LOOKED_UP = 25
"""How many ids are looked up by one statement: its work grows with the square of them."""


class _Next(NamedTuple):
    """A user whose turn it is, and their present id; None if there is none any more."""

    bucket: int
    key: int
    trace: Trace | None
    id: str | None


class BulkChanges:
    """Stores jobs. ``BulkChangeStore`` says what each call promises."""

    def __init__(self, transactions: Transactions, catalogs: Catalogs) -> None:
        self._transactions = transactions
        self._catalogs = catalogs

    async def begin_change(self, change: BulkChange) -> BulkChange:
        """Begin a job."""
        ids = change.move.user_ids
        listed = (
            [] if ids is None else await self._transactions.read_aside(lambda session: _listed(session, change, ids))
        )

        async def work(session: Session) -> BulkChange:
            if not await session.execute("add_bulk_change", *_change_row(change)):
                found = await session.row("find_bulk_change", change.environment.value, change.key)
                assert found is not None  # What was in the way.
                return change_from(found)
            if listed:
                await _add_users(session, change.id, listed)
                await session.execute("move_bulk_change", change.id, "RUNNING", to_milliseconds(change.begun_at))
            return await _load(session, change.environment, change.id)

        return await self._transactions.write(work)

    async def list_page(self, change_id: int, users: Sequence[User], *, clock: Clock) -> bool:
        """Add users to the list."""

        async def work(session: Session) -> bool:
            change = await _lock(session, change_id)
            if change.state is not BulkState.LISTING:
                return False
            start = await session.value("count_listed", change_id) + 1
            rows = [(user.bucket, user.key, number, None) for number, user in enumerate(users, start)]
            await _add_users(session, change_id, rows)
            await session.execute("move_bulk_change", change_id, change.state, to_milliseconds(clock()))
            return True

        return await self._transactions.write(work)

    async def end_list(self, change_id: int, *, clock: Clock) -> None:
        """Begin to move them."""

        async def work(session: Session) -> None:
            if (await _lock(session, change_id)).state is BulkState.LISTING:
                await session.execute("move_bulk_change", change_id, "RUNNING", to_milliseconds(clock()))

        await self._transactions.write(work)

    async def move_page(self, change_id: int, move: MoveOne, *, limit: int, clock: Clock) -> int:
        """Move a page of users, or end."""

        async def work(session: Session) -> int:
            change = await _lock(session, change_id)
            if change.state not in (BulkState.RUNNING, BulkState.TAKING_BACK):
                return 0  # Another process has finished it.
            is_back = change.state is BulkState.TAKING_BACK
            found = await session.rows("next_waiting", change_id, limit)
            if found and is_back:
                await _settle(session, change, [(_next(row), Moved(BulkOutcome.SKIPPED, STOPPED)) for row in found])
            elif found or is_back:
                found = found or await session.rows("next_to_take_back", change_id, limit)
                await self._move(session, change, list(map(_next, found)), move, clock=clock)
            state = change.state if found else BulkState.TAKEN_BACK if is_back else BulkState.DONE
            await session.execute("move_bulk_change", change_id, state, to_milliseconds(clock()))
            return len(found)

        return await self._transactions.write(work)

    async def _move(
        self, session: Session, change: BulkChange, turns: Sequence[_Next], move: MoveOne, *, clock: Clock
    ) -> None:
        refs = await _lock_users(session, change.environment, turns)
        catalog = (await self._catalogs.read(session, [change.environment]))[change.environment]
        signed = Signed(change.taken_back_by or change.by, clock)
        done = [(each, _without_user(each)) for each in turns if each.id is None]
        for each, ref in refs:
            account = await load_account(session, ref)
            moved = move(change, account, catalog, each.trace)
            await _write(session, account, moved, signed)
            done.append((each, moved))
        write = _settle if change.state is BulkState.RUNNING else _settle_back
        await write(session, change, done)

    async def take_back(self, environment: Environment, change_id: int, *, by: Actor, clock: Clock) -> None:
        """Take a job back."""

        async def work(session: Session) -> None:
            await _load(session, environment, change_id)
            row = (environment.value, change_id, to_milliseconds(clock()), by.kind, by.name)
            await session.execute("take_bulk_change_back", *row)

        await self._transactions.write(work)

    async def bulk_change(self, environment: Environment, change_id: int) -> BulkChange:
        """Return a job."""
        return await self._transactions.read(lambda session: _load(session, environment, change_id))

    async def bulk_changes(self, environment: Environment, *, limit: int) -> list[BulkChange]:
        """Return the newest jobs."""
        return await self._changes("list_bulk_changes", environment.value, limit)

    async def open_changes(self) -> list[BulkChange]:
        """Return jobs with something left to do."""
        return await self._changes("list_open_bulk_changes")

    async def _changes(self, statement: str, *bindings: object) -> list[BulkChange]:
        found = await self._transactions.read(lambda session: session.rows(statement, *bindings))
        return [change_from(row) for row in found]

    async def progress(self, change: BulkChange) -> Progress:
        """Count users by outcome."""
        found = await self._transactions.read_aside(lambda session: session.rows("count_bulk_users", change.id))
        counts = {(BulkOutcome(there), _optional_outcome(back)): count for there, back, count in found}
        return progress(counts, change.state)

    async def results(self, change_id: int, *, outcome: BulkOutcome | None, limit: int, after: int) -> list[BulkResult]:
        """Return users of a job."""
        bindings = (change_id, after, limit)

        async def work(session: Session) -> list[BulkResult]:
            if outcome is None:
                found = await session.rows("list_bulk_users", *bindings)
            else:
                found = await session.rows("list_bulk_users_of_outcome", *bindings, outcome.value)
            return [result_from(row) for row in found]

        return await self._transactions.read_aside(work)


async def _load(session: Session, environment: Environment, change_id: int) -> BulkChange:
    found = await session.row("load_bulk_change", environment.value, change_id)
    if found is None:
        raise BulkChangeNotFound(f"Subscription changes not found: '{change_id}'")
    return change_from(found)


async def _lock(session: Session, change_id: int) -> BulkChange:
    """Return a job, which only this transaction works on until it ends."""
    [row] = await session.rows("lock_bulk_change", change_id)
    return change_from(row)


async def _listed(session: Session, change: BulkChange, ids: Sequence[str]) -> list[Row]:
    """Return where the users with these ids are stored, numbered, and those whom nobody is found for."""
    environment = change.environment
    wanted = list(dict.fromkeys(ids))
    refs: dict[str, tuple[int, int]] = {}
    for start in range(0, len(wanted), _LOOKED_UP):
        some = wanted[start : start + _LOOKED_UP]
        buckets = session.array(sorted({bucket_of(environment, each) for each in some}))
        found = await session.rows("load_user_refs_by_id", environment.value, buckets, session.array(some))
        refs |= {row[2]: (row[0], row[1]) for row in found}
    return [
        (*refs[each], number, None) if each in refs else (bucket_of(environment, each), -number, number, each)
        for number, each in enumerate(wanted, 1)
    ]


async def _add_users(session: Session, change_id: int, rows: Sequence[Row]) -> None:
    await session.execute("add_bulk_users", change_id, to_json(rows))


async def _lock_users(
    session: Session, environment: Environment, turns: Sequence[_Next]
) -> list[tuple[_Next, UserRef]]:
    """Lock the users, in the order in which batches lock accounts; who is renamed meanwhile has their turn later."""
    locked = []
    named = [(bucket_of(environment, each.id), each.id, each) for each in turns if each.id is not None]
    for _, user_id, each in sorted(named, key=lambda turn: turn[:2]):
        try:
            ref = await lock_user_ref(session, environment, user_id)
        except UserNotFound:
            continue
        if (ref.bucket, ref.key) == (each.bucket, each.key):
            locked.append((each, ref))
    return locked


def _without_user(turn: _Next) -> Moved:
    if turn.key < 0:
        return Moved(BulkOutcome.REFUSED, NOT_FOUND)
    return Moved(BulkOutcome.SKIPPED, GONE)


async def _write(session: Session, account: Account, moved: Moved, signed: Signed) -> None:
    environment, changed = account.user.environment, moved.subscriptions
    await session.many("put_subscription", [subscription_row(environment, each) for each in changed])
    await add_notifications(session, of_subscriptions(account, changed, now=account.time(signed.clock())))
    await session.many("add_log_line", subscription_log_rows(environment, account, changed, signed))


async def _settle(session: Session, change: BulkChange, done: Iterable[tuple[_Next, Moved]]) -> None:
    rows = [
        (each.bucket, each.key, change.id, moved.outcome.value, moved.reason, *_trace_row(moved.trace))
        for each, moved in done
    ]
    await session.many("settle_bulk_user", rows)


async def _settle_back(session: Session, change: BulkChange, done: Iterable[tuple[_Next, Moved]]) -> None:
    rows = [(each.bucket, each.key, change.id, moved.outcome.value, moved.reason) for each, moved in done]
    await session.many("settle_bulk_user_back", rows)


def _trace_row(trace: Trace | None) -> Row:
    return (
        (None, None, None) if trace is None else (trace.old_id, trace.new_id, optional_milliseconds(trace.old_ends_at))
    )


def _next(row: Row) -> _Next:
    """Read a row of ``next_waiting`` and ``next_to_take_back``."""
    bucket, key, old_id, new_id, old_ends_at, user_id = row
    return _Next(bucket, key, None if old_id is None else Trace(old_id, new_id, optional_moment(old_ends_at)), user_id)


def _change_row(change: BulkChange) -> Row:
    """Write a row of ``add_bulk_change``."""
    move, moments = change.move, map(to_milliseconds, (change.begun_at, change.moved_at))
    return (
        change.id, change.environment.value, change.key, change.digest, move.from_package_id, move.search,
        move.package_id, move.when.value, move.usage.value, change.state.value, change.by.kind, change.by.name,
        *moments,
    )  # fmt: skip


def change_from(row: Row) -> BulkChange:
    """Read a row of the fragment ``bulk_change``."""
    return BulkChange(
        id=row[0],
        environment=Environment(row[1]),
        key=None if row[2] is None else bytes(row[2]),
        digest=bytes(row[3]),
        move=Move(
            from_package_id=row[4],
            search=row[5],
            package_id=row[6],
            when=ChangeTime(row[7]),
            usage=ChangeUsage(row[8]),
        ),
        state=BulkState(row[9]),
        by=Actor(kind=row[10], name=row[11]),
        taken_back_by=None if row[12] is None else Actor(kind=row[12], name=row[13]),
        begun_at=from_milliseconds(row[14]),
        moved_at=from_milliseconds(row[15]),
    )


def result_from(row: Row) -> BulkResult:
    """Read a row of the fragment ``bulk_user``."""
    return BulkResult(
        change_id=row[0],
        number=row[1],
        user_id=row[2],
        outcome=BulkOutcome(row[3]),
        reason=row[4],
        back=_optional_outcome(row[5]),
        back_reason=row[6],
    )


def _optional_outcome(text: str | None) -> BulkOutcome | None:
    return None if text is None else BulkOutcome(text)
