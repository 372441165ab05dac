"""The engines over a real file; what differs between stores is pinned in tests/contract."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kana.engine.ports.store import Store
from tests.support.stores import SqlitePlace, furnish_workspace
from tests.support.world import World


@pytest.fixture
def place(tmp_path: Path) -> SqlitePlace:
    """A file that is not there yet."""
    return SqlitePlace(tmp_path / "kana.db")


@pytest.fixture
async def store(place: SqlitePlace) -> AsyncIterator[Store]:
    """An open store with a workspace."""
    store = await place.open()
    await furnish_workspace(store)
    yield store
    await store.close()


@pytest.fixture
async def world(store: Store) -> World:
    """The engines over ``store``."""
    return World(store)
