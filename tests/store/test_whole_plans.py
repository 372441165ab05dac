"""What SQLite does for statements over everything: it reads each table once, and the work grows as the tables do."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from kana.store.sqlite.statements import SQL
from tests.store.whole import OVER_ALL, questions, rows
from tests.support.stores import SqlitePlace

USERS, TIMES = 500, 4

BOUNDED = {"load_usage": ["SCAN pairs"]}
"""Scans within scans of what a caller asked for, each of which can be a row of the answer."""

SCAN_BY_SCAN = """
with ledger as (select bucket, subscription_id, sum(change) as used from entries group by 1, 2)
select * from counters as c full join ledger as l using (bucket, subscription_id)
where coalesce(c.used, 0) <> coalesce(l.used, 0)
"""
"""What must be found: for each counter the sums are read from the first to the last."""


@pytest.fixture
async def empty(tmp_path: Path) -> apsw.Connection:
    """A connection to a database that has its tables."""
    await (await SqlitePlace(tmp_path / "kana.db").open()).close()
    return apsw.Connection(str(tmp_path / "kana.db"))


@pytest.fixture
def sizes(empty: apsw.Connection, tmp_path: Path) -> Iterator[list[tuple[int, apsw.Connection]]]:
    """A database of so many users, and one of four times as many."""
    found = []
    for users in (USERS, USERS * TIMES):
        connection = apsw.Connection(str(tmp_path / f"{users}.db"))
        with connection.backup("main", empty, "main") as backup:
            backup.step()
        with connection:
            for table, lines in rows(users).items():
                marks = ", ".join("?" * len(lines[0]))
                connection.executemany(f"insert into {table} values ({marks})", lines)
        found.append((users, connection))
    yield found
    for _, connection in found:
        connection.close()


def scans_in_scans(connection: apsw.Connection, sql: str) -> list[str]:
    """The steps that read a whole table, or a whole result, once for each row of another."""
    count = max([int(number) for number in re.findall(r"\?(\d+)", sql)], default=0)
    loops: dict[int, list[str]] = {}
    inner = set()
    for number, parent, _, detail in connection.execute(f"explain query plan {sql}", (None,) * count):
        if detail.startswith("CORRELATED") or parent in inner:
            inner.add(number)
        if detail.startswith(("SCAN ", "SEARCH ")):
            loops.setdefault(parent, []).append(detail)
    return [
        step
        for parent, steps in loops.items()
        for place, step in enumerate(steps)
        if step.startswith("SCAN ") and "VIRTUAL TABLE" not in step and (place or parent in inner)
    ]


def steps_of(connection: apsw.Connection, sql: str, bindings: tuple[Any, ...]) -> int:
    """How many steps of SQLite's machine a statement takes, whatever the machine under it is."""
    seen: list[dict[str, Any]] = []
    connection.trace_v2(apsw.SQLITE_TRACE_PROFILE, seen.append)
    connection.execute(sql, bindings).fetchall()
    connection.trace_v2(0, None)
    [event] = seen
    return int(event["stmt_status"]["SQLITE_STMTSTATUS_VM_STEP"])


@pytest.mark.parametrize("name", SQL)
def test_no_statement_scans_within_a_scan(empty: apsw.Connection, name: str) -> None:
    """Of all there are: within a loop, rows are searched for."""
    assert scans_in_scans(empty, SQL[name]) == BOUNDED.get(name, [])


def test_a_scan_within_a_scan_is_seen(empty: apsw.Connection) -> None:
    """The control: in a join and in a subquery that is worked out for each row."""
    assert scans_in_scans(empty, SCAN_BY_SCAN) != []
    assert scans_in_scans(
        empty, "select (select count(*) from entries as e where e.change = c.used) from counters as c"
    )


def test_work_grows_as_the_tables_do(sizes: list[tuple[int, apsw.Connection]]) -> None:
    """With four times the rows, four times the steps, whatever is asked of them."""
    growth = {}
    for name in OVER_ALL:
        small, large = (
            steps_of(connection, SQL[name], questions(users, array=json.dumps).get(name, ()))
            for users, connection in sizes
        )
        growth[name] = large / small
    assert {name: times for name, times in growth.items() if times > TIMES * 1.25} == {}


def test_work_that_grows_faster_is_seen(sizes: list[tuple[int, apsw.Connection]]) -> None:
    """The control: scan by scan it grows with the square."""
    small, large = (steps_of(connection, SCAN_BY_SCAN, ()) for _, connection in sizes)
    assert large > small * TIMES * 2
