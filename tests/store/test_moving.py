"""All that one database holds can be moved into another of any kind, and is the same there."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kana.app import copy_database, open_store
from kana.errors import Conflict, DatabaseRefused
from kana.model.given import OverrideTerms
from kana.model.usage import Usage
from kana.settings import Settings
from kana.store import moving
from tests.support.ledger import entries_of
from tests.support.postgres import Postgres
from tests.support.stores import furnish_workspace
from tests.support.world import (
    LIVE,
    NOON,
    ONE_DAY,
    TEST,
    TESTER,
    SetClock,
    World,
    a_feature,
    a_package,
    a_usage,
    allows,
    holds,
)


@pytest.fixture
def databases(postgres_server: Postgres, tmp_path: Path) -> dict[str, list[Settings]]:
    """Two empty databases of each kind."""
    return {
        "sqlite": [Settings(database_url=f"sqlite:///{tmp_path / name}") for name in ("a.db", "b.db")],
        "postgres": [Settings(database_url=postgres_server.create_database()) for _ in range(2)],
    }


async def fill(settings: Settings) -> None:
    """Put something into every table of the core, in both environments."""
    store = await open_store(settings)
    world = World(store, clock=SetClock())
    await furnish_workspace(store)
    features = (a_feature(metadata={"ü": [1, 2.5, None, "\\u0000 is text"]}), a_feature("chat", binary=True))
    await world.furnish(a_package("basic", allows(9), holds("chat")), a_package("pro", allows(None)), features=features)
    await world.furnish(a_package("basic", allows(3)), environment=LIVE)
    for number in range(30):
        user = await world.subscribed_user(f"üser/{number}")
        for usage in (a_usage(2, key="k"), a_usage(-1), a_usage(99), a_usage(feature_id="chat", metadata={"a": True})):
            await world.usage.record(_by(usage, user.id))
    await world.accounts.update_user(TEST, "üser/3", {"id": "renamed"})
    await world.accounts.change_subscription(TEST, "renamed", "pro")
    giving = world.engine.giving
    for amount, more in ((5, {"key": "k"}), (7, {"expires_at": NOON + ONE_DAY})):
        await giving.create_top_up(TEST, "üser/0", "message", amount, reason="für Ü", by=TESTER, **more)
    await world.usage.record(_by(a_usage(15), "üser/0"))
    terms = OverrideTerms(limit=3, overage_enabled=True, ends_at=NOON + ONE_DAY)
    await giving.set_override(TEST, "üser/1", "message", terms, reason="asked", by=TESTER)
    await giving.set_override(TEST, "üser/1", "chat", OverrideTerms(denied=True), reason="fraud", by=TESTER)
    await store.close()


def _by(usage: Usage, user_id: str) -> Usage:
    return replace(usage, user_id=user_id)


async def content(settings: Settings) -> list[Any]:
    """All that the ports say is there."""
    store = await open_store(settings)
    world = World(store, clock=SetClock())
    users = await store.users.users(TEST, limit=100, after=None)
    found: list[Any] = [
        await store.keys.keyring(),
        *[await store.catalogs.catalog(environment) for environment in (TEST, LIVE)],
        users,
        await store.users.subscriptions(TEST, user_id=None, limit=100, after=None),
        *[await entries_of(store, user.id) for user in users],
        *[await world.usage.check(TEST, user.id, "message") for user in users],
        *[await world.engine.giving.top_ups(TEST, user.id) for user in users],
        *[await world.engine.giving.overrides(TEST, user.id) for user in users],
        await world.engine.giving.create_top_up(TEST, "üser/0", "message", 5, reason="für Ü", by=TESTER, key="k"),
        await store.audits.audit(),
    ]
    await store.close()
    return found


@pytest.mark.parametrize(("source", "target"), [*itertools.product(("sqlite", "postgres"), repeat=2)])
async def test_a_copy_says_the_same(
    databases: dict[str, list[Settings]], source: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the kinds: keys, catalogues, users, subscriptions, entries, totals and answers are equal."""
    for module in ("sqlite", "postgres"):
        monkeypatch.setattr(f"kana.store.{module}.moving.ROWS", 7)  # several pieces of each table
    here, there = databases[source][0], databases[target][1]
    await fill(here)

    audits = await copy_database(here, there)

    assert audits[0] == audits[1]
    assert (audits[0].entries, audits[0].drifts) == (121, ())
    assert await content(here) == await content(there)
    store = await open_store(there)
    world = World(store, clock=SetClock(NOON))
    again = await world.usage.record(_by(a_usage(2, key="k"), "renamed"))
    assert (again.duplicate, again.entry.consumption and again.entry.consumption.used) == (True, 2)
    await store.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_nothing_is_written_over(databases: dict[str, list[Settings]], kind: str) -> None:
    """A database that holds a workspace is refused as a target, and stays as it was."""
    here, there = databases[kind]
    await fill(here)
    store = await open_store(there)
    await furnish_workspace(store)
    before = await store.keys.keyring()
    await store.close()

    with pytest.raises(Conflict, match="already has a workspace"):
        await copy_database(here, there)
    store = await open_store(there)
    assert await store.keys.keyring() == before
    await store.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_a_copy_that_breaks_off_has_not_happened(databases: dict[str, list[Settings]], kind: str) -> None:
    """All of it or nothing: after a failure in the middle the target is empty, and a second try succeeds."""
    here, there = databases["sqlite"][0], databases[kind][1]
    await fill(here)

    def break_off(rows: moving.Rows) -> None:
        if rows.table == "subscriptions":
            raise RuntimeError("the cable was pulled")

    with pytest.raises(RuntimeError, match="the cable was pulled"):
        await copy_database(here, there, on_rows=break_off)
    store = await open_store(there)
    assert await store.keys.keyring() is None
    assert await store.users.users(TEST, limit=9, after=None) == []
    await store.close()
    assert len(set(await copy_database(here, there))) == 1


async def test_a_file_that_is_served_is_not_copied(databases: dict[str, list[Settings]]) -> None:
    """What its server records meanwhile would be missing, so the copy is refused while it runs."""
    here, there = databases["sqlite"]
    server = await open_store(here, exclusive=True)
    with pytest.raises(DatabaseRefused, match="is already served by process"):
        await copy_database(here, there)
    await server.close()
