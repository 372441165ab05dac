"""Users as a table of comma separated values: written for spreadsheets, and read back with every row accounted for."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

from kana.errors import BadInput, InvalidValue
from kana.model.spreadsheet import bare, hidden
from kana.model.text import METADATA_BYTES_MAX, identifier, shown
from kana.model.user import User
from kana.model.user_import import Details, Row, WrongRow

COLUMNS = ("id", "name", "email", "billingId", "metadata")
"""The heads that are known; ``id`` must be there."""

ROWS_MAX = 200_000
"""Most rows of one table."""

_FIELDS: Mapping[str, str] = {"name": "name", "email": "email", "billingId": "billing_id", "metadata": "metadata"}
_CELL_MAX = 4 * METADATA_BYTES_MAX


def written_rows(users: Iterable[User]) -> str:
    """Return rows of users. A cell that a spreadsheet could take for a formula gets an apostrophe, which hides it."""
    text = io.StringIO()
    csv.writer(text).writerows([hidden(cell) for cell in _cells(user)] for user in users)
    return text.getvalue()


def written_heads() -> str:
    """Return the first row, after the mark by which spreadsheets know UTF-8."""
    return "\ufeff" + ",".join(COLUMNS) + "\r\n"


def _cells(user: User) -> Sequence[str]:
    kept = "" if user.metadata == {} else json.dumps(user.metadata, ensure_ascii=False)
    return (user.id, user.name or "", user.email or "", user.billing_id or "", kept)


def read_rows(path: Path) -> Iterator[Row | WrongRow]:
    """Yield the rows of a file, the ones that are no users with the reason. Empty rows are passed over.

    The first column that names is ``id``. A column that is not there leaves what it is about as it is;
    an empty cell clears it.

    Raises:
        BadInput: the file as a whole cannot be read: its encoding, its heads, or too many rows.
    """
    with path.open(encoding="utf-8-sig", errors="strict", newline="") as file:
        lines = _decoded(file)
        first = next(lines, "")
        heads = next(csv.reader([first], delimiter=_delimiter(first), strict=True), [])
        columns = _columns([head.strip() for head in heads])
        seen: dict[str, int] = {}
        for number, cells in _parsed(lines, _delimiter(first)):
            if number > ROWS_MAX + 1:
                raise BadInput(f"The file has more than {ROWS_MAX:,} rows; split it.")
            if any(cells):
                yield _row(number, cells, columns, seen)


def _decoded(lines: Iterable[str]) -> Iterator[str]:
    try:
        yield from lines
    except UnicodeDecodeError as error:
        raise BadInput(
            f"The file is not text in UTF-8 (byte 0x{error.object[error.start]:02x} is not). Save it as CSV UTF-8."
        ) from error


def _parsed(lines: Iterator[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    reader, number = csv.reader(lines, delimiter=delimiter, strict=True), 1
    while True:
        number += 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise BadInput(f"Row {number} and what follows cannot be read: {error}.") from error
        yield number, cells


def _delimiter(first: str) -> str:
    """Return what parts the heads: spreadsheets of some countries write semicolons, others tabs."""
    return max(",;\t", key=first.count)


def _columns(heads: list[str]) -> list[str]:
    if not any(heads):
        raise BadInput("The file is empty. Its first row names the columns: " + ", ".join(COLUMNS) + ".")
    unknown = [head for head in heads if head not in COLUMNS]
    if unknown:
        raise BadInput(
            f"Unknown column{'s' if len(unknown) > 1 else ''} {', '.join(map(shown, unknown[:5]))}:"
            f" those known are {', '.join(COLUMNS)}, spelled so."
        )
    if len(set(heads)) < len(heads):
        raise BadInput("Two columns have the same name.")
    if "id" not in heads:
        raise BadInput("There is no column id, by which users are told apart.")
    return heads


def _row(number: int, cells: list[str], columns: list[str], seen: dict[str, int]) -> Row | WrongRow:
    values = dict(zip(columns, (bare(cell) for cell in cells), strict=False))
    user_id = values.get("id", "")
    try:
        _check(number, user_id, cells, columns, seen)
        return Row(number=number, id=user_id, details=_details(values))
    except InvalidValue as error:
        return WrongRow(number, user_id[:255], error.message)


def _check(number: int, user_id: str, cells: list[str], columns: list[str], seen: dict[str, int]) -> None:
    if len(cells) != len(columns):
        raise InvalidValue(f"it has {len(cells)} cells and the heads are {len(columns)}")
    if any(len(cell) > _CELL_MAX for cell in cells):
        raise InvalidValue(f"a cell is longer than {_CELL_MAX:,} characters")
    identifier(user_id, field="id")
    if (before := seen.setdefault(user_id, number)) != number:
        raise InvalidValue(f"the id {shown(user_id)} stands in row {before} already")


def _details(values: Mapping[str, str]) -> Details:
    readers: dict[str, Callable[[str], object]] = {"metadata": _metadata}
    found = {
        field: readers.get(column, _optional)(values[column]) for column, field in _FIELDS.items() if column in values
    }
    return cast("Details", found)


def _optional(cell: str) -> str | None:
    return cell or None


def _metadata(cell: str) -> object:
    try:
        return json.loads(cell) if cell else {}
    except (ValueError, RecursionError):
        raise InvalidValue(f"metadata must be JSON, got {shown(cell)}", field="metadata") from None
