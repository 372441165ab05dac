"""One of a thing is never said in the plural: numbers with nouns come from ``counted``."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise

import pytest

from kana.model.text import counted
from tests.support.tree import SOURCE, modules, text

VERBS = {"adds", "appears", "applies", "as", "contains", "counts", "does", "ends", "has", "holds", "is", "keeps"} | {
    "costs", "loses", "names", "needs",
    "redirects", "resets", "reverses", "signs", "starts", "stays", "stops", "this", "was"
}  # fmt: skip
"""Words that end in s, are no plurals, and may follow a value."""

NOUN = re.compile(r"(?:</?\w+>)* (?:(?:more|other|further) )?([a-z]+s|people)\b").match
PLACEHOLDER = re.compile(r"\{\{([^}]*)\}\}([^{]*)")


def is_bound(value: ast.expr) -> bool:
    """Whether a value is a constant or a bound, by its name: 1,000 at most is never one."""
    while not isinstance(value, ast.Name):
        if isinstance(value, ast.Attribute) and value.attr.endswith("_max"):
            return True
        inner = getattr(value, "value", None) or getattr(value, "func", None) or getattr(value, "left", None)
        if not isinstance(inner, ast.expr):
            return False
        value = inner
    return value.id.isupper() or value.id.endswith("_max") or value.id == "most"


def plurals(tree: ast.Module) -> Iterator[str]:
    """What stands after a number in a module's texts and ends as a plural does."""
    for node in ast.walk(tree):
        parts = node.values if isinstance(node, ast.JoinedStr) else []
        for value, words in pairwise(parts):
            if not isinstance(value, ast.FormattedValue) or not isinstance(words, ast.Constant):
                continue
            found = NOUN(str(words.value))
            if found and found[1] not in VERBS and not is_bound(value.value):
                yield f"{{{ast.unparse(value.value)}}} {found[1]}"


def plurals_of_page(template: str) -> Iterator[str]:
    """The same of a template."""
    for value, words in PLACEHOLDER.findall(template):
        found = NOUN(words)
        if found and found[1] not in VERBS and not value.partition("|")[0].strip().endswith("_max"):
            yield f"{{{value.strip()}}} {found[1]}"


def test_no_module_says_one_things() -> None:
    """Messages of commands, errors and pages."""
    found = [(name, each) for name, tree in modules() for each in plurals(tree)]
    assert found == []


def test_no_page_says_one_things() -> None:
    """Templates."""
    pages = sorted((SOURCE / "dashboard" / "templates").glob("*.html"))
    assert [(page.name, each) for page in pages for each in plurals_of_page(text(page))] == []


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ('f"{found.entries} entries"', ["{found.entries} entries"]),
        ('f"wait {len(these):,} more seconds"', ["{len(these)} seconds"]),
        ('f"at most {ROWS_MAX:,} rows, {self._queue_max} usages, {AGE.days} days, {rows_max} rows"', []),
        ('f"{name} is {what} has"', []),
    ],
)
def test_a_plural_after_a_number_is_found(code: str, expected: list[str]) -> None:
    """The control: a number that may be one, and neither a bound nor a verb."""
    assert list(plurals(ast.parse(code))) == expected


def test_a_plural_after_a_number_on_a_page_is_found() -> None:
    """The control for templates."""
    page = "<p>{{ n|units }} rows</p> {{ name }} was {{ n|counted('row') }} <b>{{ n }}</b> users"
    assert list(plurals_of_page(page)) == ["{n|units} rows", "{n} users"]


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 entries"), (1, "1 entry"), (2, "2 entries"), (1_200, "1,200 entries")]
)
def test_a_number_of_things_in_words(number: int, words: str) -> None:
    """One is singular, none is not, and thousands are in groups."""
    assert counted(number, "entry", "entries") == words
    assert counted(number, "row") == words.replace("entries", "rows").replace("entry", "row")
