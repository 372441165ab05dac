"""Group commit: while one batch is on its way to disk, the calls that arrive form the next.

So one fsync is paid by many callers, and a lone caller waits for nobody.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from kana.engine.batch import Batch
from kana.engine.ports import Clock, Ledger, Meter
from kana.errors import KanaError, RateLimited
from kana.model.usage import Receipt, Usage

BATCH_MAX = 1000
"""Most usages in one transaction."""

PENDING_MAX = 8192
"""Most usages waiting in one lane; the next is told to come back."""

_Waiting = tuple[Usage, "asyncio.Future[Receipt]"]


class Recorder:
    """Gathers usages into batches, a lane at a time, and hands each caller its own answer."""

    def __init__(self, ledger: Ledger, *, clock: Clock, reserve_ids: Callable[[int], int], meter: Meter) -> None:
        self._ledger = ledger
        self._clock = clock
        self._reserve_ids = reserve_ids
        self._meter = meter
        self._pending: dict[int, list[_Waiting]] = {}
        self._running: dict[int, asyncio.Task[None]] = {}

    async def record(self, usage: Usage) -> Receipt:
        """Return the answer to one usage after its entry is on disk.

        A caller who goes away changes nothing: the entry is written, and its key finds it.

        Raises:
            KanaError: this usage's own error, or the store's.
            RateLimited: too many wait already; nothing was recorded.
        """
        return await self._submit(usage)

    async def record_many(self, usages: Sequence[Usage]) -> list[Receipt | KanaError]:
        """Return the answers to usages in their order; one that is wrong never fails its neighbours."""
        return [await _settled(waiting) for waiting in [self._submit_or_fail(usage) for usage in usages]]

    def _submit_or_fail(self, usage: Usage) -> asyncio.Future[Receipt]:
        try:
            return self._submit(usage)
        except RateLimited as error:
            future: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
            future.set_exception(error)
            return future

    def _submit(self, usage: Usage) -> asyncio.Future[Receipt]:
        lane = self._ledger.lane(usage.environment, usage.user_id)
        pending = self._pending.setdefault(lane, [])
        if len(pending) >= PENDING_MAX:
            raise RateLimited(f"{PENDING_MAX} usages are waiting to be recorded; retry shortly", retry_after_s=1)
        future: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        pending.append((usage, future))
        if lane not in self._running:
            self._running[lane] = asyncio.create_task(self._run(lane))
        return future

    async def drain(self) -> None:
        """Return when all that was accepted is on disk or refused."""
        while self._running:
            await asyncio.gather(*self._running.values())

    async def _run(self, lane: int) -> None:
        try:
            while pending := self._pending[lane]:
                # Those that became ready in the same turn of the loop join the first of them.
                await asyncio.sleep(0)
                taken = pending[:BATCH_MAX]
                del pending[:BATCH_MAX]
                await self._commit(taken)
        finally:
            del self._running[lane]

    async def _commit(self, taken: list[_Waiting]) -> None:
        batch = Batch([usage for usage, _ in taken], now=self._clock(), next_id=self._ids(len(taken)).__next__)
        started = time.perf_counter()
        try:
            await self._ledger.append(batch)
        except Exception as error:  # noqa: BLE001 - whatever it is belongs to every caller of the batch.
            for _, future in taken:
                _fail(future, error)
            return
        self._meter.batch(len(batch.entries), time.perf_counter() - started)
        for (_, future), answer in zip(taken, batch.answers, strict=True):
            if isinstance(answer, KanaError):
                _fail(future, answer)
            else:
                self._meter.decision("record", answer.entry.outcome)
                with suppress(asyncio.InvalidStateError):
                    future.set_result(answer)

    def _ids(self, count: int) -> Iterator[int]:
        """Yield ids, reserved so many at a time: a store that decides a batch again gets none twice."""
        while True:
            first = self._reserve_ids(count)
            yield from range(first, first + count)


async def _settled(future: asyncio.Future[Receipt]) -> Receipt | KanaError:
    try:
        return await future
    except KanaError as error:
        return error


def _fail(future: asyncio.Future[Receipt], error: Exception) -> None:
    with suppress(asyncio.InvalidStateError):
        future.set_exception(error)
