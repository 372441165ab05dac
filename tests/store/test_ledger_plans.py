"""What a search of a ledger costs on SQLite: it goes through the primary key, and stops at the end of its page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import apsw
import pytest

from kana.model.entitlement import Outcome
from kana.store.sqlite.statements import SQL
from tests.store.test_insight_plans import plan
from tests.store.test_whole_plans import steps_of
from tests.store.whole import EVER, ledger
from tests.support.stores import SqlitePlace

ALL = json.dumps(list(Outcome))
LINES, TIMES = 2_000, 4

A_PAGE = (None, ALL, None, None, 26)
OF_NOTHING = ("f0", json.dumps([Outcome.BELOW_ZERO]), None, None, 26)


@pytest.fixture
async def connection(tmp_path: Path) -> apsw.Connection:
    """A connection to a database in which one user has so many entries, and another four times as many."""
    await (await SqlitePlace(tmp_path / "kana.db").open()).close()
    connection = apsw.Connection(str(tmp_path / "kana.db"), statementcachesize=0)  # Each run is counted by itself.
    with connection:
        for user_key, lines in ((1, LINES), (2, LINES * TIMES)):
            rows = ledger(user_key, lines)
            connection.executemany(f"insert into entries values ({', '.join('?' * len(rows[0]))})", rows)
    return connection


def looked_at(user_key: int, most: int) -> tuple[Any, ...]:
    """The bindings that say which entries a search looks at."""
    return (7, user_key, EVER, 0, most)


@pytest.mark.parametrize("name", ["search_entries", "find_end_of_search", "load_entry"])
def test_it_goes_through_the_primary_key(connection: apsw.Connection, name: str) -> None:
    """Nothing is sorted, and no other index is needed."""
    steps = plan(connection, SQL[name])
    assert [step for step in steps if step.startswith("SEARCH e USING PRIMARY KEY (bucket=? AND user_key=? AND id")]
    assert [step for step in steps if "TEMP B-TREE" in step] == []


def test_a_page_costs_the_same_in_a_ledger_of_any_length(connection: apsw.Connection) -> None:
    """It stops when it is full, whatever is older."""
    small, large = (steps_of(connection, SQL["search_entries"], looked_at(user, 100_000) + A_PAGE) for user in (1, 2))
    assert large == small


def test_a_search_for_what_is_rare_looks_at_so_many(connection: apsw.Connection) -> None:
    """Without a bound it costs what there is; the bound ends it, and where it ended is found at no more cost."""
    search, last = SQL["search_entries"], SQL["find_end_of_search"]
    small, large = (steps_of(connection, search, looked_at(user, 100_000) + OF_NOTHING) for user in (1, 2))
    assert large > small * (TIMES - 1)
    bounded = [steps_of(connection, search, looked_at(user, 500) + OF_NOTHING) for user in (1, 2)]
    assert bounded[0] == bounded[1] < small / (TIMES - 1)
    assert steps_of(connection, last, looked_at(2, 500)) < bounded[1]
