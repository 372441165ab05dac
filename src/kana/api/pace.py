"""A rate limit for expensive work: a caller may request a little at once, and then a fixed rate."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime

from kana.engine.ports.clock import Clock

NAMES_MAX = 10_000
"""How many callers are remembered; the one whose last request is the oldest goes first, with its full share."""


@dataclass(slots=True)
class _Share:
    left: float
    at: datetime


class Pace:
    """Shares by the name of the caller. Each process counts for itself."""

    def __init__(self, *, at_once: int, per_second: float, clock: Clock) -> None:
        self._at_once = at_once
        self._per_second = per_second
        self._clock = clock
        self._shares: OrderedDict[str, _Share] = OrderedDict()

    def __len__(self) -> int:
        return len(self._shares)

    def wait_s(self, name: str) -> int:
        """Take one for ``name`` and return 0, or take none and return the whole seconds until there is one."""
        now = self._clock()
        share = self._shares.pop(name, None) or _Share(self._at_once, now)
        self._shares[name] = share
        if len(self._shares) > NAMES_MAX:
            self._shares.popitem(last=False)
        # A clock that was set back changes nothing.
        passed_s = max(0.0, (now - share.at).total_seconds())
        share.left, share.at = min(self._at_once, share.left + passed_s * self._per_second), now
        if share.left < 1:
            return max(1, -int((share.left - 1) / self._per_second // 1))
        share.left -= 1
        return 0
