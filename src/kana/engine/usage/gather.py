"""Questions that arrive together are answered together: one transaction instead of one for each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

_Question = TypeVar("_Question")
_Answer = TypeVar("_Answer")

GATHERED_MAX = 64
"""Most questions answered at once."""

AT_ONCE_MAX = 2
"""Most groups of questions under way, so that the connections are not all taken by them."""


class Gatherer(Generic[_Question, _Answer]):
    """Hands groups of questions to a function that answers each, in order, with a value or an error of its own.

    A lone question waits for nobody; while groups are under way, those that arrive form the next.
    """

    def __init__(self, answer: Callable[[Sequence[_Question]], Awaitable[Sequence[_Answer | Exception]]]) -> None:
        self._answer = answer
        self._pending: list[tuple[_Question, asyncio.Future[_Answer]]] = []
        self._running: set[asyncio.Task[None] | None] = set()

    def ask(self, question: _Question) -> asyncio.Future[_Answer]:
        """Return what is, or raises, the answer to one question when awaited.

        A future and not a coroutine: one layer less to wake through on the way of each request.
        """
        future: asyncio.Future[_Answer] = asyncio.get_running_loop().create_future()
        self._pending.append((question, future))
        if len(self._running) < AT_ONCE_MAX:
            self._running.add(asyncio.create_task(self._run()))
        return future

    async def _run(self) -> None:
        try:
            await self._answer_all()
        finally:
            # In the very step that found nothing left: a question that came between would wait for ever.
            self._running.discard(asyncio.current_task())

    async def _answer_all(self) -> None:
        # Those that became ready in the same turn of the loop join the first of them.
        await asyncio.sleep(0)
        while taken := self._pending[:GATHERED_MAX]:
            del self._pending[:GATHERED_MAX]
            for (_, future), answer in zip(taken, await self._answers([asked for asked, _ in taken]), strict=True):
                with suppress(asyncio.InvalidStateError):  # The caller may have gone away.
                    if isinstance(answer, Exception):
                        future.set_exception(answer)
                    else:
                        future.set_result(answer)

    async def _answers(self, questions: Sequence[_Question]) -> Sequence[_Answer | Exception]:
        try:
            return await self._answer(questions)
        except Exception as error:  # noqa: BLE001 - whatever it is belongs to every one of them.
            return [error] * len(questions)
