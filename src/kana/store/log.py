"""Lines of the administrative log: every noun writes its own, in the transaction that they tell of."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, is_dataclass
from datetime import datetime
from itertools import count
from typing import Any

from kana.model.environment import Actor, Environment
from kana.model.period import to_milliseconds
from kana.store.session import Row

_LINES = count(secrets.randbits(21))
"""Tells lines of one millisecond apart; at random to begin with, as other processes write lines too."""


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
        _described(before),
        _described(after),
    )


def verb(before: object, after: object) -> str:
    """Return what happened to something that was ``before`` and is ``after``."""
    if before is None:
        return "created"
    return "deleted" if after is None else "updated"


def _described(value: Any) -> str | None:
    if value is None:
        return None
    return json.dumps(asdict(value) if is_dataclass(value) else value, default=str, ensure_ascii=False)  # type: ignore[arg-type]
