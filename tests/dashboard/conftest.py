"""A dashboard of each test's own, on a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dashboard.desk import Desk
from tests.support.stores import SqlitePlace


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A dashboard with a catalogue."""
    with Desk(SqlitePlace(tmp_path / "kana.db")) as desk:
        yield desk
