"""What a part of the benchmark returns, and how it is summed up."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One thing measured several times. ``values`` in ``unit``, in the order in which they were taken."""

    name: str
    unit: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The value to quote."""
        return statistics.median(self.values)

    @property
    def spread(self) -> str:
        """The smallest and the largest value."""
        return f"{shown(min(self.values))} to {shown(max(self.values))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """Two series of one run against each other, and the bound that we set ourselves.

    ``at_least`` or ``at_most`` is None where the other bounds it.
    """

    name: str
    value: float
    at_least: float | None = None
    at_most: float | None = None

    @property
    def reached(self) -> bool:
        """Whether the bound holds."""
        if self.at_least is not None and self.value < self.at_least:
            return False
        return self.at_most is None or self.value <= self.at_most

    @property
    def bound(self) -> str:
        """The bound in words."""
        return f"at least {self.at_least:g}" if self.at_least is not None else f"at most {self.at_most:g}"


@dataclass(slots=True)
class Part:
    """What one part measured."""

    title: str
    series: list[Series] = field(default_factory=list)
    ratios: list[Ratio] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, name: str, unit: str, values: Sequence[float]) -> Series:
        """Keep a series and return it."""
        series = Series(name=name, unit=unit, values=tuple(values))
        self.series.append(series)
        return series


def shown(value: float) -> str:
    """Return a number as a table shows it: three digits that count, thousands apart."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
