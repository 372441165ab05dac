"""The Client API with the small business of the Admin API's tests: for each kind of store, or shared on SQLite."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.api.admin.calls import furnish
from tests.support.serving import Served
from tests.support.stores import Place, SqlitePlace, place

__all__ = ["place"]


@pytest.fixture
def served(place: Place) -> Iterator[Served]:
    """The application for this one test, on each kind of store."""
    with Served(place) as served:
        furnish(served)
        # The engine that furnished and the one that serves make ids of their own, which time alone puts in order.
        served.clock.advance(milliseconds=1)
        yield served


@pytest.fixture(scope="module")
def module_served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The application for the tests of one file that have little to do with the store."""
    with Served(SqlitePlace(tmp_path_factory.mktemp("client") / "kana.db")) as served:
        furnish(served)
        yield served


@pytest.fixture
def shared(module_served: Served) -> Served:
    """The application for tests that change nothing, each a minute after the one before: no failure counts twice."""
    module_served.clock.advance(minutes=1)
    return module_served
