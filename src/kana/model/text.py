"""Checks of text, numbers and JSON from outside, for every noun.

They are not left to the database, because databases differ: PostgreSQL refuses a NUL that
SQLite accepts, and both drivers fail on a lone surrogate.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Iterable, Iterator
from hashlib import sha256

from kana.errors import InvalidValue, NotFound

TEXT_LENGTH_MAX = 255
"""Longest id or name, in characters."""

METADATA_BYTES_MAX = 16 * 1024
"""Longest metadata, in bytes of its compact JSON."""

METADATA_DEPTH_MAX = 16
"""Deepest nesting of metadata."""

UNITS_MAX = 2**53 - 1
"""Largest amount, limit or total: the largest integer that every JSON reader keeps exact."""

NUMBER_MAX = 2**63 - 1
"""Largest number that is an id: what every database keeps."""

SURROGATE = "deleted-user:"
"""What the surrogate of a deleted user's id begins with."""

INVISIBLE = (
    "\u00a0\u00ad\u061c\u115f\u1160\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164\ufeff\uffa0"
)
"""Invisible characters other than the space and control characters, for a class of a regular expression."""

_SHOWN_MAX = 60
_BLANK_ENDS = re.compile(f"^[ {INVISIBLE}]|[ {INVISIBLE}]$").search
_DIGITS = re.compile(r"([+-]?[0-9]{1,30})(?:\.0{1,30})?").fullmatch
_SURROGATE = re.compile(f"{SURROGATE}[0-9a-f]{{32}}").fullmatch


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number of things in words: ``1 entry``, ``0 rows``, ``1,200 rows``. The plural ends in s by default."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


_PRINTABLE = re.compile(f"[!-~]{{1,{TEXT_LENGTH_MAX}}}").fullmatch


def shown(value: object) -> str:
    """Return a value for an error message: quoted, escaped, and shortened if it is long.

    It looks at no more of the value than it shows, however large the value is.
    """
    text = ""
    for piece in _pieces(value):
        text += piece
        if len(text) > _SHOWN_MAX:
            size = f" ({counted(len(value), 'character')})" if isinstance(value, str) else ""
            return f"{text[:_SHOWN_MAX]}…{size}"
    return text


def _pieces(value: object) -> Iterator[str]:
    """Yield the text of a value piece by piece, as far as it is asked for."""
    if type(value) is str:
        yield ascii(value[: _SHOWN_MAX + 1])
    elif isinstance(value, list):
        yield "["
        for number, item in enumerate(value):
            yield ", " * (number > 0)
            yield from _pieces(item)
        yield "]"
    elif isinstance(value, dict):
        yield "{"
        for number, (key, item) in enumerate(value.items()):
            yield f"{', ' * (number > 0)}{shown(key)}: "
            yield from _pieces(item)
        yield "}"
    else:
        yield ascii(value)


def first_repeated(values: Iterable[str]) -> str:
    """Return the first of ``values`` that repeats an earlier one, looking at each once; "" if there is none."""
    seen: set[str] = set()
    for value in values:
        if value in seen:
            return value
        seen.add(value)
    return ""


def identifier(value: str, *, field: str) -> str:
    """Return ``value`` if it can be an id: 1 to 255 characters of NFC text without control characters.

    Ids are case-sensitive and can be in any script; slashes are allowed.

    Raises:
        InvalidValue: it is empty, too long, not NFC, or contains a control character or half of a surrogate pair.
    """
    if value.isascii() and value.isprintable() and 0 < len(value) <= TEXT_LENGTH_MAX:
        return value  # The common case, for which the checks below cannot fail.
    if not 0 < len(value) <= TEXT_LENGTH_MAX:
        raise InvalidValue(
            f"{field} must be 1 to {TEXT_LENGTH_MAX} characters, got {len(value)}: {shown(value)}",
            field=field,
        )
    for character in value:
        if unicodedata.category(character) in ("Cc", "Cs"):
            raise InvalidValue(
                f"{field} must not contain control characters or lone surrogates, got {shown(value)}",
                field=field,
            )
    if not unicodedata.is_normalized("NFC", value):
        raise InvalidValue(f"{field} must be Unicode text in NFC, got {shown(value)}", field=field)
    return value


def new_identifier(value: str, *, field: str, old: str | None = None) -> str:
    """Return ``value`` if it can be a new id: one that does not begin or end with a space.

    Forms, headers and tables lose such a space, so the thing would not be found again. Something that already
    has such an id (``old``) keeps it, is found by it and can be renamed.

    Raises:
        InvalidValue: it is not an id, begins or ends with a space or an invisible character, or is the surrogate of
            a deleted user.
    """
    if value == old:
        return value
    if _BLANK_ENDS(identifier(value, field=field)):
        raise InvalidValue(
            f"{field} must not begin or end with a space or an invisible character, got {shown(value)}", field=field
        )
    if _SURROGATE(value):
        raise InvalidValue(f"{field} must not be what stands for a deleted user, got {shown(value)}", field=field)
    return value


