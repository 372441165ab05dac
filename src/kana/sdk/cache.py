from __future__ import annotations

import time
from collections import OrderedDict
from threading import Lock
from typing import Final, NamedTuple

from kana.sdk.decision import Decision

_SIZE_MAX: Final = 10_000


class _Kept(NamedTuple):
    at: float
    delta: int
    answer: Decision


class AnswerCache:
    """The last answer to a check for each user and feature, at most 10,000; the least recently used goes first.

    Threads may share it.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()

    def get(self, user_id: str, feature_id: str, *, delta: int, age_max_s: float) -> Decision | None:
        """Return the answer for exactly this amount if it is at most ``age_max_s`` seconds old."""
        with self._lock:
            kept = self._kept.get((user_id, feature_id))
            if kept is None or kept.delta != delta or time.monotonic() - kept.at > age_max_s:
                return None
            self._kept.move_to_end((user_id, feature_id))
        return kept.answer

    def put(self, user_id: str, feature_id: str, *, delta: int, answer: Decision) -> None:
        """Store an answer that has just arrived."""
        with self._lock:
            self._kept[user_id, feature_id] = _Kept(time.monotonic(), delta, answer)
            self._kept.move_to_end((user_id, feature_id))
            if len(self._kept) > _SIZE_MAX:
                self._kept.popitem(last=False)

    def forget(self, user_id: str, feature_id: str) -> None:
        """Drop the answer for a user and a feature, because their usage, or what they may use, has changed."""
        with self._lock:
            self._kept.pop((user_id, feature_id), None)
