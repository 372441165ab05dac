"""SQLite and PostgreSQL answer the same history with the same words."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from kana.engine.ids import IdMaker
from kana.engine.ports.store import Store
from kana.engine.ports.usage import Audit
from kana.errors import KanaError
from kana.model.entitlement import Outcome
from kana.model.ledger import LedgerSearch
from kana.model.terms import ChangeTime, ChangeUsage
from kana.model.usage import Action, Usage
from kana.store.postgres import PostgresStore
from kana.store.sqlite import SqliteStore
from tests.support.postgres import Postgres
from tests.support.stores import PostgresPlace, furnish_workspace
from tests.support.world import (
    DAY,
    LIVE,
    MONTH,
    TEST,
    TESTER,
    YEAR,
    SetClock,
    World,
    a_feature,
    a_package,
    allows,
    holds,
)

STEPS = 1000
USERS = ("ada", "Ada", "a/b", "é", "日本", "zz'\"\\")
FEATURES = ("message", "message", "message", "call", "call", "chat", "none")
PACKAGES = ("basic", "pro", "extra", "none")


class Said(NamedTuple):
    """An error, as it can be compared."""

    name: str
    message: str


class History:
    """Draws one history from a seed: the same in each world, whatever the answers are."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.draw = random.Random(seed)
        self.subscriptions: list[int] = []
        self.last: Usage | None = None
        # Ids are drawn at random in each process; here all of them are counted from 0.
        assert isinstance(world.ids, IdMaker)
        assert world.accounts._ids is world.ids
        world.ids._sequence = 0

    async def begin(self) -> None:
        """Furnish both environments and create the first users."""
        features = (a_feature(), a_feature("call"), a_feature("chat", binary=True))
        packages = (
            a_package("basic", allows(20), allows(5, DAY, feature="call"), holds("chat")),
            a_package("pro", allows(50, YEAR), allows(None, feature="call"), holds("chat")),
            a_package("extra", allows(30, MONTH, overage=True), is_addon=True),
        )
        for environment in (TEST, LIVE):
            await self.world.furnish(*packages, features=features, environment=environment)
            for user in USERS[:5]:
                await self.world.accounts.create_user(environment, id=user)
                await self.world.accounts.subscribe(environment, user, ["basic"])

    async def step(self) -> Any:
        """Do the next thing; return what is said, be it an answer or an error."""
        names = ["record"] * 10 + ["again"] * 3 + ["check"] * 4 + ["show", "subscribe", "subscribe", "change", "cancel"]
        names += ["create", "rename", "limit", "archive", "list", "entries", "advance", "advance", "advance"]
        verb = getattr(self, f"_{self.draw.choice(names)}")
        try:
            return await verb()
        except KanaError as error:
            return Said(type(error).__name__, error.message)

    def _environment(self) -> Any:
        return self.draw.choice((TEST, TEST, TEST, LIVE))

    async def _create(self) -> Any:
        metadata = self.draw.choice(({}, {"n": [1, 2.5, None, "ü"]}, None))
        return await self.world.accounts.create_user(
            self._environment(), id=self.draw.choice(USERS), name=self.draw.choice((None, "N")), metadata=metadata
        )

    async def _rename(self) -> Any:
        changes: Any = {"id": self.draw.choice(USERS), "email": self.draw.choice((None, "a@b"))}
        return await self.world.accounts.update_user(self._environment(), self.draw.choice(USERS), changes)

    async def _subscribe(self) -> Any:
        wanted = self.draw.sample(PACKAGES, self.draw.choice((1, 1, 2)))
        held = await self.world.accounts.subscribe(self._environment(), self.draw.choice(USERS), wanted)
        self.subscriptions += [each.subscription.id for each in held]
        return held

    async def _change(self) -> Any:
        return await self.world.accounts.change_subscription(
            self._environment(),
            self.draw.choice(USERS),
            self.draw.choice(PACKAGES),
            when=self.draw.choice(list(ChangeTime)),
            usage=self.draw.choice(list(ChangeUsage)),
        )

    async def _cancel(self) -> Any:
        wanted = self.draw.choice(self.subscriptions) if self.subscriptions else 7
        return await self.world.accounts.cancel_subscription(
            self._environment(), wanted, at_period_end=self.draw.random() < 0.5
        )

    async def _record(self) -> Any:
        action = self.draw.choice((Action.ADD, Action.ADD, Action.ADD, Action.SET))
        delta = self.draw.choice((1, 1, 1, 2, 3, 10, 2**53 - 2)) * self.draw.choice((1, 1, 1, -1))
        late = self.draw.choice((None, None, None, -3600, -86_400 * 40, 120, 301))
        usage = Usage(
            environment=self._environment(),
            user_id=self.draw.choice(USERS),
            feature_id=self.draw.choice(FEATURES),
            delta=abs(delta) if action is Action.SET else delta,
            action=action,
            key=self.draw.choice((None, "k1", "k2", "k3", f"k-{self.draw.random()}")),
            timestamp=None if late is None else self.world.clock() + timedelta(seconds=late),
            metadata=self.draw.choice((None, {"a": 1}, ["ü", True])),
        )
        self.last = usage
        return await self.world.usage.record(usage)

    async def _again(self) -> Any:
        usage = self.last
        if usage is None:
            return None
        return await self.world.usage.record(replace(usage, delta=usage.delta + self.draw.choice((0, 0, 1))))

    async def _check(self) -> Any:
        return await self.world.usage.check(
            self._environment(), self.draw.choice(USERS), self.draw.choice(FEATURES), delta=self.draw.choice((1, 5, 40))
        )

    async def _show(self) -> Any:
        return await self.world.usage.show(self._environment(), self.draw.choice(USERS), self.draw.choice(FEATURES))

    async def _limit(self) -> Any:
        limits = tuple(
            allows(self.draw.choice((0, 10, 30, None)), self.draw.choice((DAY, MONTH, None)), feature=feature)
            for feature in ("message", "call")
        )
        package = self.draw.choice(PACKAGES)
        return await self.world.catalog.update_package(
            self._environment(), package, {"features": limits}, confirm_impact=True, by=TESTER
        )

    async def _archive(self) -> Any:
        copy = f"copy-{self.draw.randrange(9)}"
        await self.world.catalog.duplicate_package(TEST, self.draw.choice(PACKAGES), new_id=copy, by=TESTER)
        published = await self.world.catalog.publish_package(TEST, copy, by=TESTER)
        return published, await self.world.catalog.archive_package(TEST, copy, by=TESTER)

    async def _list(self) -> Any:
        environment = self._environment()
        after = self.draw.choice((None, *USERS))
        return (
            await self.world.accounts.users(environment, first=3, after=after),
            await self.world.accounts.subscriptions(environment, first=5),
            await self.world.catalog.count_subscribers(environment),
            await self.world.catalog.read(environment),
        )

    async def _entries(self) -> Any:
        day = self.world.clock.now.replace(hour=0, minute=0)
        return await self.world.store.ledger.search(
            LedgerSearch(
                environment=self._environment(),
                user_id=self.draw.choice(USERS),
                feature_id=self.draw.choice((None, "message")),
                outcomes=self.draw.choice((tuple(Outcome), (Outcome.LIMIT_EXCEEDED,))),
                start=self.draw.choice((None, day)),
                end=self.draw.choice((None, day + timedelta(days=1))),
                limit=10,
            )
        )

    async def _advance(self) -> Any:
        return self.world.clock.advance(seconds=self.draw.choice((0.001, 60, 86_400, 86_400 * 31)))


