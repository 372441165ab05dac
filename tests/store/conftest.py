"""A file to write notes into."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kana.store.sqlite.database import Database


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """A file with one table of notes."""
    opened = Database(str(tmp_path / "kana.db"))
    await opened.write(lambda connection: connection.execute("create table notes (text)"))
    yield opened
    await opened.close()
