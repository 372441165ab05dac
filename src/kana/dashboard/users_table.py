"""Users as CSV: written for spreadsheets, and read with a result for every row."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

from kana.errors import BadInput, InvalidValue
from kana.model.spreadsheet import bare, hidden
from kana.model.text import METADATA_BYTES_MAX, counted, identifier, shown
from kana.model.user import User
from kana.model.user_import import Details, Row, WrongRow

COLUMNS = ("id", "name", "email", "billingId", "timeZone", "metadata")
"""The names of the columns; only ``id`` is required."""

ROWS_MAX = 200_000
"""The most rows of a file."""

_FIELDS: Mapping[str, str] = {
    "name": "name", "email": "email", "billingId": "billing_id", "timeZone": "time_zone", "metadata": "metadata",
}  # fmt: skip
_CELL_MAX = 4 * METADATA_BYTES_MAX


def written_rows(users: Iterable[User]) -> str:
    """Return rows of users. A cell that a spreadsheet could run as a formula gets an apostrophe in front."""
    text = io.StringIO()
    csv.writer(text).writerows([hidden(cell) for cell in _cells(user)] for user in users)
    return text.getvalue()


def written_heads() -> str:
    """Return the first row, after the mark by which spreadsheets recognise UTF-8."""
    return "\ufeff" + ",".join(COLUMNS) + "\r\n"


def _cells(user: User) -> Sequence[str]:
    kept = "" if user.metadata == {} else json.dumps(user.metadata, ensure_ascii=False)
    return (user.id, user.name or "", user.email or "", user.billing_id or "", user.time_zone or "", kept)


def read_rows(path: Path) -> Iterator[Row | WrongRow]:
    """Yield the rows of a file; wrong ones say why. Empty rows are skipped.

    A missing column leaves its values unchanged; an empty cell clears the value.

    Raises:
        BadInput: the file as a whole cannot be read: its encoding or its columns are wrong, or it has too many rows.
    """
    with path.open(encoding="utf-8-sig", errors="strict", newline="") as file:
        lines = _decoded(file)
        first = next(lines, "")
        heads = next(csv.reader([first], delimiter=_delimiter(first), strict=True), [])
        columns = _columns([head.strip() for head in heads])
        seen: dict[str, int] = {}
        for number, cells in _parsed(lines, _delimiter(first)):
            if number > ROWS_MAX + 1:
                raise BadInput(f"The file has more than {ROWS_MAX:,} rows. Split it into several files.")
            if any(cells):
                yield _row(number, cells, columns, seen)


def _decoded(lines: Iterable[str]) -> Iterator[str]:
    try:
        yield from lines
    except UnicodeDecodeError as error:
        raise BadInput(
            f"The file is not in UTF-8: byte 0x{error.object[error.start]:02x} is not valid. Save it as CSV UTF-8."
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
            raise BadInput(f"The file cannot be read from row {number} on: {error}.") from error
        yield number, cells


def _delimiter(first: str) -> str:
    """Return the delimiter of the first row: some spreadsheets write semicolons or tabs."""
    return max(",;\t", key=first.count)


def _columns(heads: list[str]) -> list[str]:
    if not any(heads):
        raise BadInput(f"The file is empty. Its first row must name the columns: {', '.join(COLUMNS)}.")
    unknown = [head for head in heads if head not in COLUMNS]
    if unknown:
        raise BadInput(
            f"Unknown column{'s' if len(unknown) > 1 else ''} {', '.join(map(shown, unknown[:5]))}"
            f". The columns are {', '.join(COLUMNS)}."
        )
    if len(set(heads)) < len(heads):
        raise BadInput("Two columns have the same name.")
    if "id" not in heads:
        raise BadInput("The column id is missing.")
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
        raise InvalidValue(f"a row must have {counted(len(columns), 'cell')}, got {len(cells)}")
    if any(len(cell) > _CELL_MAX for cell in cells):
        raise InvalidValue(f"a cell must be at most {_CELL_MAX:,} characters")
    identifier(user_id, field="id")
    if (before := seen.setdefault(user_id, number)) != number:
        raise InvalidValue(f"row {before} has the same id, {shown(user_id)}")


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
