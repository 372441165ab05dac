"""A process that is killed between any two statements of a usage leaves all that it moves in several grants or none."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from kana.app import open_store
from kana.model.usage import Receipt
from kana.settings import Settings
from tests.reliability.dying import LATER, PARTS, the_usage
from tests.support.ledger import entries_of
from tests.support.postgres import Postgres
from tests.support.stores import furnish_workspace
from tests.support.world import NOON, TEST, TESTER, SetClock, World, a_package, a_usage, rolls_over

MOST = 80
"""More statements than a record takes."""


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path, postgres_server: Postgres) -> str:
    """An empty database of each kind."""
    return f"sqlite:///{tmp_path / 'kana.db'}" if request.param == "sqlite" else postgres_server.create_database()


async def opened(url: str) -> World:
    return World(await open_store(Settings(database_url=url)), clock=SetClock(LATER))


async def furnish(url: str) -> None:
    """Users of whom each has what the month before left, this month's allowance, and a top-up."""
    world = await opened(url)
    await furnish_workspace(world.store)
    world.clock.now = NOON
    await world.furnish(a_package("basic", rolls_over(10, most=20, periods=1)))
    for number in range(1, MOST):
        await world.subscribed_user(f"user-{number}")
        await world.usage.record(a_usage(4, user_id=f"user-{number}"))
        await world.engine.giving.create_top_up(TEST, f"user-{number}", "message", 5, reason="sold", by=TESTER)
    await world.store.close()


async def moved(world: World, number: int) -> list[list[int]]:
    """What the entries of a user since then move, each in its counters."""
    entries = await entries_of(world.store, f"user-{number}")
    return [[change for _, change in each.postings] for each in entries if each.occurred_at > NOON + timedelta(days=1)]


async def first_to_live(url: str, *more: str) -> int:
    dying = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.reliability.dying", url, *more, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await dying.communicate()
    assert dying.returncode == 0
    return int(said)


async def test_a_usage_of_several_grants_is_whole_or_not_there(url: str) -> None:
    """At whichever statement the process is killed: what is there is whole, and asked again it counts once."""
    await furnish(url)
    lived = await first_to_live(url)
    world = await opened(url)
    found = [await moved(world, number) for number in range(1, lived + 1)]
    assert found[-1] == [PARTS]
    assert found[:-1].count([]) > 3, "it was never killed in the middle: the harness saw nothing"
    assert all(each in ([], [PARTS]) for each in found)
    for number in range(1, lived + 1):
        again = await world.usage.record(the_usage(number))
        assert isinstance(again, Receipt)
        assert (again.duplicate, await moved(world, number)) == (bool(found[number - 1]), [PARTS])
    audit = await world.store.audits.audit()
    assert audit.drifts == ()
    await world.store.close()


async def test_usages_one_after_the_other_leave_a_part(url: str) -> None:
    """The control: where each grant is asked for by itself, a kill leaves some of them without the others."""
    await furnish(url)
    lived = await first_to_live(url, "apart")
    world = await opened(url)
    found = [await moved(world, number) for number in range(1, lived + 1)]
    assert sorted(found[-1]) == [[2], [6], [10]]
    assert [[6]] in found
    await world.store.close()
