"""Usage over time, as the lines of a chart and the columns of a table."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from kana.model.insights import CreditRow, Steps, UsageRow

_Row = TypeVar("_Row", UsageRow, CreditRow)

LINES_MAX = 8
"""The most lines of a chart; one more line is the sum of the rest."""

OTHERS = "All others"
_TABLE_ROWS = 100


@dataclass(frozen=True, slots=True)
class ChartLine:
    """One line: its units by step, and their total."""

    name: str
    units: Sequence[int]
    total: int


@dataclass(frozen=True, slots=True)
class Chart:
    """The chart, the largest line first."""

    begins: Sequence[datetime]
    lines: Sequence[ChartLine]

    @property
    def data(self) -> str:
        """The data for the script as JSON: seconds since 1970, then the units of each line."""
        points = [[int(begin.timestamp()) for begin in self.begins], *(line.units for line in self.lines)]
        return json.dumps({"labels": [line.name for line in self.lines], "points": points})

    @property
    def table(self) -> Sequence[tuple[datetime, Sequence[int]]]:
        """The last hundred steps, the newest first, with the units of each line."""
        newest = range(len(self.begins) - 1, max(-1, len(self.begins) - 1 - _TABLE_ROWS), -1)
        return [(self.begins[index], [line.units[index] for line in self.lines]) for index in newest]


def chart_of(rows: Iterable[_Row], steps: Steps, *, name_of: Callable[[_Row], str]) -> Chart:
    """Return a chart with a line for each name; steps without usage are 0. Rows of refusals alone are left out."""
    index = {begin: number for number, begin in enumerate(steps.begins)}
    units: defaultdict[str, list[int]] = defaultdict(lambda: [0] * len(index))
    for row in rows:
        if row.entries:
            units[name_of(row)][index[row.at]] += row.units
    lines = sorted((ChartLine(name, each, sum(each)) for name, each in units.items()), key=lambda line: -line.total)
    if len(lines) > LINES_MAX:
        rest = [sum(each) for each in zip(*(line.units for line in lines[LINES_MAX:]), strict=True)]
        lines[LINES_MAX:] = [ChartLine(OTHERS, rest, sum(rest))]
    return Chart(steps.begins, lines)
