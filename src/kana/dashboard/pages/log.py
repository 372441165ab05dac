"""The log of administrative changes: when, by whom, what, and the values before and after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from starlette.responses import Response

from kana.dashboard.context import Context
from kana.dashboard.page_request import PageRequest
from kana.dashboard.route import get
from kana.errors import BadInput
from kana.model.colleague import Role
from kana.model.log import LogLine
from kana.model.text import number_in, shown

ROWS = 50
"""How many changes a page shows."""

OPEN_MAX = 8
_BOOKKEEPING = {"environment", "created_at", "updated_at"}


class Difference(NamedTuple):
    """One value that a change touched. None means that there was, or is, no value."""

    path: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class LogRow:
    """A row of the list of changes."""

    line: LogLine
    differences: Sequence[Difference]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPage(Context):
    """One page of the log, the newest change first. ``next_url`` leads to older ones.

    A change of more than ``open_max`` values is collapsed.
    """

    template = "log.html"
    rows: Sequence[LogRow]
    subject: str
    next_url: str
    open_max: int = OPEN_MAX


async def show_log(request: PageRequest) -> Response:
    """List changes to everything, or to the object with one id. Owners also see changes to colleagues and keys."""
    subject = request.asked("subject").strip()
    found = await request.engine.insights.log(
        request.environment,
        first=ROWS + 1,
        after=_number(request.asked("after")),
        subject_id=subject or None,
        shared=request.colleague.role.covers(Role.OWNER),
    )
    rows = [LogRow(line, tuple(differences(line.before, line.after))) for line in found[:ROWS]]
    more = len(found) > ROWS
    page = LogPage(
        rows=rows,
        subject=subject,
        next_url=request.url("/log", subject=subject, after=rows[-1].line.id) if more else "",
    )
    return request.show(page)


def differences(before: object, after: object) -> Iterator[Difference]:
    """Yield the differences between two states, value by value, in stored order.

    Creation and update times are left out, and so are empty values of something new or deleted.
    """
    old, new = dict(_flat(before)), dict(_flat(after))
    for path in dict.fromkeys([*old, *new]):
        if old.get(path) != new.get(path):
            yield Difference(path, old.get(path), new.get(path))


def _flat(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield each value with its path; a package's features are named by their ids, not by their positions."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if path or key not in _BOOKKEEPING:
                yield from _flat(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
        for number, item in enumerate(value, start=1):
            rest = {key: inner for key, inner in item.items() if key != "feature_id"}
            yield from _flat(rest, f"{path}.{item.get('feature_id', number)}")
    elif isinstance(value, list):
        if value:
            yield path, ", ".join(map(_text, value))
    elif value is not None and value != "":
        yield path, _text(value)


def _text(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _number(text: str) -> int | None:
    if not text:
        return None
    number = number_in(text)
    if number is None:
        raise BadInput(f"after must be the number of a change, got {shown(text)}")
    return number


ROUTES = (get("/log", show_log),)
