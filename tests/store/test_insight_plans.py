"""What SQLite does for each question about usage: it searches, and never reads a whole table."""

from __future__ import annotations

import re
from pathlib import Path

import apsw
import pytest

from kana.store.sqlite.statements import SQL
from tests.support.stores import SqlitePlace

TABLES = "usage_days|usage_hours|entries|counters|subscriptions|given|users"
WHOLE = re.compile(rf"^SCAN ({TABLES}|[cdeghu])( |$)")
"""A step that reads every row of a table, by its name or alias; arguments do not count."""

QUESTIONS = [
    "load_usage", "load_usage_days_of", "load_usage_hours_of", "count_entitled", "count_users_of", "load_top_users",
    "load_near_limits", "load_near_given", "load_refusals",
    "load_costs",
]  # fmt: skip


@pytest.fixture
async def connection(tmp_path: Path) -> apsw.Connection:
    """A connection to an empty database of ours."""
    await (await SqlitePlace(tmp_path / "kana.db").open()).close()
    return apsw.Connection(str(tmp_path / "kana.db"))


def plan(connection: apsw.Connection, statement: str) -> list[str]:
    """The steps of a statement, whatever its arguments."""
    count = max(int(number) for number in re.findall(r"\?(\d+)", statement))
    return [str(row[3]) for row in connection.execute(f"explain query plan {statement}", (None,) * count)]


@pytest.mark.parametrize("name", QUESTIONS)
def test_each_question_searches(connection: apsw.Connection, name: str) -> None:
    """No step reads a whole table: an index or the primary key leads to the rows."""
    steps = plan(connection, SQL[name])
    rows_of_subqueries = {"SCAN u", "SCAN s", "SCAN r"} if "CO-ROUTINE" in " ".join(steps) else set()
    assert [step for step in steps if WHOLE.match(step) and step not in rows_of_subqueries] == []
    assert any(step.startswith("SEARCH") for step in steps)


def test_a_sum_is_worked_out_once(connection: apsw.Connection) -> None:
    """The look-up for each step stands once in the plan, though its result is also compared."""
    steps = plan(connection, SQL["load_usage"])
    assert sum(step.startswith("CORRELATED SCALAR SUBQUERY") for step in steps) == 1


def test_refusals_are_read_off_their_index(connection: apsw.Connection) -> None:
    """Nothing but the index of refusals is touched, whatever else was recorded."""
    assert any("COVERING INDEX entries_refused" in step for step in plan(connection, SQL["load_refusals"]))


def test_the_check_can_fail(connection: apsw.Connection) -> None:
    """A question that reads a whole table is seen."""
    steps = plan(connection, "select * from usage_days as d where units > ?1")
    assert [step for step in steps if WHOLE.match(step)] == ["SCAN d"]
