from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

from kana.errors import InvalidValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often and how long a call is tried. ``Retry(attempts=1)`` tries once.

    Only safe calls are tried again: reads, usage (thanks to its idempotency key), and calls that
    certainly changed nothing. ``attempts`` includes the first one. Pauses double from ``pause_s`` up to
    ``pause_max_s`` seconds, each shortened at random by up to half so that many clients do not return
    at the same time; a server's Retry-After is respected. No attempt begins later than ``total_s``
    seconds after the first, or takes longer than the rest of that time.
    """

    attempts: int = 3
    pause_s: float = 0.1
    pause_max_s: float = 2.0
    total_s: float = 30.0

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise InvalidValue(f"attempts must be 1 or more, got {self.attempts}", field="attempts")
        for field, value in (("pause_s", self.pause_s), ("pause_max_s", self.pause_max_s), ("total_s", self.total_s)):
            if value < 0:
                raise InvalidValue(f"{field} must be 0 or more, got {value}", field=field)

    def pause_after_s(self, attempt: int, *, retry_after_s: int | None = None) -> float:
        """Return the seconds to wait after an attempt; 1 is the first."""
        longest = min(self.pause_max_s, self.pause_s * float(1 << min(attempt - 1, 30)))
        jittered = longest * random.uniform(0.5, 1)  # noqa: S311 - spreads callers, is no secret
        return max(jittered, float(retry_after_s or 0))


DEFAULT_RETRY: Final = Retry()
