"""Recording in the background: a thread sends usage in batches and never drops any silently."""

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

from kana.errors import BadInput, Internal, KanaError
from kana.sdk.batch import RECORD_BATCH, BatchedUsage, Tally, Unrecorded, log_unrecorded
from kana.sdk.driver import Connection, SyncDriver
from kana.sdk.errors import UNANSWERED, NetworkError, QueueFull, RecorderClosed, UnexpectedAnswer
from kana.sdk.features import usage_input
from kana.sdk.operation import Core
from kana.sdk.results import Action
from kana.sdk.retry import Retry
from kana.sdk.wire import Units

log = logging.getLogger("kana.sdk")

_BATCH_MAX: Final = 1_000
_DEFECT_ATTEMPTS: Final = 5

UsageInput: TypeAlias = dict[str, Any]


class BackgroundRecorder:
    """Records usage from its own thread. ``recorder()`` of a client creates it; threads may share it.

    Each usage gets its idempotency key when it is handed over, so a batch can be sent again until it
    is answered, even across a restart of the server, and counts once. While the server is unreachable,
    up to ``queue_max`` usages wait; then ``record`` blocks or raises. After an internal error of the
    server a batch is tried five times.

    Usage that is refused or given up goes to ``on_unrecorded`` on the recorder's thread, and is counted
    in ``tally``. When the interpreter exits, waiting usage is sent for at most 10 seconds; if the process
    is killed, it is lost.
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
        # One attempt at a time, so that the thread can see in between that it has to close.
        self._core = Core(retry=Retry(attempts=1, total_s=timeout_s), timeout_s=timeout_s)
        self._pauses = Retry()
        self._batch_max = min(batch_max, _BATCH_MAX)
        self._queue_max = queue_max
        self._linger_s = linger_s
        self._when_full = when_full
        self._on_unrecorded = on_unrecorded
        self._begin()

    def _begin(self) -> None:
        """Start with an empty queue, at creation and in a forked child, whose parent sends what was waiting."""
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
        """Queue one usage and return its idempotency key. It is sent soon, in a batch with others.

        The arguments are those of ``features.record_usage``. Give ``timestamp`` if the period of the
        usage matters: by default it is when the server receives the usage.

        Raises:
            InvalidValue: delta is not a whole number, or the timestamp has no time zone.
            QueueFull: the queue is full, and ``when_full`` is "raise".
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
        # What cannot be sent must fail here, not on the thread; and later changes of the objects must not be sent.
        usage = json.loads(json.dumps(usage, allow_nan=False))
        if os.getpid() != self._pid:
            self._begin()
        with self._changed:
            while self._close_by is None and self._waiting() >= self._queue_max:
                if self._when_full == "raise" or current_thread() is self._thread:
                    raise QueueFull(f"the queue is full: at most {self._queue_max} can wait to be sent")
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
        """The numbers of recorded, refused, failed and waiting usages at this moment."""
        with self._changed:
            return Tally(recorded=self._recorded, refused=self._refused, failed=self._failed, waiting=self._waiting())

    def flush(self, timeout_s: float | None = None) -> bool:
        """Send at once and wait until all usage queued before is answered; return False if that takes too long."""
        with self._changed:
            target = self._hurried_to = self._accepted
            self._changed.notify_all()
            return self._changed.wait_for(lambda: self._settled() >= target, timeout_s)

    def close(self, timeout_s: float = 10.0) -> None:
        """Accept no more usage, send what is waiting for at most ``timeout_s`` seconds, and end the thread.

        Usage that is not answered by then goes to ``on_unrecorded``. This waits for an attempt in
        progress, so it may take longer by the client's ``timeout_s``. Closing again does nothing.
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
            # A daemon, because the interpreter waits for all other threads before it calls atexit.
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
        """Wait for the first usage, then briefly for more. Return an empty batch when closed and nothing is left."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._close_by is not None)
            self._changed.wait_for(self._enough, self._linger_s)
            return [self._queue.popleft() for _ in range(min(len(self._queue), self._batch_max))]

    def _enough(self) -> bool:
        hurried = self._close_by is not None or self._settled() < self._hurried_to
        return hurried or len(self._queue) >= self._batch_max

    def _deliver(self, batch: list[UsageInput]) -> None:
        """Send a batch, and the rest of it again, until nothing is left or there is no more time."""
        attempt = 0
        while batch:
            attempt += 1
            batch, error = self._attempt(batch)
            if batch and error is not None and not self._may_try_again(attempt, error):
                batch, _ = self._give_up(batch, error)

    def _may_try_again(self, attempt: int, error: KanaError) -> bool:
        """Wait before the next attempt; return False if the time is over or further attempts are useless."""
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
        """Send a batch once. Return what has to be sent again, and why."""
        if self._close_by is not None and self._close_by <= time.monotonic():
            return self._give_up(batch, NetworkError("the recorder was closed before this could be sent"))
        try:
            answers = self._driver.run(self._core.ask(RECORD_BATCH, keyed=True, inputs=batch))
            return self._sort(batch, answers)
        except UNANSWERED as error:
            return batch, error
        except BadInput as error:
            if len(batch) > 1:
                # The request is too long, or one usage makes all of it unreadable: sending halves finds out.
                middle = len(batch) // 2
                self._deliver(batch[:middle])
                return batch[middle:], None
            return self._give_up(batch, error)
        except KanaError as error:
            return self._give_up(batch, error)
        except Exception as error:
            # A bug must not end the thread, or what is waiting would wait for ever.
            log.exception("a batch could not be sent")
            return self._give_up(batch, Internal(repr(error)))

    def _give_up(self, batch: list[UsageInput], error: KanaError) -> tuple[list[UsageInput], None]:
        for usage in batch:
            self._settle(usage, error=error)
        return [], None

    def _sort(self, batch: list[UsageInput], answers: list[BatchedUsage]) -> tuple[list[UsageInput], KanaError | None]:
        if len(answers) != len(batch):
            raise UnexpectedAnswer(f"{len(batch)} sent, but {len(answers)} answered")
        again: list[UsageInput] = []
        why: KanaError | None = None
        for usage, answer in zip(batch, answers, strict=True):
            error = None if answer.error is None else answer.error.as_exception()
            if isinstance(error, UNANSWERED):
                again.append(usage)
                why = error
            else:
                self._settle(usage, answer=answer, error=error)
        return again, why

    def _settle(self, usage: UsageInput, *, answer: BatchedUsage | None = None, error: KanaError | None = None) -> None:
        """Count the result of one usage, report it if it was not recorded, and wake the threads that wait for it."""
        recorded = answer is not None and answer.recorded
        if not recorded:
            try:
                self._on_unrecorded(_unrecorded(usage, answer, error))
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


def _unrecorded(usage: UsageInput, answer: BatchedUsage | None, error: KanaError | None) -> Unrecorded:
    if error is not None:
        return Unrecorded(usage=usage, reason=error.message, error=error)
    assert answer is not None
    return Unrecorded(usage=usage, reason=answer.reason or "refused", outcome=answer.outcome)