async def differences(
    postgres_server: Postgres, folder: Path, seed: int, *, spoil: str | None = None
) -> tuple[list[int], set[str], list[Audit]]:
    """Live one history on both stores; return the steps that differ, the kinds of answers, and both audits.

    ``spoil`` is run behind PostgreSQL's back in the middle.
    """
    url = postgres_server.create_database()
    stores: list[Store] = [SqliteStore(str(folder / "kana.db")), await PostgresStore.open(url)]
    for store in stores:
        await furnish_workspace(store)
    sqlite, postgres = (History(World(store, clock=SetClock()), seed) for store in stores)
    await sqlite.begin()
    await postgres.begin()
    differing: list[int] = []
    kinds: set[str] = set()
    for number in range(STEPS):
        if spoil is not None and number == STEPS // 2:
            await PostgresPlace(url).tamper(spoil)
        expected, found = await sqlite.step(), await postgres.step()
        kinds.add(expected.name if isinstance(expected, Said) else type(expected).__name__)
        if found != expected:
            differing.append(number)
    audits = [await store.audits.audit() for store in stores]
    for store in stores:
        await store.close()
    return differing, kinds, audits


@pytest.mark.parametrize("seed", [1, 2])
async def test_the_same_history_has_the_same_answers(postgres_server: Postgres, tmp_path: Path, seed: int) -> None:
    """A thousand steps, drawn from a seed: each answer, each error and each list is the same, ids included."""
    differing, kinds, [sqlite, postgres] = await differences(postgres_server, tmp_path, seed)

    assert differing == []
    assert sqlite == postgres
    assert (sqlite.drifts, sqlite.entries > 100) == ((), True)
    assert {"Receipt", "Decision", "UserNotFound", "SubscriptionRefused", "IdempotencyKeyReused"} <= kinds


async def test_one_total_that_differs_is_seen(postgres_server: Postgres, tmp_path: Path) -> None:
    """The control: where every total of one store is spoilt behind its back, the same history is answered otherwise."""
    spoil = "update counters set used = used + 1"
    differing, _, [sqlite, postgres] = await differences(postgres_server, tmp_path, 1, spoil=spoil)

    assert differing
    assert sqlite != postgres
