"""``kana demo``: a year to look around in, correct to the last total, and only where nothing is yet."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kana.cli.story import DAYS, USERS, Story
from kana.errors import Conflict
from kana.model.insights import Step
from kana.model.package import PackageStatus
from tests.support.stores import Place, SqlitePlace, place
from tests.support.world import NOON, TEST, TESTER, SetClock, World

__all__ = ["place"]


async def test_a_year_is_told(tmp_path: Path) -> None:
    """Packages of every status, users who came and left, growth, refusals: and an audit that finds nothing."""
    store = await SqlitePlace(tmp_path / "kana.db").open()
    story = Story(store, now=NOON)
    await story.tell()
    world = World(store, clock=SetClock(NOON))
    whole: dict[str, Any] = {"start": NOON - timedelta(days=DAYS), "end": NOON}
    catalog = await world.catalog.read(TEST)
    held = await world.accounts.subscriptions(TEST)
    usage = await world.engine.insights.usage(TEST, step=Step.MONTH, **whole)
    letters = {row.at: row.units for row in usage if (row.feature_id, row.package_id) == ("letters", "nest")}
    audit = await store.audits.audit()

    assert {package.status for package in catalog.packages.values()} == set(PackageStatus)
    assert {package.is_addon for package in catalog.packages.values()} == {True, False}
    assert len(await world.accounts.users(TEST)) == USERS
    assert Counter(each.subscription.status for each in held).keys() == {"ACTIVE", "CANCELLED"}
    assert list(letters.values())[-2] > 2 * list(letters.values())[1] > 0
    assert sum(row.refusals for row in usage) > 200
    assert await world.engine.insights.near_limit(TEST)
    assert (audit.entries, audit.is_clean) == (story.entries, True)
    await store.close()


async def test_it_refuses_what_is_not_empty(place: Place) -> None:
    """Where a workspace is, nothing is written."""
    store = await place.open()
    world = World(store)
    await world.access.initialise("mine", by=TESTER)
    with pytest.raises(Conflict, match="already has a workspace"):
        await Story(store, now=NOON).tell()
    assert (await world.catalog.read(TEST)).features == {}
    await store.close()
