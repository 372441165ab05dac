"""Usage as a file to download, from the API or the dashboard: CSV for spreadsheets, Parquet for data tools."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO, StringIO

from kana.errors import InvalidValue
from kana.model.insights import CreditRow, UsageRow
from kana.model.period import to_milliseconds
from kana.model.spreadsheet import hidden
from kana.model.text import UNITS_MAX

COLUMNS = ("at", "featureId", "packageId", "units", "entries", "refusals")
"""The columns of a file, named as in the Admin API's ``UsageInsight``."""

CREDIT_COLUMNS = ("at", "featureId", "units", "entries", "refusals")
"""The same as in its ``CreditInsight``."""


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of file: its extension, its content type, and how it is written."""

    extension: str
    content_type: str
    write: Callable[[Sequence[UsageRow]], bytes]


def write_csv(rows: Sequence[UsageRow]) -> bytes:
    """Return rows as CSV by RFC 4180, in UTF-8, with a header. Times are ISO 8601; no package is an empty cell."""
    return _csv(COLUMNS, ((row, row.feature_id, row.package_id or "") for row in rows))


def write_credit_csv(rows: Sequence[CreditRow]) -> bytes:
    """Return what a credit was spent on in the same form; where it was used by itself, the feature is an empty cell."""
    return _csv(CREDIT_COLUMNS, ((row, row.feature_id or "") for row in rows))


def _csv(columns: Sequence[str], rows: Iterable[tuple[UsageRow | CreditRow, *tuple[str, ...]]]) -> bytes:
    """Write numbers with the ids that they are of."""
    lines = StringIO(newline="")
    writer = csv.writer(lines)
    writer.writerow(columns)
    for row, *names in rows:
        writer.writerow((row.at.isoformat(), *map(hidden, names), row.units, row.entries, row.refusals))
    return lines.getvalue().encode()


def write_parquet(rows: Sequence[UsageRow]) -> bytes:
    """Return rows as one Parquet file: times in UTC to the millisecond, numbers of 64 bits.

    Raises:
        InvalidValue: the library for it is not installed; the message says how to install it.
    """
    try:
        from arro3.core import Array, DataType, Table
        from arro3.io import write_parquet as write
    except ImportError:
        raise InvalidValue(
            "this server cannot write Parquet: install kana-server[parquet], or use CSV", field="format"
        ) from None
    integer, text = DataType.int64(), DataType.utf8()
    columns = (
        Array([to_milliseconds(row.at) for row in rows], integer).cast(DataType.timestamp("ms", tz="UTC")),
        Array([row.feature_id for row in rows], text),
        Array([row.package_id for row in rows], text),
        Array([max(-UNITS_MAX, min(UNITS_MAX, row.units)) for row in rows], integer),
        Array([row.entries for row in rows], integer),
        Array([row.refusals for row in rows], integer),
    )
    file = BytesIO()
    write(Table.from_arrays(columns, names=COLUMNS), file)
    return file.getvalue()


FORMATS = {
    each.extension: each
    for each in (
        Format("csv", "text/csv; charset=utf-8", write_csv),
        Format("parquet", "application/vnd.apache.parquet", write_parquet),
    )
}
"""The formats that can be downloaded, by the extension of the address."""
