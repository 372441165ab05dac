"""Cells that spreadsheets must not calculate with, and that come back as they were."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kana.model.spreadsheet import TRIGGERS, bare, hidden
from tests.support.world import examples

PARTS = [
    "=",
    "+",
    "-",
    "@",
    "＝",
    "﹣",
    ";",
    ",",
    "\t",
    "\r",
    "\n",
    "\0",
    "'",
    '"',
    " ",
    "\u00a0",
    "\u200b",
    "\ufeff",
    "a",
    "1",
]


@pytest.mark.parametrize("sign", [*"=+-@", "＝", "＋", "－", "＠", "﹦", "⁼"])
@pytest.mark.parametrize(
    "before",
    [
        "",
        ";",
        ";;",
        ",",
        "|",
        " ",
        "\u00a0",
        "\u200b",
        "\ufeff",
        "\u3000",
        "\t",
        "\r",
        "\n",
        '"',
        "'",
        "''",
        "; '",
        "\0",
    ],
)
def test_what_may_begin_a_formula_is_hidden(sign: str, before: str) -> None:
    """Whatever stands before it that a spreadsheet passes over or parts cells by, and however wide the sign is."""
    cell = f"{before}{sign}1+1"
    written = hidden(cell)
    assert written.startswith("'")
    assert all(part.strip().startswith("'") for part in written.split(";") if part)
    assert bare(written) == cell


@pytest.mark.parametrize(
    "cell", ["", "a", "a=b", "1-2", "ada@example.com", "'quoted", "a; b", '{"a": [-1, "=x"]}', "ü"]
)
def test_what_begins_no_formula_stays_as_it_is(cell: str) -> None:
    """Nobody's data is changed without need."""
    assert (hidden(cell), bare(cell)) == (cell, cell)


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1", "'=1"),
        ("'=1", "''=1"),
        (";=1", "';'=1"),
        ("a;=1", "a;'=1"),
        ("a;'=1", "a;''=1"),
        ('a\t"=1', "a\t\"'=1"),
        ("a\n@b;-c", "a\n'@b;'-c"),
    ],
)
def test_an_apostrophe_stands_before_each(cell: str, written: str) -> None:
    """Also after what parts cells in other countries, inside of one."""
    assert hidden(cell) == written


@examples(500)
@given(st.lists(st.sampled_from(PARTS), max_size=12).map("".join))
def test_a_cell_comes_back_the_same(cell: str) -> None:
    """And no part of it, split as any country's spreadsheet does, begins a formula."""
    written = hidden(cell)
    assert bare(written) == cell
    for part in re.split(r"[;\t\r\n]", written):
        bare_part = re.sub(r"^[\s\"\u200b\ufeff\0]+", "", part)
        assert unicodedata.normalize("NFKC", bare_part[:1]) not in {"=", "+", "-", "@"}, written


def test_every_sign_that_is_read_as_one_of_the_four_is_known() -> None:
    """Of all characters: those whose plain form is one of the four."""
    read_so = {chr(code) for code in range(0x11_0000) if unicodedata.normalize("NFKC", chr(code)) in set("=+-@")}
    assert {each for each in read_so if not re.fullmatch(f"[{TRIGGERS}]", each)} == set()
