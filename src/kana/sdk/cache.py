from __future__ import annotations

import time
from collections import OrderedDict
from threading import Lock
from typing import Final, NamedTuple

from kana.sdk.results import Decision

_SIZE_MAX: Final = 10_000


class _Kept(NamedTuple):
    at: float
    delta: int
    answer: Decision


class AnswerCache:
    """The latest answer to a check of each user and feature: at most 10,000, the longest unused leaving first.

    Threads may share it.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()

    def get(self, user_id: str, feature_id: str, *, delta: int, age_max_s: float) -> Decision | None:
        """Return the answer for just this amount if it is no older than ``age_max_s`` seconds."""
        with self._lock:
            kept = self._kept.get((user_id, feature_id))
            if kept is None or kept.delta != delta or time.monotonic() - kept.at > age_max_s:
                return None
            self._kept.move_to_end((user_id, feature_id))
        return kept.answer

    def put(self, user_id: str, feature_id: str, *, delta: int, answer: Decision) -> None:
        """Keep an answer, which is of this moment."""
        with self._lock:
            self._kept[user_id, feature_id] = _Kept(time.monotonic(), delta, answer)
            self._kept.move_to_end((user_id, feature_id))
            if len(self._kept) > _SIZE_MAX:
                self._kept.popitem(last=False)

    def forget(self, user_id: str, feature_id: str) -> None:
        """Drop what is known of a user and a feature: their usage has changed."""
        with self._lock:
            self._kept.pop((user_id, feature_id), None)
