"""A session asks both databases the same way, and gets the same."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from kana.store.postgres import PostgresStore
from kana.store.postgres.session import PostgresTransactions
from kana.store.session import Lock, Session, Transactions
from kana.store.sqlite import SqliteStore
from kana.store.sqlite.session import SqliteTransactions
from tests.support.stores import Place


@pytest.fixture
async def transactions(place: Place) -> AsyncIterator[Transactions]:
    """Transactions of an empty database of each kind."""
    store = await place.open()
    if isinstance(store, PostgresStore):
        yield PostgresTransactions(store._database)
    else:
        assert isinstance(store, SqliteStore)
        yield SqliteTransactions(store._database)
    await store.close()


async def test_a_session_is_the_same_on_both(transactions: Transactions) -> None:
    """Rows, the first row, the first column, how many were touched: asked the same way, answered the same way."""

    async def write(session: Session) -> tuple[int, int]:
        for lock in Lock:
            await session.lock(lock)
        await session.execute("add_workspace", "acme", 0)
        await session.many("add_environment", [("test", "a", 0, "UTC"), ("live", "b", 1, "UTC")])
        touched = await session.execute("change_environment", "test", "c", 1, "Asia/Tokyo")
        return touched, await session.execute("revoke_key", b"none", 1)

    async def read(session: Session) -> tuple[object, ...]:
        rows = sorted(map(tuple, await session.rows("load_environments")))
        return rows, await session.value("load_workspace"), await session.row("load_keys")

    assert await transactions.write(write) == (1, 0)
    expected = ([("live", "b", 1, "UTC"), ("test", "c", 1, "Asia/Tokyo")], "acme", None)
    assert await transactions.read(read) == expected
    assert await transactions.read_aside(read) == expected


async def test_what_work_raises_undoes_it(transactions: Transactions) -> None:
    """Nothing of a transaction stays that ended with an error."""

    async def work(session: Session) -> None:
        await session.execute("add_workspace", "acme", 0)
        raise LookupError("no")

    with pytest.raises(LookupError):
        await transactions.write(work)

    assert await transactions.read(lambda session: session.value("load_workspace")) is None
