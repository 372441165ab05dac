"""Ids that Kana creates: 63-bit integers that grow with time, unique without a sequence in the database."""

from __future__ import annotations

import secrets
from datetime import datetime

from kana.engine.ports.clock import Clock
from kana.model.environment import BUCKETS
from kana.model.period import to_milliseconds
from kana.model.text import NUMBER_MAX

_EPOCH_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z
_SEQUENCE_BITS = 22
_BUCKET_SEQUENCE_BITS = 12


class IdMaker:
    """Creates ids that grow: the milliseconds since 2026 and a counter with a random start in each process.

    Two processes collide only if they create an id for the same key in the same millisecond with
    the same counter; then the primary key refuses the second one, and nothing is lost.
    Ids keep growing if the clock is set back.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = 0
        self._last_of_bucket = 0
        self._sequence = secrets.randbits(_SEQUENCE_BITS)

    def __call__(self) -> int:
        """Return the next id: positive and larger than all earlier ones of this maker."""
        return self.reserve(1)

    def reserve(self, count: int) -> int:
        """Return the first of ``count`` consecutive ids; none of them is used again."""
        first = max(self._last + 1, self._moment(_SEQUENCE_BITS))
        self._last = first + count - 1
        return first

    def with_bucket(self, bucket: int) -> int:
        """Return a new id that contains a bucket, so that the id alone says where the row is stored."""
        self._last_of_bucket = max(self._last_of_bucket + 1, self._moment(_BUCKET_SEQUENCE_BITS))
        return self._last_of_bucket * BUCKETS + bucket

    def _moment(self, sequence_bits: int) -> int:
        self._sequence += 1
        milliseconds = max(to_milliseconds(self._clock()) - _EPOCH_MS, 0)
        return milliseconds << sequence_bits | self._sequence % (1 << sequence_bits)


def first_id_at(moment: datetime) -> int:
    """Return the smallest id of an entry that can have happened at this moment or later; the largest of all from 2095.

    The timestamp of an entry may be a few minutes after it was recorded, and clocks may differ, so one hour
    is subtracted.
    """
    return min(max(to_milliseconds(moment) - _EPOCH_MS - 3_600_000, 0) << _SEQUENCE_BITS, NUMBER_MAX)


def bucket_of_id(number: int) -> int:
    """Return the bucket in an id of ``with_bucket``."""
    return number % BUCKETS
