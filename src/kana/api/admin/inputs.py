"""Reading inputs: ids, pages, and omitted fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from kana.errors import InvalidValue
from kana.model.page import page_of, rows_to_read
from kana.model.text import first_repeated, identifier, shown

Input = dict[str, Any]
"""An input object, with fields in snake case; omitted fields are missing."""

_Row = TypeVar("_Row")


def given_id(value: str, *, field: str = "id") -> str:
    """Return an id that a store can look up.

    Raises:
        InvalidValue: no id can be like this; databases would treat it differently.
    """
    return identifier(value, field=field)


def given_ids(values: list[str], *, field: str, most: int = 100) -> list[str]:
    """Return ids, each named once.

    Raises:
        InvalidValue: there are none, too many, one twice, or one that is not valid.
    """
    if not 1 <= len(values) <= most:
        raise InvalidValue(f"{field} must contain 1 to {most} ids, got {len(values)}", field=field)
    if len(set(values)) < len(values):
        repeated = shown(first_repeated(values))
        raise InvalidValue(f"{field} must name each id once, got {repeated} more than once", field=field)
    return [identifier(value, field=field) for value in values]


def fields_of(given: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Return the fields that were given. Null metadata resets it to the default, an empty object."""
    fields = {name: given[name] for name in names if name in given}
    if "metadata" in fields and fields["metadata"] is None:
        fields["metadata"] = {}
    return fields


def page(rows: Mapping[str, _Row], *, first: int | None, after: str | None, noun: str) -> list[_Row]:
    """Return rows by id in their order: all of them, or only the ``first`` ones after an id.

    Raises:
        InvalidValue: there are more than 10,000 and ``first`` is not given, it is out of range,
            or no row has the id ``after``.
    """
    found = list(rows.values())
    if after is not None:
        if after not in rows:
            raise InvalidValue(f"after must be the id of a {noun}, got {shown(after)}", field="after")
        found = found[list(rows).index(after) + 1 :]
    return page_of(found[: rows_to_read(first)], first, noun=f"{noun}s")
