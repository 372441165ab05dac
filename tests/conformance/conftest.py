"""The whole application, served on each kind of store."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.serving import Served
from tests.support.stores import Place, place

__all__ = ["place"]


@pytest.fixture
def served(place: Place) -> Iterator[Served]:
    """The application on an empty database."""
    with Served(place) as served:
        yield served
