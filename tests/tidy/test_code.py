"""Rules of the code that neither ruff, mypy nor import-linter can say."""

from __future__ import annotations

import ast
import re
import sys

import pytest

from tests.support.tree import ROOT, imports, modules, strings

CLOCKS = {
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
    "time": {"time", "time_ns", "localtime", "gmtime"},
}
SQL = re.compile(
    r"""\s*(
        select\s+(?:[^\n]*\bfrom\b|\d|\w+\() | insert\s+(?:or\s+\w+\s+)?into\b | update\s+\w+\s+set\b
      | delete\s+from\b | (?:create|alter|drop)\s+(?:table|index|trigger|view|schema)\b | with\s+\w+\s+as\s*\(
    )""",
    re.IGNORECASE | re.VERBOSE,
)
CONNECTION = re.compile(r"\s*(begin(\s+\w+)?\s*;?\s*$|commit\s*;?\s*$|rollback\s*;?\s*$|pragma\s+\w)", re.IGNORECASE)


def reads_the_clock(node: ast.AST) -> bool:
    """Whether a node is ``datetime.now``, ``time.time`` or one of their kind, called or handed on."""
    if isinstance(node, ast.ImportFrom):
        return node.module == "time" and any(alias.name in CLOCKS["time"] for alias in node.names)
    if not isinstance(node, ast.Attribute):
        return False
    owner = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
    return node.attr in CLOCKS.get(owner, ())


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("datetime.now(UTC)", True),
        ("datetime.datetime.utcnow()", True),
        ("clock = time.time", True),
        ("from time import time", True),
        ("time.perf_counter()", False),
        ("time.monotonic()", False),
        ("clock.now()", False),
    ],
)
def test_the_rule_about_clocks_sees_what_it_should(code: str, *, expected: bool) -> None:
    """Wall clocks are found in every spelling; clocks that only measure are not."""
    assert any(reads_the_clock(node) for node in ast.walk(ast.parse(code))) is expected


def test_only_the_composition_root_reads_the_clock() -> None:
    """Rules and verbs get the time from outside, so that tests can name it; app.py supplies the real one."""
    found = [
        f"{name}:{node.lineno}"
        for name, tree in modules()
        if name != "app.py"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute | ast.ImportFrom) and reads_the_clock(node)
    ]
    assert found == []


def test_sql_lives_in_sql_files() -> None:
    """No statement stands in Python; the stores alone may open transactions and set pragmas there."""
    found = [
        f"{name}:{line}: {value.strip()[:40]}"
        for name, tree in modules()
        for line, value in strings(tree)
        if SQL.match(value) or (CONNECTION.match(value) and not name.startswith("store/"))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("select id from users", True),
        ("\n  SELECT count(*) FROM entries", True),
        ("insert or ignore into users values (?)", True),
        ("update users set id = ?", True),
        ("create table t (n integer) strict", True),
        ("Select a package to publish", False),
        ("update the package first", False),
        ("delete", False),
    ],
)
def test_the_rule_about_sql_sees_what_it_should(value: str, *, expected: bool) -> None:
    """Statements are told from prose that begins with the same word."""
    assert bool(SQL.match(value)) is expected


@pytest.mark.parametrize("layer", ["errors.py", "model/", "engine/"])
def test_the_core_imports_the_standard_library_only(layer: str) -> None:
    """The rules of the domain run wherever Python runs, and no release of another package can change them."""
    found = [
        f"{name}: {imported}"
        for name, tree in modules()
        if name.startswith(layer)
        for imported in imports(tree)
        if imported.split(".")[0] not in {*sys.stdlib_module_names, "kana"}
    ]
    assert found == []


def test_the_core_makes_values_in_one_way() -> None:
    """Model and engine take their dataclasses from ``model/value.py``, which says what a value is."""
    found = [
        name
        for name, tree in modules()
        if name.startswith(("model/", "engine/")) and name != "model/value.py"
        if "dataclasses.dataclass" in imports(tree)
    ]
    assert found == []


def test_the_sdk_knows_nothing_of_the_server() -> None:
    """Who imports the SDK gets the errors and the SDK, never the server's modules and what they load."""
    found = [
        f"{name}: {imported}"
        for name, tree in modules()
        if name.startswith("sdk/")
        for imported in imports(tree)
        if imported.split(".")[0] == "kana" and not imported.startswith(("kana.sdk", "kana.errors"))
    ]
    assert found == []


def test_every_test_states_its_rule() -> None:
    """A test opens with a sentence that says what holds, so that a failure tells what broke."""
    silent = [
        f"{name}:{node.lineno} {node.name}"
        for name, tree in modules(ROOT / "tests")
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if node.name.startswith("test_") and not ast.get_docstring(node)
    ]
    assert silent == []
