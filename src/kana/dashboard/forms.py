"""From what was typed to values, and what is wrong with it, field by field."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from kana.errors import BadInput, InvalidValue
from kana.model.text import UNITS_MAX, metadata, whole_number


@dataclass(slots=True)
class Errors:
    """What is wrong with a form, the first complaint of each field; "" where no field is to blame."""

    by_field: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, message: str) -> None:
        """Complain about a field."""
        self.by_field.setdefault(name, f"{message[:1].upper()}{message[1:]}")

    def take(self, error: BadInput, *, fields: Mapping[str, str] | None = None) -> None:
        """Complain of what the engine refused; ``fields`` says what it calls the form's fields."""
        name = (error.field if isinstance(error, InvalidValue) else None) or ""
        self.add((fields or {}).get(name, name), error.message)

    def __bool__(self) -> bool:
        return bool(self.by_field)


def read_units(text: str, *, name: str, errors: Errors) -> int | None:
    """Return a limit as typed, with or without commas; None where nothing is typed: unlimited."""
    digits = without_separators(text)
    if not digits:
        return None
    try:
        return whole_number(digits, field=name, least=0)
    except InvalidValue:
        errors.add(name, f"a limit is a whole number from 0 to {UNITS_MAX:,}, or empty for unlimited")
        return None


def without_separators(text: str) -> str:
    """Return a number as typed without what people put between thousands."""
    return text.replace(",", "").replace(" ", "")


def read_metadata(text: str, *, errors: Errors) -> object:
    """Return metadata as typed in JSON; nothing typed is ``{}``."""
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
    """Return metadata as a form shows it; "" where there is none."""
    return "" if value in ({}, None) else json.dumps(value, ensure_ascii=False, indent=2)
