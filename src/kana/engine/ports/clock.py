"""The time, and where decisions are counted."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Says what time it is."""

    def __call__(self) -> datetime:
        """Return the time now: aware, UTC, cut to the millisecond."""
        ...


class Meter(Protocol):
    """Takes note of what happens, for those who watch."""

    def decided(self, operation: str, reasons: Iterable[str]) -> None:
        """Decisions of ``check`` or ``record`` that were made together, each by its stable reason."""
        ...

    def batch(self, size: int, seconds: float) -> None:
        """One batch of so many entries reached the disk in so many seconds."""
        ...

    def segment(self, statuses: Iterable[str]) -> None:
        """What became of Segment's events, each as often as something did."""
        ...
