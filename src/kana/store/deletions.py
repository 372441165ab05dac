"""Deleting users: who they are goes in one transaction, and every trace of them in pages after it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import TypeAlias

from kana.engine.ports.deletions import Mark
from kana.engine.ports.users import Signed
from kana.model import subscribing as rules
from kana.model.deletion import FORGOTTEN, Deletion, texts_of
from kana.model.environment import Environment, bucket_of
from kana.model.log import LogLine
from kana.model.notification import NotificationType, of_subscriptions, of_user
from kana.model.period import from_milliseconds, to_milliseconds
from kana.model.segment import MessageType, SegmentEvent
from kana.model.user import User
from kana.store.accounts import load_account
from kana.store.log import described, log_line_from
from kana.store.merges import load_merged
from kana.store.notifications import add_notifications
from kana.store.segment import event_from
from kana.store.session import Row, Session, Transactions
from kana.store.subscriptions import subscription_row
from kana.store.unfinished import bounds_of, load_deletion, load_deletions
from kana.store.users import deleted_log_row, leave_id, load_user, lock_user_ref
from kana.store.values import to_json

ENTRIES = 500
"""How many entries of the ledger are cleared in one transaction."""

EVENTS = 100
"""How many events of Segment are cleared, or read to look for traces, in one transaction."""

LINES = 100
"""How many lines of the log are read in one transaction."""


_Stage: TypeAlias = Callable[[Deletion, int], Awaitable[int | None]]
"""Clears a page after a number; returns the last number, or None at its end."""


class Deletions:
    """Deletes users. ``DeletionStore`` says what each call promises."""

    def __init__(self, transactions: Transactions, *, erase: Callable[[], Awaitable[None]] | None = None) -> None:
        """``erase`` removes overwritten data from the database's files, where it would otherwise stay for a while."""
        self._transactions = transactions
        self._erase = erase

    async def begin_deletion(
        self, environment: Environment, user_id: str, *, surrogate: str, signed: Signed
    ) -> Deletion:
        """Decide."""

        async def work(session: Session) -> Deletion:
            await session.rows("lock_imports", environment.value)
            account = await load_account(session, await lock_user_ref(session, environment, user_id))
            user = await load_user(session, account.user)
            merged = [each.user for each in await load_merged(session, user.bucket, user.key)]
            now = account.time(signed.clock())
            ended = rules.end_all(account, now=now)
            await session.many("put_subscription", [subscription_row(environment, each) for each in ended])
            told = [*of_subscriptions(account, ended, now=now), of_user(user, NotificationType.USER_DELETED, now=now)]
            await add_notifications(session, told)
            for each in (user, *merged):
                await session.execute("clear_time_zones", each.bucket, each.key)
                await session.execute("clear_answers", each.key)
                await session.execute("clear_given", each.bucket, each.key, FORGOTTEN, to_milliseconds(now))
                await session.execute("clear_bulk_user", each.bucket, each.key, FORGOTTEN, surrogate)
                await leave_id(session, user, user_id=each.id, now=now, is_leaving=True)
                await _leave_imports(session, each)
            await session.execute("delete_user", user.bucket, user.key)
            kept = (surrogate, to_milliseconds(now), to_json(texts_of(user, *merged)))
            row = (user.bucket, user.key, environment.value, *kept)
            await session.execute("add_deleted_user", *row)
            await session.execute("add_log_line", *deleted_log_row(surrogate, environment, by=signed.by, now=now))
            deletion = await load_deletion(session, row)
            for id_ in {span.id for span in deletion.spans}:
                await session.execute("clear_not_found", bucket_of(environment, id_), environment.value, id_, surrogate)
            return deletion

        return await self._transactions.write(work)

    async def deletions(self, environment: Environment) -> list[Deletion]:
        """Return those in progress."""
        return await self._transactions.read(lambda session: load_deletions(session, environment))

    async def clear_page(self, deletion: Deletion, mark: Mark) -> Mark | None:
        """Clear a page of the stage, or go to the next one."""
        stages = self._stages(deletion)
        if mark.stage < len(stages):
            after = await stages[mark.stage](deletion, mark.after)
            return Mark(mark.stage + 1) if after is None else Mark(mark.stage, after)
        await self._finish(deletion)
        return None

    def _stages(self, deletion: Deletion) -> Sequence[_Stage]:
        places = ((deletion.bucket, deletion.key), *deletion.merged)
        ledgers = [partial(self._clear_entries, *place) for place in places]
        return (*ledgers, self._clear_events, self._clear_mentions, self._clear_log)

    async def _finish(self, deletion: Deletion) -> None:
        async def work(session: Session) -> None:
            for _, key in ((deletion.bucket, deletion.key), *deletion.merged):
                await session.execute("clear_answers", key)  # To what was on its way when the user was deleted.
            await session.execute("delete_former_ids", deletion.bucket, deletion.key)
            await session.execute("delete_merged_users", deletion.bucket, deletion.key)
            await session.execute("finish_deletion", deletion.bucket, deletion.key)

        await self._transactions.write(work)
        if self._erase is not None:
            await self._erase()

    async def _clear_entries(self, bucket: int, key: int, _deletion: Deletion, after: int) -> int | None:
        async def work(session: Session) -> int | None:
            found = await session.rows("next_entries", bucket, key, after, ENTRIES)
            if not found:
                return None
            last = int(found[-1][0])
            await session.execute("clear_entries", bucket, key, after, last)
            return last

        return await self._transactions.write(work)

    async def _clear_events(self, deletion: Deletion, after: int) -> int | None:
        """Clear the user's own events; one that is cleared names them no longer, so it is not found again."""

        async def work(session: Session) -> int | None:
            for span in deletion.spans:
                key = (bucket_of(deletion.environment, span.id), deletion.environment.value, span.id)
                found = await session.rows("lock_events_of", *key, *bounds_of(span), EVENTS)
                if found:
                    await _clear(session, deletion, map(event_from, found))
                    return after
            return None

        return await self._transactions.write(work)

    async def _clear_mentions(self, deletion: Deletion, after: int) -> int | None:
        """Look for the user in the events of others."""

        async def look(session: Session) -> Sequence[Row]:
            return await session.rows("scan_events", deletion.environment.value, after, EVENTS)

        def is_candidate(row: Row) -> bool:
            return deletion.may_change_event(MessageType(row[1]), row[2], from_milliseconds(row[3]))

        async def change(session: Session, numbers: object) -> None:
            found = map(event_from, await session.rows("lock_events", deletion.environment.value, numbers))
            await _clear(session, deletion, found)

        return await self._look_through(look, is_candidate, change)

    async def _clear_log(self, deletion: Deletion, after: int) -> int | None:
        """Look for the user in the log: in the lines about them, and in others."""

        async def look(session: Session) -> Sequence[Row]:
            return await session.rows("scan_log", deletion.environment.value, after, LINES)

        def is_candidate(row: Row) -> bool:
            return deletion.may_change_line(row[2], row[3], from_milliseconds(row[1]), row[4], row[5])

        async def change(session: Session, numbers: object) -> None:
            found = [log_line_from(row) for row in await session.rows("lock_log_lines", numbers)]
            cleared = [new for old, new in ((line, deletion.line(line)) for line in found) if new is not old]
            await session.many("clear_log_line", [_line_row(line) for line in cleared])

        return await self._look_through(look, is_candidate, change)

    async def _look_through(
        self,
        look: Callable[[Session], Awaitable[Sequence[Row]]],
        is_candidate: Callable[[Row], bool],
        change: Callable[[Session, object], Awaitable[None]],
    ) -> int | None:
        """Read a page, lock what may have to change and change it; return the last number read, None for no page.

        What is changed is read again under its lock: another deletion may have changed it meanwhile.
        """

        async def read(session: Session) -> tuple[int | None, list[int]]:
            rows = await look(session)
            return rows[-1][0] if rows else None, [row[0] for row in rows if is_candidate(row)]

        last, numbers = await self._transactions.read_aside(read)
        if numbers:

            async def write(session: Session) -> None:
                await change(session, session.array(numbers))

            await self._transactions.write(write)
        return last


async def _clear(session: Session, deletion: Deletion, events: Iterable[SegmentEvent]) -> None:
    pairs = [(event, deletion.event(event)) for event in events]
    rows = [
        (
            old.bucket,
            old.environment.value,
            old.message_id,
            new.message_id,
            new.user_id,
            new.status,
            new.reason,
            new.raw,
        )
        for old, new in pairs
        if new is not old
    ]
    await session.many("clear_event", rows)


def _line_row(line: LogLine) -> Row:
    """Write a row of ``clear_log_line``."""
    return (line.id, line.subject_id, described(line.before), described(line.after))


async def _leave_imports(session: Session, user: User) -> None:
    """Take the user's row out of imports in progress, which would make them again."""
    pattern = f"%{_any_sign(to_json(user.id))}%"
    for import_id, page, listed in await session.rows("find_import_pages", user.environment.value, pattern):
        rows = json.loads(listed)
        kept = [row for row in rows if row[1] != user.id]
        if len(kept) < len(rows):
            await session.execute("change_import_page", import_id, page, to_json(kept))


def _any_sign(text: str) -> str:
    """Return a text for ``like`` in which each sign that has a meaning there stands for any sign."""
    return text.translate(dict.fromkeys(map(ord, "%_\\"), "_"))
