"""Merges imports of users, page by page, so that nobody else waits for the whole import.

An import is all or nothing, and one row of a journal decides. Before that every row is read, checked and stored;
afterwards nothing can fail permanently, and if the process ends, the next one continues.
"""

from __future__ import annotations

import asyncio
import logging
import unicodedata
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

from kana.engine.ids import IdMaker
from kana.engine.pace import Pace
from kana.engine.ports.clock import Clock
from kana.engine.ports.imports import UserImportStore
from kana.engine.rounds import Rounds
from kana.engine.users.directory import in_chunks
from kana.errors import Conflict, InvalidValue, KanaError, OutcomeUnknown, Unavailable
from kana.model.environment import Actor, Environment
from kana.model.user import User
from kana.model.user_import import Row, UserImport, WrongRow, merged

PAUSE_S = 5.0
"""Pause between two checks for abandoned imports."""

LEFT_BEHIND = timedelta(seconds=60)
"""An import without progress for this long belongs to a process that has ended."""

_AGAIN_S = 0.2

_log = logging.getLogger("kana.imports")


class ImportEngine:
    """Merges imports, and continues those that a crash interrupted.

    Several processes may merge one at the same time: each page is merged once.
    """

    def __init__(self, store: UserImportStore, *, clock: Clock, ids: IdMaker) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._ours: dict[int, asyncio.Event] = {}
        self._is_first_look = True
        self._rounds = Rounds(self.take_up, doing="continuing abandoned imports", pause_s=PAUSE_S, log=_log)

    async def merge(
        self,
        environment: Environment,
        rows: Iterable[Row | WrongRow],
        *,
        on_rows: Callable[[int], None],
        source: str = "",
        by: Actor,
    ) -> None:
        """Merge an import into the users, all of it or nothing; doing it again changes nothing.

        Once it is decided, other readers see some of its users merged and others not yet, and a record never waits
        for more than one page. ``on_rows`` is called with how many rows are merged so far. The administrative log
        gets one line, with counts, ``by`` and ``source`` without its control characters.

        Raises:
            InvalidValue: a row is wrong; the message says which, and nothing was merged.
            Unavailable: nothing was merged; or the process ends, and the next one continues.
        """
        now = self._clock()
        user_import = UserImport(
            id=self._ids(), environment=environment, source=_plain(source), by=by, begun_at=now, moved_at=now
        )
        self._ours[user_import.id] = asyncio.Event()
        try:
            await self._decide(user_import, rows)
            await self._carry_out(user_import.id, on_rows)
        finally:
            self._ours.pop(user_import.id).set()

    async def _decide(self, user_import: UserImport, rows: Iterable[Row | WrongRow]) -> None:
        """Check all rows, store them in the journal, and decide; if one is wrong, store none."""
        await self._store.begin_import(user_import)
        pace = Pace()
        try:
            for number, chunk in enumerate(in_chunks(rows)):
                self._check_goes_on("nothing was imported")
                page = [self._checked(user_import.environment, row) for row in chunk]
                await self._store.keep_page(user_import.id, number, page, now=self._clock())
                await pace.rest()
            await self._store.decide_import(user_import.id, now=self._clock())
        except Exception:
            # If it was decided although the answer was lost, this does not drop it.
            with suppress(KanaError):
                await self._drop(user_import.id)
            raise

    def _checked(self, environment: Environment, row: Row | WrongRow) -> Row:
        if isinstance(row, WrongRow):
            raise InvalidValue(f"row {row.number}: {row.why}")
        merged(row, None, environment=environment, key=0, now=self._clock())
        return row

    async def _carry_out(self, import_id: int, on_rows: Callable[[int], None]) -> None:
        """Merge what was decided, and after each page leave others as much time as it took."""
        done, told, pace = 0, "", Pace()
        while True:
            self._check_goes_on("it continues automatically when it starts again")
            try:
                rows = await self._store.merge_page(import_id, self._merged, now=self._clock())
            except (Conflict, Unavailable, OutcomeUnknown) as error:
                if error.message != told:
                    _log.warning("users will be merged slightly later: %s", error.message)
                told = error.message
                await asyncio.sleep(_AGAIN_S)
                continue
            if rows is None:
                return
            done += rows
            on_rows(done)
            await pace.rest()

    def _check_goes_on(self, else_: str) -> None:
        if self._rounds.is_ending:
            raise Unavailable(f"the server is stopping; {else_}", retry_after_s=5)

    def _merged(self, environment: Environment, row: Row, old: User | None) -> User:
        return merged(row, old, environment=environment, key=self._ids(), now=self._clock())

    async def _drop(self, import_id: int) -> None:
        while await self._store.drop_page(import_id):
            pass

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Continue abandoned imports in the background; stop, also running merges, between two pages."""
        try:
            async with self._rounds.running():
                yield
        finally:
            for merge in list(self._ours.values()):
                await merge.wait()

    async def take_up(self) -> None:
        """Merge abandoned imports that were decided, and drop those that were not.

        Decided ones continue directly after a start; another process may work on them at the same time.

        Raises:
            KanaError: the store cannot answer; what was not done stays as it is.
        """
        first, self._is_first_look = self._is_first_look, False
        for user_import in await self._store.imports():
            is_left = self._clock() - user_import.moved_at >= LEFT_BEHIND
            if user_import.id in self._ours:
                continue
            if user_import.is_decided and (is_left or first):
                await self._carry_out(user_import.id, lambda _: None)
            elif is_left:
                await self._drop(user_import.id)


def _plain(name: str) -> str:
    """Return a file's name without characters that no database can store."""
    return "".join(each for each in name if unicodedata.category(each) not in ("Cc", "Cs"))
