"""Answers questions that arrive together in one transaction instead of one for each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

_Question = TypeVar("_Question")
_Answer = TypeVar("_Answer")

GATHERED_MAX = 64
"""Most questions in one group."""

AT_ONCE_MAX = 2
"""Most groups running at the same time, so that they do not use all connections."""


class Gatherer(Generic[_Question, _Answer]):
    """Passes groups of questions to a function that answers each, in order, with a value or an error.

    A single question does not wait; while groups are running, those that arrive form the next.
    """

    def __init__(self, answer: Callable[[Sequence[_Question]], Awaitable[Sequence[_Answer | Exception]]]) -> None:
        self._answer = answer
        self._pending: list[tuple[_Question, asyncio.Future[_Answer]]] = []
        self._running: set[asyncio.Task[None] | None] = set()

    def ask(self, question: _Question) -> asyncio.Future[_Answer]:
        """Return a future with the answer to one question, or its error.

        It is a future and not a coroutine to save a step in each request.
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
            # In the same step that found nothing left, or a question in between would never be answered.
            self._running.discard(asyncio.current_task())

    async def _answer_all(self) -> None:
        # Questions that arrive in the same turn of the loop join the first.
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
