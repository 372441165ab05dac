"""What benchmarks write straight into tables is what the engine would have written."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import insights
from benchmarks.seeding import grow, seed
from kana.app import open_store, system_clock
from kana.settings import Settings

USERS, ENTRIES = 20, 200


def fill_a_year(path: Path) -> None:
    """As `benchmarks insights` does."""
    insights.fill(path, system_clock())


def grow_a_million(path: Path) -> None:
    """As `benchmarks growth`, `dashboard` and `clicking` do."""
    grow(path, first=0, users=USERS, entries=ENTRIES)


@pytest.mark.parametrize("fill", [fill_a_year, grow_a_million])
async def test_no_total_drifts_from_the_entries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fill: Callable[[Path], None]
) -> None:
    """The ledger holds as many entries as were asked for, and every total is theirs."""
    monkeypatch.setattr(insights, "USERS", USERS)
    monkeypatch.setattr(insights, "ENTRIES", ENTRIES)
    path = tmp_path / "kana.db"
    settings = Settings(database_url=f"sqlite:///{path}")
    await asyncio.to_thread(seed, settings.database_url, users=0, features=insights.FEATURES)
    fill(path)
    store = await open_store(settings)
    audit = await store.audits.audit()
    await store.close()
    assert audit.entries == ENTRIES
    assert (audit.drifts, audit.tally_drifts) == ((), ())
