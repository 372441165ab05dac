"""The clock, and the meter for metrics."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time."""

    def __call__(self) -> datetime:
        """Return the time now: aware, UTC, cut to the millisecond."""
        ...


class Meter(Protocol):
    """Counts what happens, for metrics."""

    def decided(self, operation: str, reasons: Iterable[str]) -> None:
        """Count decisions of ``check``, ``record`` or ``consume`` that were made together, by their stable reasons."""
        ...

    def batch(self, size: int, seconds: float) -> None:
        """Count a batch of ``size`` entries that was written to disk in so many seconds."""
        ...

    def segment(self, statuses: Iterable[str]) -> None:
        """Count what happened to events of Segment, by status."""
        ...
