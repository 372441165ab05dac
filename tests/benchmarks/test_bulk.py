"""The bare driver of the bulk benchmark writes what the engine wrote, all of it: else it would be no limit."""

from __future__ import annotations

import asyncio
from pathlib import Path

import apsw
import pytest

from benchmarks import bulk
from benchmarks.seeding import seed


def _written(path: Path) -> dict[str, list[tuple[object, ...]]]:
    connection = apsw.Connection(str(path))
    tables = {table: sorted(connection.execute(f"select * from {table}"), key=repr) for table in bulk._STATEMENTS}
    connection.close()
    return tables


async def test_both_sides_write_the_same_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries, totals, days and hours are the same in both files, and a row left out would be seen."""
    for name, number in (("USERS", 20), ("BATCH", 30), ("BATCHES", 3)):
        monkeypatch.setattr(bulk, name, number)
    ours, twin, short = (tmp_path / name for name in ("ours.db", "twin.db", "short.db"))
    for path in (ours, twin, short):
        await asyncio.to_thread(seed, f"sqlite:///{path}", users=20)
    _, batches = await bulk._record(f"sqlite:///{ours}")
    bulk._write_bare_sqlite(twin, batches)
    bulk._write_bare_sqlite(short, [{**batch, "usage_days": []} for batch in batches])

    assert len(_written(ours)["entries"]) == 90
    assert all(_written(ours).values())
    assert _written(twin) == _written(ours)
    assert _written(short) != _written(ours)
