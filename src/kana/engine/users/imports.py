"""UserImports merged into the users by the thousand, a page at a time, so that nobody else waits for the whole.

All or nothing, and the moment that decides is one row of a journal. Before it every row was read, found right and
kept there; after it nothing can fail for good, and whoever starts next goes on where a process ended.
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
from kana.engine.users.directory import in_chunks
from kana.errors import Conflict, InvalidValue, KanaError, OutcomeUnknown, Unavailable
from kana.model.environment import Actor, Environment
from kana.model.user import User
from kana.model.user_import import Row, UserImport, WrongRow, merged

PAUSE_S = 5.0
"""How long after one look for imports that were left behind the next one is had."""

LEFT_BEHIND = timedelta(seconds=60)
"""An import that has not got on for so long belongs to a process that is gone."""

_AGAIN_S = 0.2

_log = logging.getLogger("kana.imports")


class ImportEngine:
    """Merges imports, and takes up those that a crash left behind.

    Several processes may merge one at the same time: each page is merged once.
    """

    def __init__(self, store: UserImportStore, *, clock: Clock, ids: IdMaker) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._ours: dict[int, asyncio.Event] = {}
        self._is_first_look = True
        self._ending = asyncio.Event()

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

        Once it is decided, those who look meanwhile find some of its users merged and others not yet, and a
        record never waits for more than one page. ``on_rows`` is told how many rows are merged so far. It stands
        in the administrative log in one line, with counts, by and ``source``, less its control characters.

        Raises:
            InvalidValue: a row is wrong; the message says which, and nothing was merged.
            Unavailable: nothing was merged; or the process ends, and the next one goes on.
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
        """Keep all rows in the journal, each found right, and decide; where one is wrong, keep none."""
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
            # One that was decided after all, where that could not be told, is not dropped by this.
            with suppress(KanaError):
                await self._drop(user_import.id)
            raise

    def _checked(self, environment: Environment, row: Row | WrongRow) -> Row:
        if isinstance(row, WrongRow):
            raise InvalidValue(f"row {row.number}: {row.why}")
        merged(row, None, environment=environment, key=0, now=self._clock())
        return row

    async def _carry_out(self, import_id: int, on_rows: Callable[[int], None]) -> None:
        """Merge what was decided, and after each page leave everybody else as much time as it took."""
        done, told, pace = 0, "", Pace()
        while True:
            self._check_goes_on("it goes on with this by itself when it starts again")
            try:
                rows = await self._store.merge_page(import_id, self._merged, now=self._clock())
            except (Conflict, Unavailable, OutcomeUnknown) as error:
                if error.message != told:
                    _log.warning("users are merged a little later: %s", error.message)
                told = error.message
                await asyncio.sleep(_AGAIN_S)
                continue
            if rows is None:
                return
            done += rows
            on_rows(done)
            await pace.rest()

    def _check_goes_on(self, else_: str) -> None:
        if self._ending.is_set():
            raise Unavailable(f"the server stops; {else_}", retry_after_s=5)

    def _merged(self, environment: Environment, row: Row, old: User | None) -> User:
        return merged(row, old, environment=environment, key=self._ids(), now=self._clock())

    async def _drop(self, import_id: int) -> None:
        while await self._store.drop_page(import_id):
            pass

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Look in the background for imports that were left behind; ends, and what is merged, between two pages."""
        self._ending.clear()
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            self._ending.set()
            await task
            for merge in list(self._ours.values()):
                await merge.wait()

    async def _run(self) -> None:
        while not self._ending.is_set():
            try:
                await self.take_up()
            except KanaError as error:
                _log.warning("imports are not taken up yet: %s", error.message)
            except Exception:  # noqa: BLE001 - the next look may find it mended
                _log.exception("imports could not be taken up")
            with suppress(TimeoutError):
                async with asyncio.timeout(PAUSE_S):
                    await self._ending.wait()

    async def take_up(self) -> None:
        """Merge the imports that were decided and left behind, and drop those that were not decided.

        What was decided goes on at the first look after a start; another process may be at it too.

        Raises:
            KanaError: the store cannot answer; what was not taken up stays as it is.
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
    """Leave out what a file's name may hold and no database keeps."""
    return "".join(each for each in name if unicodedata.category(each) not in ("Cc", "Cs"))
