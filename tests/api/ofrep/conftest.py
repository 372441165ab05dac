"""A server with a small business, on SQLite, for OFREP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.admin.calls import furnish
from tests.support.serving import Served
from tests.support.stores import SqlitePlace


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """The application with the small business of the Admin API's tests: ada on basic, ten messages a month."""
    with Served(SqlitePlace(tmp_path / "kana.db")) as served:
        furnish(served)
        yield served
