"""Deletes users: who they are at once, and every trace of them in pages after it, so that nobody else waits."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from kana.engine.pace import Pace
from kana.engine.ports.clock import Clock
from kana.engine.ports.deletions import DeletionStore, Mark
from kana.engine.ports.users import Signed
from kana.engine.rounds import Rounds
from kana.errors import OutcomeUnknown, Unavailable
from kana.model.deletion import Deletion, new_surrogate
from kana.model.environment import Actor, Environment
from kana.model.value import value_object

PAUSE_S = 5.0
"""Pause between two checks for deletions that a process left behind."""

LEFT_BEHIND = timedelta(seconds=60)
"""A deletion that is unfinished for this long may belong to a process that has ended."""

WAIT_S = 2.0
"""How long a call waits until every trace is cleared, before it answers that this goes on."""

_AGAIN_S = 0.2

_log = logging.getLogger("kana.deletions")


@value_object()
class DeletedUser:
    """The answer to a deletion: the surrogate in place of the user's id, and whether every trace is cleared yet."""

    id: str
    is_cleared: bool


class DeletionEngine:
    """Deletes users, and continues what a crash interrupted."""

    def __init__(self, store: DeletionStore, *, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._ours: dict[tuple[int, int], asyncio.Task[None]] = {}
        self._is_first_look = True
        self._rounds = Rounds(
            self.take_up, doing="continuing deletions that were left behind", pause_s=PAUSE_S, log=_log
        )

    async def delete(
        self, environment: Environment, user_id: str, *, by: Actor, wait_s: float | None = WAIT_S
    ) -> DeletedUser:
        """Delete a user with everything that says who they are. What they used stays in every sum.

        When this returns the user is found nowhere. Their id can be used for somebody else once every trace is
        cleared, for which it waits at most ``wait_s`` seconds (None: without a bound).

        Raises:
            UserNotFound: no user has this id. After an OutcomeUnknown this means that the user was deleted.
        """
        deletion = await self._store.begin_deletion(
            environment, user_id, surrogate=new_surrogate(), signed=Signed(by, self._clock)
        )
        task = self._start(deletion)
        await asyncio.wait({task}, timeout=wait_s)
        return DeletedUser(deletion.surrogate, task.done() and task.exception() is None)

    def _start(self, deletion: Deletion) -> asyncio.Task[None]:
        """Clear the traces in the background: a caller who leaves does not end it."""
        place = (deletion.bucket, deletion.key)
        self._ours[place] = task = asyncio.create_task(self._clear(deletion))
        task.add_done_callback(lambda done: self._end(place, done))
        return task

    def _end(self, place: tuple[int, int], task: asyncio.Task[None]) -> None:
        del self._ours[place]
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.warning("traces of a deleted user are not cleared yet: %s", error)

    async def _clear(self, deletion: Deletion) -> None:
        """Clear every trace, and after each page leave others as much time as it took.

        Raises:
            Unavailable: the process ends; the next one continues.
        """
        mark: Mark | None = Mark()
        told, pace = "", Pace()
        while mark is not None:
            if self._rounds.is_ending:
                raise Unavailable("the server is stopping; the deletion continues when it starts again")
            try:
                mark = await self._store.clear_page(deletion, mark)
            except (Unavailable, OutcomeUnknown) as error:
                if error.message != told:
                    _log.warning("traces of a deleted user will be cleared slightly later: %s", error.message)
                told = error.message
                await asyncio.sleep(_AGAIN_S)
            await pace.rest()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Continue deletions that were left behind, in the background; stop, also those of calls, between two pages."""
        try:
            async with self._rounds.running():
                yield
        finally:
            await asyncio.gather(*self._ours.values(), return_exceptions=True)

    async def take_up(self) -> None:
        """Finish deletions that were left behind: after a start all of them, later those that take suspiciously long.

        Another process may work on them at the same time.

        Raises:
            KanaError: the store cannot answer; what was not cleared is cleared later.
        """
        first, self._is_first_look = self._is_first_look, False
        for environment in Environment:
            for deletion in await self._store.deletions(environment):
                is_left = first or self._clock() - deletion.deleted_at >= LEFT_BEHIND
                if is_left and (deletion.bucket, deletion.key) not in self._ours:
                    await self._start(deletion)
