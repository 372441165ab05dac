"""Protection against cells that a spreadsheet would read as a formula, and the way back.

Anybody who can name a user or a feature writes text that somebody else opens in a spreadsheet.
"""

from __future__ import annotations

import re

from kana.model.text import INVISIBLE

TRIGGERS = "=+\\-@＝﹦⁼₌＋﹢⁺₊﬩－﹣＠﹫"
"""Signs that begin a formula, for a class of a regular expression: four, and those that spreadsheets treat alike."""

_PASSED_OVER = f' {INVISIBLE}\\0-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f"'
# Separators are not skipped, so that a long row of them is searched once and not from each position.
_BEGINS_LIKE_ONE = re.compile(f"'*[\\t\\r\\n\\0]|[{_PASSED_OVER};,|']*[{TRIGGERS}]").match
_INSIDE = re.compile(f"([;\\t\\r\\n][{_PASSED_OVER}]*)('*)(?=[{TRIGGERS}])")
_HIDDEN_INSIDE = re.compile(f"([;\\t\\r\\n][{_PASSED_OVER}]*)'('*)(?=[{TRIGGERS}])")


def hidden(cell: str) -> str:
    """Return a cell that no spreadsheet reads as a formula: an apostrophe is put before anything that could begin one.

    Also inside the cell, after characters that separate cells in some places: a semicolon, a tab, a new line.
    """
    kept = _INSIDE.sub(r"\1'\2", cell)
    return f"'{kept}" if _BEGINS_LIKE_ONE(cell) else kept


def bare(cell: str) -> str:
    """Return a cell as it was before it was ``hidden``."""
    kept = cell[1:] if cell.startswith("'") and _BEGINS_LIKE_ONE(cell[1:]) else cell
    return _HIDDEN_INSIDE.sub(r"\1\2", kept)
