"""The addresses of Kana's command line, served on each kind of store."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.serving import Served
from tests.support.stores import STORES, Place, place

__all__ = ["place"]


@pytest.fixture
def served(place: Place) -> Iterator[Served]:
    """The application on an empty database."""
    with Served(place) as served:
        yield served


@pytest.fixture(scope="module", params=STORES)
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The same, shared by the tests of one file that change nothing."""
    with Served(STORES[request.param](request, tmp_path_factory.mktemp("shared"))) as served:
        yield served