def number_in(text: str) -> int | None:
    """Return the number that a numbered thing's id is on the wire: its decimal digits; None where it can be none's."""
    if text.isascii() and text.isdigit() and len(text) <= len(str(NUMBER_MAX)) and int(text) <= NUMBER_MAX:
        return int(text)
    return None


def published_number(text: str, missing: type[NotFound], noun: str) -> int:
    """Return the number of a numbered thing's published id, which is decimal digits.

    Raises:
        NotFound: it cannot be the id of one; ``missing`` is the kind of error, ``noun`` what it says is not found.
    """
    number = number_in(text)
    if number is None:
        raise missing(f"{noun} not found: {shown(text)}")
    return number


def optional_identifier(value: str | None, *, field: str) -> str | None:
    """Return ``value`` if it is None or passes ``identifier``."""
    return None if value is None else identifier(value, field=field)


def idempotency_key(value: str) -> str:
    """Return ``value`` if it can be an idempotency key: 1 to 255 printable ASCII characters, no spaces.

    Raises:
        InvalidValue: it is empty, too long, or contains anything else.
    """
    if _PRINTABLE(value):
        return value
    raise InvalidValue(
        f"idempotencyKey must be 1 to {TEXT_LENGTH_MAX} printable ASCII characters without spaces, got {shown(value)}",
        field="idempotencyKey",
    )


def key_digest(key: str) -> bytes:
    """Return what is stored of an idempotency key, which may name a person: 16 bytes of its SHA-256."""
    return sha256(key.encode()).digest()[:16]


def metadata(value: object, *, field: str = "metadata") -> object:
    """Return ``value`` if it is JSON that any store can keep: at most 16 KB, 16 levels deep.

    Raises:
        InvalidValue: it is too large, too deep, or contains a number or text that not every JSON reader accepts.
    """
    _check_json(value, field=field, depth=1)
    size = len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
    if size > METADATA_BYTES_MAX:
        raise InvalidValue(f"{field} must be at most {METADATA_BYTES_MAX} bytes of JSON, got {size}", field=field)
    return value


def _check_json(value: object, *, field: str, depth: int) -> None:
    if depth > METADATA_DEPTH_MAX:
        raise InvalidValue(f"{field} must be at most {METADATA_DEPTH_MAX} levels deep", field=field)
    if isinstance(value, str):
        check_text(value, field=field)
    elif isinstance(value, dict):
        for key, item in value.items():
            check_text(key, field=field)
            _check_json(item, field=field, depth=depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check_json(item, field=field, depth=depth + 1)
    elif isinstance(value, float) and not math.isfinite(value):
        raise InvalidValue(f"{field} must contain only finite numbers, got {value}", field=field)
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise InvalidValue(f"{field} must contain only whole numbers of at most 64 bits", field=field)


def check_text(value: str, *, field: str) -> None:
    """Refuse text that not every store and JSON reader can keep.

    Raises:
        InvalidValue: it contains NUL or half of a surrogate pair.
    """
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise InvalidValue(f"{field} must not contain NUL or lone surrogates, got {shown(value)}", field=field)


def whole_number(value: object, *, field: str, least: int = -UNITS_MAX, most: int = UNITS_MAX) -> int:
    """Return a whole number of units, by the rule that every API uses: 5, 5.0 or the text of its digits.

    JSON's 5 and 5.0 are the same number, and some senders keep numbers as text. Nothing is rounded, and
    anything else (5.5, true, null, "five") is an error and never counts as one.

    Raises:
        InvalidValue: it is not a whole number from ``least`` to ``most``, which is 2^53-1 at most.
    """
    number = value
    if isinstance(value, str) and (digits := _DIGITS(value)):
        number = int(digits[1])
    elif isinstance(value, float) and value.is_integer():
        number = int(value)
    if type(number) is int and least <= number <= most:
        return number
    got = "null" if value is None else shown(value)
    raise InvalidValue(f"{field} must be a whole number from {least} to {most}, got {got}", field=field)


def textual(value: object) -> object:
    """Return a whole number as the text of its digits, and anything else as it is.

    For ids from senders whose programs have numbers as ids: 7 and 7.0 are both "7".
    """
    if isinstance(value, float) and value.is_integer() and abs(value) <= UNITS_MAX:
        value = int(value)
    return str(value) if type(value) is int else value


REASON_MAX = 500
"""Most characters of the reason that a person gives for something."""


def reason_text(value: str) -> str:
    """Return ``value`` if it is a reason: 1 to 500 characters, not only blanks.

    Raises:
        InvalidValue: it is blank or longer, or contains NUL or half of a surrogate pair.
    """
    check_text(value, field="reason")
    if value.strip() and len(value) <= REASON_MAX:
        return value
    raise InvalidValue(f"reason must be 1 to {REASON_MAX} characters and not blank, got {shown(value)}", field="reason")


def units(value: int, *, field: str, least: int = 0, most: int = UNITS_MAX) -> int:
    """Return ``value`` if it is an amount: a whole number from ``least`` to ``most``, 0 to 2^53-1.

    Raises:
        InvalidValue: it is less or more.
    """
    if least <= value <= most:
        return value
    raise InvalidValue(f"{field} must be {least} to {most}, got {value}", field=field)
