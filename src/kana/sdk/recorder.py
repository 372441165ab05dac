"""Recording in the background: the caller goes on at once, a thread sends in batches and never drops silently."""

from __future__ import annotations

import atexit
import json
import logging
import os
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime
from threading import Condition, Thread, current_thread
from typing import Any, Final, Literal, Self, TypeAlias

from kana.errors import BadInput, Internal, KanaError, OutcomeUnknown, RateLimited, Unavailable
from kana.sdk.batch import RECORD_BATCH, BatchedUsage, Tally, Unrecorded, log_unrecorded
from kana.sdk.driver import Connection, SyncDriver
from kana.sdk.errors import NetworkError, QueueFull, RecorderClosed, UnexpectedAnswer
from kana.sdk.features import usage_input
from kana.sdk.operation import Core
from kana.sdk.results import Action
from kana.sdk.retry import Retry
from kana.sdk.wire import Units

log = logging.getLogger("kana.sdk")

_TRANSIENT: Final = (NetworkError, OutcomeUnknown, RateLimited, Unavailable, Internal)
_BATCH_MAX: Final = 1_000
_DEFECT_ATTEMPTS: Final = 5

UsageInput: TypeAlias = dict[str, Any]


class BackgroundRecorder:
    """Records usage from a thread of its own. Made by ``recorder()`` of a client; threads may share it.

    Each usage has its idempotency key from the moment it is handed over, so a batch may be
    sent again until it is answered, over a server's restart too, and counts once. While the
    server is away usage waits, at most ``queue_max`` of it; then ``record`` blocks or raises.
    A server that answers with a defect of its own is asked five times.

    What is not counted, refused or given up, is told to ``on_unrecorded`` on the recorder's
    thread, and stays countable in ``tally``. At the interpreter's exit what waits is sent,
    for at most 10 seconds; a process that is killed loses what waits.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        timeout_s: float,
        batch_max: int = 500,
        queue_max: int = 10_000,
        linger_s: float = 0.1,
        when_full: Literal["block", "raise"] = "block",
        on_unrecorded: Callable[[Unrecorded], None] = log_unrecorded,
    ) -> None:
        self._connection = connection
        # One try at a time: between tries the thread must see that it is to close.
        self._core = Core(retry=Retry(attempts=1, total_s=timeout_s), timeout_s=timeout_s)
        self._pauses = Retry()
        self._batch_max = min(batch_max, _BATCH_MAX)
        self._queue_max = queue_max
        self._linger_s = linger_s
        self._when_full = when_full
        self._on_unrecorded = on_unrecorded
        self._begin()

    def _begin(self) -> None:
        """Start empty: when made, and in a forked child, whose parent sends what was waiting."""
        self._pid = os.getpid()
        self._driver = SyncDriver(self._connection)
        self._changed = Condition()
        self._queue: deque[UsageInput] = deque()
        self._accepted = self._recorded = self._refused = self._failed = 0
        self._hurried_to = 0
        self._close_by: float | None = None
        self._thread: Thread | None = None

    def record(
        self,
        *,
        user_id: str,
        feature_id: str,
        delta: Units = 1,
        action: Action | str = Action.ADD,
        idempotency_key: str | None = None,
        timestamp: datetime | None = None,
        metadata: Any = None,
    ) -> str:
        """Hand one usage over, and return its idempotency key. It is sent soon, in a batch with others.

        Arguments are those of ``features.record_usage``. Give ``timestamp`` where the period that
        the usage belongs to matters: without it, it happened when the server takes it.

        Raises:
            InvalidValue: delta is no whole number, or the timestamp names no zone.
            QueueFull: as much as may wait is waiting, and ``when_full`` is "raise".
            RecorderClosed: ``close`` was called.
        """
        usage = usage_input(
            user_id=user_id,
            feature_id=feature_id,
            delta=delta,
            action=action,
            idempotency_key=idempotency_key,
            timestamp=timestamp,
            metadata=metadata,
        )
        # What cannot be sent is for this caller to hear, not for the thread; and what they change later is not sent.
        usage = json.loads(json.dumps(usage, allow_nan=False))
        if os.getpid() != self._pid:
            self._begin()
        with self._changed:
            while self._close_by is None and self._waiting() >= self._queue_max:
                if self._when_full == "raise" or current_thread() is self._thread:
                    raise QueueFull(f"{self._queue_max} usages wait to be sent already")
                self._changed.wait()
            if self._close_by is not None:
                raise RecorderClosed("the recorder is closed")
            self._queue.append(usage)
            self._accepted += 1
            self._start()
            self._changed.notify_all()
        return str(usage["idempotencyKey"])

    @property
    def tally(self) -> Tally:
        """What became of what was handed over, at this moment."""
        with self._changed:
            return Tally(recorded=self._recorded, refused=self._refused, failed=self._failed, waiting=self._waiting())

    def flush(self, timeout_s: float | None = None) -> bool:
        """Send now, and wait until all that was handed over before is answered; False if that takes longer."""
        with self._changed:
            target = self._hurried_to = self._accepted
            self._changed.notify_all()
            return self._changed.wait_for(lambda: self._settled() >= target, timeout_s)

    def close(self, timeout_s: float = 10.0) -> None:
        """Take no more, send what waits for at most ``timeout_s`` seconds, and end the thread. Again does nothing.

        What is not answered by then is told to ``on_unrecorded``. An attempt that is under way
        is waited for, so this may take the client's ``timeout_s`` longer.
        """
        with self._changed:
            if self._close_by is None:
                self._close_by = time.monotonic() + timeout_s
            self._changed.notify_all()
            thread = self._thread
        if thread not in (None, current_thread()) and os.getpid() == self._pid:
            thread.join()
        self._driver.close()
        atexit.unregister(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self) -> None:
        if self._thread is None:
            # A daemon, since the interpreter would wait for any other thread before it calls atexit.
            self._thread = Thread(target=self._work, name="kana-recorder", daemon=True)
            self._thread.start()
            atexit.register(self.close)

    def _settled(self) -> int:
        return self._recorded + self._refused + self._failed

    def _waiting(self) -> int:
        return self._accepted - self._settled()

    def _work(self) -> None:
        while batch := self._next_batch():
            self._deliver(batch)

    def _next_batch(self) -> list[UsageInput]:
        """Wait for the first usage, then a little for company. Empty when closed and nothing is left."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._close_by is not None)
            self._changed.wait_for(self._enough, self._linger_s)
            return [self._queue.popleft() for _ in range(min(len(self._queue), self._batch_max))]

    def _enough(self) -> bool:
        hurried = self._close_by is not None or self._settled() < self._hurried_to
        return hurried or len(self._queue) >= self._batch_max

    def _deliver(self, batch: list[UsageInput]) -> None:
        """Send a batch, and what is left of it again, until nothing is left or there is no more time."""
        attempt = 0
        while batch:
            attempt += 1
            batch, error = self._attempt(batch)
            if batch and error is not None and not self._may_try_again(attempt, error):
                batch, _ = self._give_up(batch, error)

    def _may_try_again(self, attempt: int, error: KanaError) -> bool:
        """Wait before the next attempt; False where the recorder's time is over, or the server is not to be mended."""
        if isinstance(error, Internal) and attempt >= _DEFECT_ATTEMPTS:
            return False
        until = time.monotonic() + self._pauses.pause_after_s(attempt, retry_after_s=error.retry_after_s)
        with self._changed:
            while (left_s := until - time.monotonic()) > 0:
                if self._close_by is not None and self._close_by <= time.monotonic():
                    return False
                to_close_s = left_s if self._close_by is None else self._close_by - time.monotonic()
                self._changed.wait(max(min(left_s, to_close_s), 0))
        return True

    def _attempt(self, batch: list[UsageInput]) -> tuple[list[UsageInput], KanaError | None]:
        """Send once. Return what is to be sent again, and why."""
        if self._close_by is not None and self._close_by <= time.monotonic():
            return self._give_up(batch, NetworkError("the recorder was closed before this could be sent"))
        try:
            answers = self._driver.run(self._core.ask(RECORD_BATCH, keyed=True, inputs=batch))
            return self._sort(batch, answers)
        except _TRANSIENT as error:
            return batch, error
        except BadInput as error:
            if len(batch) > 1:
                # One of them is such that the whole request cannot be read, or it is too long: halves tell.
                middle = len(batch) // 2
                self._deliver(batch[:middle])
                return batch[middle:], None
            return self._give_up(batch, error)
        except KanaError as error:
            return self._give_up(batch, error)
        except Exception as error:
            # A defect of ours must not end the thread: what waits would wait for ever.
            log.exception("a batch could not be sent")
            return self._give_up(batch, Internal(repr(error)))

    def _give_up(self, batch: list[UsageInput], error: KanaError) -> tuple[list[UsageInput], None]:
        for usage in batch:
            self._settle(usage, error=error)
        return [], None

    def _sort(self, batch: list[UsageInput], answers: list[BatchedUsage]) -> tuple[list[UsageInput], KanaError | None]:
        if len(answers) != len(batch):
            raise UnexpectedAnswer(f"{len(answers)} answers to {len(batch)} usages")
        again: list[UsageInput] = []
        why: KanaError | None = None
        for usage, answer in zip(batch, answers, strict=True):
            error = None if answer.error is None else answer.error.as_exception()
            if isinstance(error, _TRANSIENT):
                again.append(usage)
                why = error
            else:
                self._settle(usage, answer=answer, error=error)
        return again, why

    def _settle(self, usage: UsageInput, *, answer: BatchedUsage | None = None, error: KanaError | None = None) -> None:
        """Count what became of one usage, tell who wants to know, and let those go on who wait for it."""
        recorded = answer is not None and answer.recorded
        if not recorded:
            reason = error.message if error is not None else (answer and answer.reason) or "refused"
            try:
                self._on_unrecorded(Unrecorded(usage=usage, reason=reason, error=error))
            except Exception:
                log.exception("on_unrecorded failed for %s", json.dumps(usage))
        with self._changed:
            if recorded:
                self._recorded += 1
            elif error is None:
                self._refused += 1
            else:
                self._failed += 1
            self._changed.notify_all()
