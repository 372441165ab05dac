"""Reading typed values from a form, and its errors by field."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from kana.errors import BadInput, InvalidValue
from kana.model.text import UNITS_MAX, metadata, whole_number


@dataclass(slots=True)
class Errors:
    """The errors of a form: the first one of each field, and under "" the first that belongs to no field."""

    by_field: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, message: str) -> None:
        """Add the error of a field, unless it has one."""
        self.by_field.setdefault(name, f"{message[:1].upper()}{message[1:]}")

    def take(self, error: BadInput, *, fields: Mapping[str, str] | None = None) -> None:
        """Add an error from the engine; ``fields`` maps its names of fields to those of the form."""
        name = (error.field if isinstance(error, InvalidValue) else None) or ""
        self.add((fields or {}).get(name, name), error.message)

    def __bool__(self) -> bool:
        return bool(self.by_field)


def read_units(text: str, *, name: str, errors: Errors) -> int | None:
    """Return a limit as typed, with or without commas; None, which is unlimited, if nothing is typed."""
    digits = without_separators(text)
    if not digits:
        return None
    try:
        return whole_number(digits, field=name, least=0)
    except InvalidValue:
        errors.add(name, f"a limit is a whole number from 0 to {UNITS_MAX:,}, or empty for unlimited")
        return None


def read_number(text: str, *, name: str, least: int, most: int, errors: Errors) -> int | None:
    """Return a whole number as typed, with or without commas; None if nothing is typed."""
    digits = without_separators(text)
    if not digits:
        return None
    try:
        return whole_number(digits, field=name, least=least, most=most)
    except InvalidValue:
        errors.add(name, f"a whole number from {least} to {most:,}, or empty")
        return None


def without_separators(text: str) -> str:
    """Return a typed number without its thousands separators."""
    return text.replace(",", "").replace(" ", "")


def read_metadata(text: str, *, errors: Errors) -> object:
    """Return metadata as typed in JSON; ``{}`` if nothing is typed."""
    if not text:
        return {}
    try:
        return metadata(json.loads(text))
    except (ValueError, RecursionError):
        errors.add("metadata", 'metadata must be JSON, such as {"plan": "gold"}')
    except InvalidValue as error:
        errors.take(error)
    return {}


def written_metadata(value: object) -> str:
    """Return metadata as a form shows it; "" if there is none."""
    return "" if value in ({}, None) else json.dumps(value, ensure_ascii=False, indent=2)


def new_key() -> str:
    """Return an idempotency key for one form."""
    return f"dashboard-{secrets.token_hex(16)}"
