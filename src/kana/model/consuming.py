"""What callers ask for several features together: to use them, to set them aside, to settle, release or extend that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from datetime import datetime, timedelta

from kana.errors import InvalidValue
from kana.model.environment import Environment
from kana.model.line import Line
from kana.model.text import idempotency_key, key_digest, metadata, reason_text, shown, units
from kana.model.value import value_object

LINES_MAX = 20
"""Most lines of one decision."""

TTL_MAX = timedelta(hours=24)
"""How long units may be set aside at most, counted from now."""

TTL_DEFAULT = timedelta(minutes=15)
"""How long they are set aside where nobody says."""


@value_object(kw_only=True)
class Consume:
    """Several features that a caller uses, or with a ``ttl`` sets aside, together: all of them or none.

    ``timestamp=None`` is now. The caller's ``key`` makes a retry safe, as a usage's does.

    Raises:
        InvalidValue: a field is not allowed; the message names it.
    """

    environment: Environment
    user_id: str
    lines: Sequence[Line]
    key: str | None = None
    timestamp: datetime | None = None
    metadata: object = None
    ttl: timedelta | None = None
    key_digest: bytes | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_lines(self.lines, least=1)
        if self.ttl is not None:
            check_ttl(self.ttl)
        if self.metadata is not None:
            metadata(self.metadata)
        object.__setattr__(self, "key_digest", _digest(self.key))


@value_object(kw_only=True)
class Settle:
    """What was really used of what was set aside. ``is_final`` lets the rest go.

    Raises:
        InvalidValue: a field is not allowed; the message names it.
    """

    environment: Environment
    user_id: str
    reservation_id: int
    lines: Sequence[Line]
    is_final: bool = True
    key: str | None = None
    timestamp: None = None
    metadata: object = None
    key_digest: bytes | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_lines(self.lines, least=0)
        if self.metadata is not None:
            metadata(self.metadata)
        object.__setattr__(self, "key_digest", _digest(self.key))


@value_object(kw_only=True)
class Release:
    """Lets go what was set aside. ``metadata`` is what the ledger keeps of who did it by hand, and why."""

    environment: Environment
    user_id: str
    reservation_id: int
    metadata: object = None
    timestamp: None = None
    key_digest: None = None


@value_object(kw_only=True)
class Extend:
    """Sets units aside for ``ttl`` from now on, instead of until the end that they had.

    Raises:
        InvalidValue: it is too short or too long.
    """

    environment: Environment
    user_id: str
    reservation_id: int
    ttl: timedelta
    timestamp: None = None
    key_digest: None = None
    metadata: None = None

    def __post_init__(self) -> None:
        check_ttl(self.ttl)


def check_lines(lines: Sequence[Line], *, least: int) -> None:
    """Refuse lines that are too many or none, name a feature twice, or have units below ``least`` or above 2^53-1.

    Raises:
        InvalidValue: the message names the line.
    """
    if not 1 <= len(lines) <= LINES_MAX:
        raise InvalidValue(f"lines must be 1 to {LINES_MAX}, got {len(lines)}", field="lines")
    seen: set[str] = set()
    for number, line in enumerate(lines):
        units(line.units, field=f"lines[{number}].units", least=0 if line.unbounded else least)
        if line.feature_id in seen:
            raise InvalidValue(
                f"lines[{number}].featureId must not be named by another line, got {shown(line.feature_id)}",
                field=f"lines[{number}].featureId",
            )
        seen.add(line.feature_id)


def ttl_of(seconds: int) -> timedelta:
    """Return a time to live of so many seconds.

    Raises:
        InvalidValue: it is not 1 second to 24 hours.
    """
    if not 1 <= seconds <= TTL_MAX.total_seconds():
        raise _wrong_ttl(seconds)
    return timedelta(seconds=seconds)


def _wrong_ttl(seconds: int) -> InvalidValue:
    most = int(TTL_MAX.total_seconds())
    return InvalidValue(f"ttlSeconds must be 1 to {most}, got {seconds}", field="ttlSeconds")


def check_ttl(ttl: timedelta) -> None:
    """Refuse to set units aside for too short or too long.

    Raises:
        InvalidValue: it is not 1 second to 24 hours.
    """
    if not timedelta(seconds=1) <= ttl <= TTL_MAX:
        raise _wrong_ttl(ttl // timedelta(seconds=1))


def by_hand(reason: str, by: str) -> dict[str, str]:
    """Return what the ledger keeps of what a colleague did, as it keeps it of a reversal.

    Raises:
        InvalidValue: the reason is not 1 to 500 characters.
    """
    return {"reason": reason_text(reason), "by": by}


def _digest(key: str | None) -> bytes | None:
    return None if key is None else key_digest(idempotency_key(key))
