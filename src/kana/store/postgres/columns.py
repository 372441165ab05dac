"""Turns rows into columns for statements with ``unnest``: each column is the text of an array.

The driver accepts lists too, but checks each item for being an array itself, which costs more than
writing it; and the server reads the text faster than the driver's binary form.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def columns(rows: Sequence[Sequence[object]]) -> list[str]:
    """Return the columns of at least one row; a statement has ``$1::text::bigint[]`` for each.

    Raises:
        TypeError: a row contains anything but None, whole numbers, booleans, texts and bytes.
    """
    return [_array(column) for column in zip(*rows, strict=True)]


def _array(column: Sequence[object]) -> str:
    kinds = set(map(type, column))
    items: Iterable[str]
    if kinds == {int}:
        items = map(str, column)
    elif all(issubclass(kind, str) for kind in kinds) and not _needs_escapes(column):
        items = map('"{}"'.format, column)
    else:
        items = map(_item, column)
    return "{" + ",".join(items) + "}"


def _needs_escapes(texts: Sequence[object]) -> bool:
    together = "".join(texts)  # type: ignore[arg-type]  # All of them are texts.
    return '"' in together or "\\" in together


def _item(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    if isinstance(value, bytes):
        return f'"\\\\x{value.hex()}"'
    if isinstance(value, int):
        return str(value)
    raise TypeError(f"an array cannot contain a {type(value).__name__}")
