"""The journal of imports, and their pages merged into the users."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from kana.engine.ports.imports import RowMerge
from kana.errors import Conflict
from kana.model.environment import Actor, Environment
from kana.model.notification import NotificationType, of_user
from kana.model.period import from_milliseconds, to_milliseconds
from kana.model.user import User
from kana.model.user_import import Row, UserImport
from kana.store.log import log_row
from kana.store.notifications import add_notifications
from kana.store.session import Row as Columns
from kana.store.session import Session, Transactions
from kana.store.users import load_users_by_id, user_id_row, user_row
from kana.store.values import to_json

_DROPPED = "The import was given up because it made no progress for too long; nothing was imported, try again"
_TAKEN = "Somebody created one of these users meanwhile"


class UserImports:
    """Stores imports. ``UserImportStore`` says what each call promises."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def begin_import(self, user_import: UserImport) -> None:
        """Open the journal."""

        async def work(session: Session) -> None:
            await session.execute("add_import", *_import_row(user_import))

        await self._transactions.write(work)

    async def keep_page(self, import_id: int, page: int, rows: Sequence[Row], *, now: datetime) -> None:
        """Add a page."""
        listed = to_json([(row.number, row.id, row.details) for row in rows])

        async def work(session: Session) -> None:
            if not await session.execute("move_import", import_id, to_milliseconds(now), 0):
                raise Conflict(_DROPPED)
            await session.execute("add_import_page", import_id, page, listed)

        await self._transactions.write(work)

    async def decide_import(self, import_id: int, *, now: datetime) -> None:
        """Decide."""

        async def work(session: Session) -> None:
            if not await session.execute("decide_import", import_id, to_milliseconds(now)):
                raise Conflict(_DROPPED)

        await self._transactions.write(work)

    async def merge_page(self, import_id: int, merge: RowMerge, *, now: datetime) -> int | None:
        """Merge the next page, or end."""

        async def work(session: Session) -> int | None:
            if not await session.execute("move_import", import_id, to_milliseconds(now), 1):
                return None  # Another process has finished it.
            [row] = await session.rows("load_import", import_id)
            found = await session.row("load_import_page", import_id)
            if found is None:
                await session.execute("add_log_line", *_log_row(row))
                await session.execute("delete_import", import_id)
                return None
            page, listed = found
            rows = [Row(number=each[0], id=each[1], details=each[2]) for each in json.loads(listed)]
            made, changed = await _merge(session, Environment(row[1]), rows, merge)
            await session.execute("count_merged", import_id, made, changed)
            await session.execute("delete_import_page", import_id, page)
            return len(rows)

        return await self._transactions.write(work)

    async def drop_page(self, import_id: int) -> bool:
        """Delete a page, or the import."""

        async def work(session: Session) -> bool:
            row = await session.row("load_import", import_id)
            if row is None or row[7]:
                return False
            found = await session.row("load_import_page", import_id)
            if found is None:
                await session.execute("delete_import", import_id)
                return False
            await session.execute("delete_import_page", import_id, found[0])
            return True

        return await self._transactions.write(work)

    async def imports(self) -> list[UserImport]:
        """Return them all."""

        async def work(session: Session) -> list[UserImport]:
            return [_import_from(row) for row in await session.rows("list_imports")]

        return await self._transactions.read(work)


async def _merge(session: Session, environment: Environment, rows: Sequence[Row], merge: RowMerge) -> tuple[int, int]:
    """Write the users of rows; return how many were created and how many changed."""
    there = await load_users_by_id(session, environment, [row.id for row in rows], locked=True)
    merged = [(there.get(row.id), merge(environment, row, there.get(row.id))) for row in rows]
    made = [new for old, new in merged if old is None]
    changed = [new for old, new in merged if old is not None and new != old]
    if made:
        await session.many("add_user_id", [user_id_row(user) for user in made])
        if await _count_ids(session, environment, made) != len(made):
            raise Conflict(_TAKEN)
    await session.many("put_user", [user_row(user) for user in [*made, *changed]])
    told = (of_user(user, NotificationType.USER_CREATED, now=user.created_at) for user in made)
    await add_notifications(session, told)
    return len(made), len(changed)


async def _count_ids(session: Session, environment: Environment, users: Sequence[User]) -> int:
    """Return how many new users got their ids: another process may have used one for its own user."""
    lists = ({user.bucket for user in users}, {user.id for user in users}, {user.key for user in users})
    count: int = await session.value(
        "count_user_ids", environment.value, *(session.array(sorted(each)) for each in lists)
    )
    return count


def _import_row(user_import: UserImport) -> Columns:
    """Write a row of ``add_import``."""
    by, moments = user_import.by, map(to_milliseconds, (user_import.begun_at, user_import.moved_at))
    return (user_import.id, user_import.environment.value, user_import.source, by.kind, by.name, *moments)


def _import_from(row: Columns) -> UserImport:
    """Read a row of ``list_imports``."""
    return UserImport(
        id=row[0],
        environment=Environment(row[1]),
        source=row[2],
        by=Actor(kind=row[3], name=row[4]),
        begun_at=from_milliseconds(row[5]),
        moved_at=from_milliseconds(row[6]),
        is_decided=bool(row[7]),
    )


def _log_row(row: Columns) -> Columns:
    """Write the one line for a whole import, from its row in the journal."""
    user_import = _import_from(row)
    return log_row(
        "imported",
        ("users", user_import.source),
        environment=user_import.environment,
        before=None,
        after={"made": row[8], "changed": row[9]},
        by=user_import.by,
        now=user_import.moved_at,
    )
