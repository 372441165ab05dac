"""Columns reach PostgreSQL as they are, whatever they hold."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from kana.model.environment import Environment
from kana.store.postgres.columns import columns
from tests.support.postgres import Postgres
from tests.support.world import examples

NASTY = ["", " ", "null", "NULL", '"', "\\", '\\"', "{}", "a,b", "{a}", "\\x00", "'", "\n\t\r", "é", "漢", "\U0001f600"]

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])) | st.sampled_from(NASTY)
INTS = st.integers(-(2**63), 2**63 - 1)
ROWS = st.lists(
    st.tuples(INTS, TEXTS, st.none() | TEXTS, st.binary(), st.booleans(), st.none() | INTS), min_size=1, max_size=20
)

READ = """
select * from unnest(
    $1::text::bigint[], $2::text::text[], $3::text::text[], $4::text::bytea[], $5::text::boolean[], $6::text::bigint[]
)
"""


@pytest.fixture
async def connection(postgres_server: Postgres) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """A connection to an empty database."""
    connection = await asyncpg.connect(postgres_server.create_database())
    yield connection
    await connection.close()


@examples(200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
async def test_rows_come_back_as_they_were_sent(
    connection: asyncpg.Connection[asyncpg.Record], rows: list[tuple[object, ...]]
) -> None:
    """Numbers, texts with quotes, backslashes and braces, bytes, booleans, and what is not there."""
    assert list(map(tuple, await connection.fetch(READ, *columns(rows)))) == rows


def test_words_are_texts() -> None:
    """An enumeration's word is its own text."""
    assert columns([(Environment.TEST, 1), ("a", 2)]) == ['{"test","a"}', "{1,2}"]


def test_what_no_column_can_be_is_refused() -> None:
    """A list or a fraction would be read as something else, so it is an error here."""
    wrong: list[object] = [1.5, [1], {}]
    for value in wrong:
        with pytest.raises(TypeError, match="an array cannot contain"):
            columns([(value,)])
