"""Cells that a spreadsheet would take for a formula: how they are hidden from it, and how they come back.

Whoever can name a user or a feature can write what is opened on somebody else's machine.
"""

from __future__ import annotations

import re

from kana.model.text import INVISIBLE

TRIGGERS = "=+\\-@＝﹦⁼₌＋﹢⁺₊﬩－﹣＠﹫"
"""What a formula begins with, as a class of a regular expression: four signs, and those that spreadsheets read so."""

_PASSED_OVER = f' {INVISIBLE}\\0-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f"'
# What parts cells is not passed over, so that a long row of it is looked through once and not from each of its places.
_BEGINS_LIKE_ONE = re.compile(f"'*[\\t\\r\\n\\0]|[{_PASSED_OVER};,|']*[{TRIGGERS}]").match
_INSIDE = re.compile(f"([;\\t\\r\\n][{_PASSED_OVER}]*)('*)(?=[{TRIGGERS}])")
_HIDDEN_INSIDE = re.compile(f"([;\\t\\r\\n][{_PASSED_OVER}]*)'('*)(?=[{TRIGGERS}])")


def hidden(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula: an apostrophe stands before what could begin one.

    Also inside, after what parts cells where commas do not: a semicolon in half of Europe, a tab, a new line.
    """
    kept = _INSIDE.sub(r"\1'\2", cell)
    return f"'{kept}" if _BEGINS_LIKE_ONE(cell) else kept


def bare(cell: str) -> str:
    """Return a cell as it was before it was ``hidden``."""
    kept = cell[1:] if cell.startswith("'") and _BEGINS_LIKE_ONE(cell[1:]) else cell
    return _HIDDEN_INSIDE.sub(r"\1\2", kept)
