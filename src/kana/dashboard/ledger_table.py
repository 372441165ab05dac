"""Entries of the ledger as CSV, for spreadsheets."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence

from kana.model.grant import Posting
from kana.model.spreadsheet import hidden
from kana.model.usage import Entry

COLUMNS = (
    "id", "timestamp", "recordedAt", "featureId", "action", "delta", "change", "outcome", "reason", "used", "budget",
    "overageEnabled", "hasIdempotencyKey", "reverses", "metadata", "postings", "inGrace", "decisionId",
    "step", "reservationId", "costOf",
)  # fmt: skip
"""The names of the columns, as in the Admin API's ``Entry`` and its ``Consumption``."""


def written_heads() -> str:
    """Return the first row, after the mark by which spreadsheets recognise UTF-8."""
    return "\ufeff" + ",".join(COLUMNS) + "\r\n"


def written_rows(entries: Iterable[Entry]) -> str:
    """Return rows of entries. A text that a spreadsheet could run as a formula gets an apostrophe in front."""
    text = io.StringIO()
    csv.writer(text).writerows(_cells(entry) for entry in entries)
    return text.getvalue()


def _cells(entry: Entry) -> Sequence[object]:
    """Return the cells of a row: numbers as they are, no value as an empty cell."""
    consumption, line = entry.consumption, entry.line
    return (
        entry.id,
        entry.occurred_at.isoformat(),
        entry.recorded_at.isoformat(),
        hidden(entry.feature_id),
        entry.action,
        entry.delta,
        entry.change,
        entry.outcome,
        hidden(entry.reason or ""),
        None if consumption is None else consumption.used,
        None if consumption is None else consumption.budget,
        None if consumption is None else _yes(consumption.overage_enabled),
        _yes(entry.key is not None),
        entry.reverses,
        "" if entry.metadata is None else hidden(json.dumps(entry.metadata, ensure_ascii=False)),
        json.dumps([_posting(posting) for posting in entry.postings]),
        _yes(entry.in_grace),
        *(
            (None,) * 4
            if line is None
            else (line.decision_id, line.step, line.reservation_id, hidden(line.cost_of or ""))
        ),
    )


def _posting(posting: Posting) -> dict[str, object]:
    counter, change = posting
    return {
        "sourceId": str(counter.origin_id),
        "carriedOver": counter.is_carried,
        "held": counter.is_held,
        "resetPeriod": counter.reset_period,
        "periodStart": counter.period_start.isoformat(),
        "change": change,
    }


def _yes(value: bool) -> str:  # noqa: FBT001 - the value itself
    return "yes" if value else "no"
