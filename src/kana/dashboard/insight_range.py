"""The time range of an insights page, read from its address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from kana.dashboard.page_request import PageRequest
from kana.errors import InvalidValue
from kana.model.insights import Step
from kana.model.text import shown

DAYS = 30
"""How many days a page shows if the address names none."""

_YEARS = range(1970, 8999)
_FINEST: Mapping[Step, int] = {Step.HOUR: 2, Step.DAY: 92, Step.WEEK: 400}


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """A range of whole days in UTC, including the ``last`` one, divided into steps."""

    first: date
    last: date
    step: Step

    @property
    def start(self) -> datetime:
        """The beginning of the first day."""
        return datetime.combine(self.first, time(), UTC)

    @property
    def end(self) -> datetime:
        """The end of the last day."""
        return datetime.combine(self.last + timedelta(days=1), time(), UTC)


def asked_range(request: PageRequest) -> Range:
    """Return the range that ``from``, ``to`` and ``step`` name: by default the last 30 days, in steps that suit them.

    Raises:
        InvalidValue: a value is no day or step, or the range ends before it begins.
    """
    last = asked_day(request, "to") or request.engine.clock().date()
    first = asked_day(request, "from") or last - timedelta(days=DAYS - 1)
    if last < first:
        raise InvalidValue(f"to must not be before from, got {first} to {last}", field="to")
    days = (last - first).days + 1
    step = next((each for each, most in _FINEST.items() if days <= most), Step.MONTH)
    return Range(first=first, last=last, step=_step(request.asked("step")) or step)


def usual_range(request: PageRequest) -> Range:
    """Return the range of an address that names none."""
    today = request.engine.clock().date()
    return Range(first=today - timedelta(days=DAYS - 1), last=today, step=Step.DAY)


def presets(request: PageRequest) -> tuple[tuple[str, date], ...]:
    """Return the most common ranges: a label, and the first day. Each ends today."""
    today = request.engine.clock().date()
    ages = (("Today", 1), ("7 days", 7), ("30 days", 30), ("90 days", 90), ("1 year", 365))
    return tuple((text, today - timedelta(days=days - 1)) for text, days in ages)


def asked_day(request: PageRequest, name: str) -> date | None:
    """Return a day that the address names; None if it names none.

    Raises:
        InvalidValue: it is no day, or not in the years 1970 to 8998.
    """
    text = request.asked(name)
    try:
        found = date.fromisoformat(text) if text else None
    except ValueError:
        found = date.min
    if found is not None and (len(text) != len("2026-01-31") or found.year not in _YEARS):
        raise InvalidValue(f"{name} must be a day such as 2026-01-31, got {shown(text)}", field=name)
    return found


def _step(text: str) -> Step | None:
    try:
        return Step(text) if text else None
    except ValueError:
        raise InvalidValue(f"step must be HOUR, DAY, WEEK or MONTH, got {shown(text)}", field="step") from None
