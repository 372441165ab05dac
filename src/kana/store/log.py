"""Lines of the administrative log: every noun writes its own, in the transaction of the change."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from dataclasses import asdict, fields, is_dataclass
from datetime import datetime
from itertools import count
from typing import Any

from kana.engine.ports.users import Signed
from kana.model.environment import Actor, Environment
from kana.model.log import LogLine
from kana.model.period import from_milliseconds, to_milliseconds
from kana.model.text import NUMBER_MAX
from kana.store.session import Row

_LINES = count(secrets.randbits(21))
"""Distinguishes lines of one millisecond; it starts at random, as other processes write lines too."""


def log_row(
    action: str,
    subject: tuple[str, str],
    *,
    environment: Environment | None,
    before: object,
    after: object,
    by: Actor,
    now: datetime,
) -> Row:
    """Write a row of ``add_log_line``; ``subject`` is its kind and id. Lines sort by time."""
    return (
        to_milliseconds(now) << 21 | next(_LINES) % (1 << 21),
        None if environment is None else environment,
        to_milliseconds(now),
        by.kind,
        by.name,
        action,
        *subject,
        described(before),
        described(after),
    )


def first_line_after(moment: datetime) -> int:
    """Return an id that no line has of a change up to a moment, and all have after it."""
    return max(0, min(to_milliseconds(moment) + 1 << 21, NUMBER_MAX))


def change_rows(
    changes: Iterable[tuple[tuple[str, str], object, object]], *, environment: Environment, signed: Signed
) -> list[Row]:
    """Write a row for each change of one transaction: its subject, and the values before and after."""
    now = signed.clock()
    return [
        log_row(
            verb(before, after), subject, environment=environment, before=before, after=after, by=signed.by, now=now
        )
        for subject, before, after in changes
    ]


def log_line_from(row: Row) -> LogLine:
    """Read a row of ``list_log``."""
    return LogLine(
        id=row[0],
        environment=None if row[1] is None else Environment(row[1]),
        at=from_milliseconds(row[2]),
        actor=Actor(kind=row[3], name=row[4]),
        action=row[5],
        subject_kind=row[6],
        subject_id=row[7],
        before=None if row[8] is None else json.loads(row[8]),
        after=None if row[9] is None else json.loads(row[9]),
    )


def verb(before: object, after: object) -> str:
    """Return what happened between ``before`` and ``after``."""
    if before is None:
        return "created"
    return "deleted" if after is None else "updated"


def described(value: Any) -> str | None:
    """Write a value as the JSON of a line."""
    if value is None:
        return None
    return json.dumps(_said(value) if is_dataclass(value) else value, default=str, ensure_ascii=False)


def _said(value: Any) -> dict[str, object]:
    """Return the fields that were given, without those that are derived from them."""
    given = {each.name for each in fields(value) if each.init}
    return {name: each for name, each in asdict(value).items() if name in given}
