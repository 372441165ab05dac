"""Two environments under the same ids."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.isolation.sides import LIVE, TEST, Pair, Side
from tests.support.serving import Served
from tests.support.stores import SqlitePlace


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Both environments, furnished under the same ids."""
    path = tmp_path_factory.mktemp("isolation") / "kana.db"
    with Served(SqlitePlace(path)) as served:
        pair = Pair(Side(served, TEST, "Mine", 31), Side(served, LIVE, "Foreign", 7477), path)
        pair.test.furnish()
        pair.live.furnish()
        yield pair
