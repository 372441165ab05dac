"""Usage as a table of comma separated values, for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from kana.model.insights import UsageRow

HEADS = ("from", "feature", "package", "units", "entries", "refusals")
_RISKY = ("=", "+", "-", "@", "\t", "\r", "'")


def written_usage(rows: Iterable[UsageRow]) -> str:
    """Return heads and rows, after the mark by which spreadsheets know UTF-8.

    An id that a spreadsheet could take for a formula gets an apostrophe, which hides it.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(HEADS)
    for row in rows:
        at = row.at.isoformat(timespec="seconds")
        ids = map(_shielded, (row.feature_id, row.package_id or ""))
        writer.writerow((at, *ids, row.units, row.entries, row.refusals))
    return "\ufeff" + text.getvalue()


def _shielded(text: str) -> str:
    return f"'{text}" if text.startswith(_RISKY) else text
