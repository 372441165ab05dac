"""Group commit: while one batch is being written to disk, the calls that arrive form the next.

So many callers share one fsync, and a single caller does not wait for others.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress

from kana.engine.ids import IdMaker
from kana.engine.ports.clock import Clock, Meter
from kana.engine.ports.usage import Ledger
from kana.engine.usage.batch import Answer, Batch, Request
from kana.errors import KanaError, RateLimited
from kana.model.consumed import Consumed
from kana.model.reversal import Reversal
from kana.model.usage import Receipt, Usage

BATCH_MAX = 1000
"""Most usages in one transaction."""

TOGETHER_MAX = 50
"""Most usages of one call that wait at the same time, so that usages of others are recorded in between."""

PENDING_MAX = 8192
"""Most usages waiting in one lane; further ones are refused with RateLimited."""


class _Call:
    """Usages of one call, and their answers: the caller waits once, for the last of them."""

    __slots__ = ("_missing", "answered", "answers")

    def __init__(self, size: int) -> None:
        self.answers: list[Answer | Exception | None] = [None] * size
        self.answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._missing = size

    def answer(self, at: int, answer: Answer | Exception) -> None:
        """Set the answer of one request; each is set once."""
        self.answers[at] = answer
        self._missing -= 1
        if not self._missing:
            with suppress(asyncio.InvalidStateError):  # The caller may have gone away.
                self.answered.set_result(None)


_Waiting = tuple[Request, _Call, int]
"""A request, its call, and its position there."""


class Recorder:
    """Collects usages into batches, for each lane separately, and gives each caller the answer."""

    def __init__(self, ledger: Ledger, *, clock: Clock, ids: IdMaker, meter: Meter) -> None:
        self._ledger = ledger
        self._clock = clock
        self._ids_of = ids
        self._meter = meter
        self._pending: dict[int, list[_Waiting]] = {}
        self._running: dict[int, asyncio.Task[None]] = {}
        self._many = asyncio.Lock()

    async def record(self, usage: Usage | Reversal) -> Receipt:
        """Return the answer to one usage or reversal after its entry is on disk, by the rules of ``decide``."""
        return _receipt(await self.decide(usage))

    async def decide(self, request: Request) -> Answer:
        """Return the answer to one request after its entries are on disk.

        If the caller disconnects, they are still written, and the key finds them.

        Raises:
            KanaError: this request's own error, or the store's.
            RateLimited: too many wait already; nothing was recorded.
        """
        call = _Call(1)
        self._submit(request, call, 0)
        await call.answered
        return _told(call.answers[0])

    async def record_many(self, usages: Sequence[Usage]) -> list[Receipt | KanaError]:
        """Return the answers to usages in order; a wrong one does not affect its neighbours.

        They are recorded in parts, and only one such call records at a time, so usages of others get a turn in
        between and do not wait for all of these.
        """
        answers: list[Receipt | KanaError] = []
        for start in range(0, len(usages), TOGETHER_MAX):
            async with self._many:
                answers += await self._record_together(usages[start : start + TOGETHER_MAX])
        return answers

    async def _record_together(self, usages: Sequence[Usage]) -> list[Receipt | KanaError]:
        call = _Call(len(usages))
        for at, usage in enumerate(usages):
            try:
                self._submit(usage, call, at)
            except RateLimited as error:
                call.answer(at, error)
        await call.answered
        return [answer if isinstance(answer, KanaError) else _receipt(_told(answer)) for answer in call.answers]

    def _submit(self, usage: Request, call: _Call, at: int) -> None:
        lane = self._ledger.lane(usage.environment, usage.user_id)
        pending = self._pending.setdefault(lane, [])
        if len(pending) >= PENDING_MAX:
            raise RateLimited(f"{PENDING_MAX} usages are waiting to be recorded; retry shortly", retry_after_s=1)
        pending.append((usage, call, at))
        if lane not in self._running:
            self._running[lane] = asyncio.create_task(self._run(lane))

    async def drain(self) -> None:
        """Return when everything that was accepted is on disk or refused."""
        while self._running:
            await asyncio.gather(*self._running.values())

    async def _run(self, lane: int) -> None:
        try:
            while pending := self._pending[lane]:
                # Usages that arrive in the same turn of the loop join the first.
                await asyncio.sleep(0)
                taken = pending[:BATCH_MAX]
                del pending[:BATCH_MAX]
                await self._commit(taken)
        finally:
            del self._running[lane]

    async def _commit(self, taken: list[_Waiting]) -> None:
        batch = Batch(
            [usage for usage, _, _ in taken],
            clock=self._clock,
            next_id=self._ids(len(taken)).__next__,
            reservation_id=self._ids_of.with_bucket,
        )
        started = time.perf_counter()
        try:
            await self._ledger.append(batch)
        except Exception as error:  # noqa: BLE001 - whatever it is belongs to every caller of the batch.
            for _, call, at in taken:
                call.answer(at, error)
            return
        self._meter.batch(len(batch.entries), time.perf_counter() - started)
        answers = batch.answers
        self._meter.decided("record", [each.entry.outcome for each in answers if isinstance(each, Receipt)])
        self._meter.decided("consume", [each.outcome for each in answers if isinstance(each, Consumed)])
        for (_, call, at), answer in zip(taken, answers, strict=True):
            call.answer(at, answer)

    def _ids(self, count: int) -> Iterator[int]:
        """Yield ids, ``count`` reserved at a time: a store that decides a batch again never gets an id twice."""
        while True:
            first = self._ids_of.reserve(count)
            yield from range(first, first + count)


def _told(answer: Answer | Exception | None) -> Answer:
    """Return an answer, or raise the error in its place."""
    assert answer is not None, "a call is answered when all of its requests are"
    if isinstance(answer, Exception):
        raise answer
    return answer


def _receipt(answer: Answer) -> Receipt:
    assert isinstance(answer, Receipt), "a usage is answered by a receipt"
    return answer
