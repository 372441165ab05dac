"""Changes of a catalogue that are too large for one transaction: stored in pages, decided by one row, then merged.

A record waits for one page at most. Before the decision nobody sees anything of a change; afterwards everybody sees
all of it, because reading features and packages includes the pages of decided changes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from kana.engine.pace import Pace
from kana.errors import Conflict
from kana.model.environment import Environment
from kana.model.period import to_milliseconds
from kana.store.session import Row, Session, Transactions
from kana.store.values import to_json

PAGE_CHARACTERS = 300_000
"""How much of a change is written in one transaction: a few milliseconds, most of them waiting for the disk."""

LINES = 50
"""How many lines of the log are deleted in one transaction."""

LEFT_BEHIND = timedelta(minutes=10)
"""A change that is undecided for this long is given up; if its process still runs, it gets an error."""

_LOG = "add_log_lines"
_GIVEN_UP = "the change of the catalogue took so long that it was given up; nothing was changed, try again"


class Page(NamedTuple):
    """Rows for one statement, as JSON."""

    statement: str
    listed: str


def pages_of(lists: Mapping[str, Sequence[Row]]) -> Iterator[Page]:
    """Yield the rows of each statement in pages that are never much longer than their longest row.

    Rows are encoded one by one, because other threads cannot run during an encoding.
    """
    for statement, rows in lists.items():
        kept: list[str] = []
        length = 0
        for row in map(to_json, rows):
            if kept and length + len(row) > PAGE_CHARACTERS:
                yield Page(statement, f"[{','.join(kept)}]")
                kept, length = [], 0
            kept.append(row)
            length += len(row)
        if kept:
            yield Page(statement, f"[{','.join(kept)}]")


def is_small(pages: Sequence[Page]) -> bool:
    """Whether a change is small enough for one transaction."""
    return sum(len(page.listed) for page in pages) <= PAGE_CHARACTERS


class CatalogJournal:
    """Stores changes in progress, each in many short transactions."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def keep(self, change: int, environment: Environment, pages: Sequence[Page], *, now: datetime) -> None:
        """Store an undecided change. Lines of the log are written to the log, but not shown yet.

        Raises:
            Conflict: it took so long that it was taken for left behind.
        """

        async def begin(session: Session) -> None:
            await session.execute("add_catalog_change", change, environment.value, to_milliseconds(now))

        await self._transactions.write(begin)
        pace = Pace()
        for number, page in enumerate(pages):
            await self._transactions.write(partial(_keep_page, change, number, page))
            await pace.rest()

    async def settle(self, environment: Environment, *, now: datetime) -> None:
        """Merge decided changes of any process, and drop abandoned ones."""

        async def find(session: Session) -> Sequence[Row]:
            return await session.rows("list_catalog_changes", environment.value, to_milliseconds(now - LEFT_BEHIND))

        for (change,) in await self._transactions.read(find):
            await self.finish(change)

    async def finish(self, change: int) -> None:
        """Merge a change if it was decided, otherwise delete it; after each page pause for as long as it took."""
        pace = Pace()
        while await self._transactions.write(partial(_finish_page, change)):
            await pace.rest()


async def decide(session: Session, change: int, *, version: int) -> None:
    """Decide a change, within the transaction that raises the version.

    Raises:
        Conflict: it took so long that it was taken for left behind.
    """
    if not await session.execute("decide_catalog_change", change, version):
        raise Conflict(_GIVEN_UP)


async def load_decided(session: Session, environment: Environment, *, since: int) -> Mapping[str, Sequence[Row]]:
    """Return the rows of changes that are decided and not merged yet, by the statement that writes them.

    They are read before the tables that they are merged into, so what is merged in between is found in both.
    """
    pages = await session.rows("load_catalog_pages", environment.value, since)
    rows: dict[str, list[Row]] = {statement: [] for statement in ("put_features", "put_packages", "delete_packages")}
    for statement, listed in pages:
        rows[statement] += json.loads(listed)
    return rows


async def _keep_page(change: int, number: int, page: Page, session: Session) -> None:
    if await session.value("lock_catalog_change", change) is None:
        raise Conflict(_GIVEN_UP)
    if page.statement == _LOG:
        await session.execute(_LOG, page.listed)
    else:
        await session.execute("add_catalog_page", change, number, *page)


async def _finish_page(change: int, session: Session) -> bool:
    """Merge or delete the next page; False if nothing is left. Several processes may do so: each page is done once."""
    version = await session.value("lock_catalog_change", change)
    if version is None:
        return False
    page = await session.row("load_catalog_page", change)
    if page is not None:
        number, statement, listed = page
        if version:
            await session.execute(statement, listed)
        await session.execute("delete_catalog_page", change, number)
        return True
    if not version and await session.execute("delete_change_lines", change, LINES):
        return True
    await session.execute("delete_catalog_change", change)
    return False
