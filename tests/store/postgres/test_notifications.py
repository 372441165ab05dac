"""Positions of notifications, with two writers of which the first one commits last."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from kana.model.environment import Environment
from kana.store.postgres import PostgresStore
from tests.support.postgres import Postgres

TEST = Environment.TEST
ADD = """
insert into kana.notifications (bucket, id, environment, type, occurred_at, about)
values ($1, 1, 'test', 'user.created', 0, '{}')
"""


@pytest.fixture
async def url(postgres_server: Postgres) -> str:
    """An empty database with our tables."""
    url = postgres_server.create_database()
    await (await PostgresStore.open(url)).close()
    return url


@pytest.fixture
async def writers(url: str) -> AsyncIterator[tuple[asyncpg.Connection, asyncpg.Connection]]:
    """Two connections, each with an open transaction that has written."""
    early, late = await asyncpg.connect(url), await asyncpg.connect(url)
    for connection, bucket in ((early, 1), (late, 2)):
        await connection.execute("begin")
        await connection.execute(ADD, bucket)
    yield early, late
    await early.close()
    await late.close()


async def test_what_is_committed_later_is_read_later(
    url: str, writers: tuple[asyncpg.Connection, asyncpg.Connection]
) -> None:
    """Its position is larger than one that could be read before, though it was written first."""
    early, late = writers
    store = await PostgresStore.open(url)
    await late.execute("commit")
    [first] = await store.notifications.notifications(TEST, after=0, limit=9)
    await early.execute("commit")
    [second] = await store.notifications.notifications(TEST, after=first.id, limit=9)
    assert (first.id, second.id) == (1, 2)
    await store.close()


async def test_by_the_number_of_writing_it_would_be_missed(
    url: str, writers: tuple[asyncpg.Connection, asyncpg.Connection]
) -> None:
    """The control: whoever reads on after the largest number that they have seen never sees the other one."""
    early, late = writers
    reader = await asyncpg.connect(url)
    after = 0
    seen = 0
    for commits in (late, early):
        await commits.execute("commit")
        found = await reader.fetch("select id from kana.notifications where id > $1 order by id", after)
        after, seen = max((row[0] for row in found), default=after), seen + len(found)
    assert seen == 1
    await reader.close()
