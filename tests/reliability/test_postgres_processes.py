"""Several processes on one PostgreSQL are one Kana: they share limits, catalogues, subscriptions and keys."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest

from kana.errors import KanaError
from kana.model.entitlement import Outcome
from kana.model.usage import Receipt
from kana.store.postgres import PostgresStore
from kana.store.postgres.statements import SQL
from tests.support.client import AdminClient
from tests.support.forge import Forge
from tests.support.postgres import Postgres
from tests.support.server import KanaServer
from tests.support.stores import furnish_workspace
from tests.support.world import TEST, TESTER, World, a_package, a_usage, allows

PROCESSES = 3
ROUNDS = 10
HOLDS_S = 1.0
SLACK_S = 1.0
"""What a machine that does much else may take to run the test itself."""


@pytest.fixture(scope="module")
def three(forge: Forge, postgres_server: Postgres) -> Iterator[list[KanaServer]]:
    """Three servers on one database."""
    url = postgres_server.create_database()
    servers = [KanaServer(forge=forge, database_url=url) for _ in range(PROCESSES)]
    try:
        servers[0].init()
        for server in servers:
            server.keys = servers[0].keys
            server.launch()  # All at once, as a supervisor starts them.
        for server in servers:
            server.wait_until_ready()
        asyncio.run(_furnish(servers[0]))
        yield servers
    finally:
        for server in servers:
            server.close()


async def _furnish(server: KanaServer) -> None:
    async with AdminClient(server.address, server.private_key) as admin:
        await admin.furnish("basic", limit=0)
        for clients in (3, 9, 48):
            await admin.package(f"for-{clients}", limit=clients // 3)


@pytest.mark.parametrize("clients", [3, 9, 48])
async def test_three_processes_hand_out_exactly_what_there_is(three: list[KanaServer], clients: int) -> None:
    """N callers of three processes want one unit each of N/3: exactly N/3 get one, ten times over."""
    granted = Counter[int]()
    async with AsyncExitStack() as stack:
        callers = [
            await stack.enter_async_context(AdminClient(server.address, server.private_key))
            for server in three
            for _ in range(clients // PROCESSES)
        ]
        for number in range(ROUNDS):
            user = f"race-{clients}-{number}"
            await callers[0].enrol(user, f"for-{clients}")
            answers = await asyncio.gather(*(caller.record(user) for caller in callers))
            granted[sum(answer["recorded"] for answer in answers)] += 1
    assert granted == {clients // 3: ROUNDS}
    assert three[0].kana("audit").returncode == 0


async def test_one_key_sent_to_three_processes_counts_once(three: list[KanaServer]) -> None:
    """48 callers with one key: one entry, 48 equal answers, of which 47 say that they are duplicates."""
    async with AsyncExitStack() as stack:
        callers = [
            await stack.enter_async_context(AdminClient(server.address, server.private_key))
            for server in three
            for _ in range(16)
        ]
        for number in range(ROUNDS):
            await callers[0].enrol(f"once-{number}", "for-48")
            calls = (caller.record(f"once-{number}", delta=2, key="the-same") for caller in callers)
            answers = await asyncio.gather(*calls)
            assert Counter(answer["duplicate"] for answer in answers) == {False: 1, True: 47}
            assert len({answer["id"] for answer in answers}) == 1


async def test_a_key_made_or_revoked_in_one_process_holds_in_the_others_within_a_second(
    three: list[KanaServer],
) -> None:
    """A key that the command line makes opens every process at once; one that it revokes opens none a second later."""
    made = json.loads(three[0].kana("keys", "create", "--environment", "test", "--kind", "private", "--json").stdout)
    key = made["key"]
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(AdminClient(server.address, key)) for server in three]
        await _until(clients, opened=True)
        assert three[1].kana("keys", "revoke", key).returncode == 0
        await _until(clients, opened=False)


async def _until(clients: list[AdminClient], *, opened: bool) -> None:
    """Return when the key opens every process, or none, which must be soon."""
    async with asyncio.timeout(HOLDS_S + SLACK_S):
        while [await _opens(client) for client in clients] != [opened] * PROCESSES:  # noqa: ASYNC110 - they are other processes
            await asyncio.sleep(0.02)


async def _opens(client: AdminClient) -> bool:
    answered = (await client.post("{ features { id } }")).json()
    codes = [error["extensions"]["code"] for error in answered.get("errors", [])]
    assert codes in ([], ["UNAUTHENTICATED"], ["RATE_LIMITED"]), "asked too often without a key is no way in either"
    return not codes


@pytest.fixture
async def two(postgres_server: Postgres) -> AsyncIterator[tuple[World, World]]:
    """Two processes' worth of engines and stores on one database."""
    url = postgres_server.create_database()
    stores = [await PostgresStore.open(url) for _ in range(2)]
    await furnish_workspace(stores[0])
    here, there = World(stores[0]), World(stores[1])
    await here.furnish(a_package("basic", allows(1_000)), a_package("pro", allows(2_000)))
    await here.subscribed_user("ada")
    yield here, there
    for store in stores:
        await store.close()


async def test_a_decision_is_never_made_on_stale_limits(two: tuple[World, World]) -> None:
    """A limit changed in one process holds for the very next record and check of another, fifty times over."""
    here, there = two
    for used in range(1, 51):
        await here.catalog.update_package(TEST, "basic", {"features": (allows(used),)}, confirm_impact=True, by=TESTER)
        granted, refused = await there.usage.record(a_usage()), await there.usage.record(a_usage())
        decision = await there.usage.check(TEST, "ada", "message")

        assert (granted.entry.outcome, refused.entry.outcome) == (Outcome.RECORDED, Outcome.LIMIT_EXCEEDED)
        assert decision.consumption is not None
        assert (decision.access, decision.consumption.used, decision.consumption.budget) == (False, used, used)


async def test_a_decision_is_never_made_on_stale_subscriptions(two: tuple[World, World]) -> None:
    """A subscription changed in one process answers for the very next record of another."""
    here, there = two
    for number in range(20):
        user = f"user-{number}"
        await here.subscribed_user(user)
        first = await there.usage.record(a_usage(user_id=user))
        changed = await here.accounts.change_subscription(TEST, user, "pro")
        second = await there.usage.record(a_usage(user_id=user))
        await here.accounts.cancel_subscription(TEST, changed.subscription.id)
        third = await there.usage.record(a_usage(user_id=user))

        assert first.entry.consumption is not None
        assert second.entry.consumption is not None
        assert (first.entry.consumption.budget, second.entry.consumption.budget) == (1_000, 2_000)
        assert third.entry.outcome is Outcome.NO_SUBSCRIPTION


async def test_changes_that_meet_do_not_lose_each_other(two: tuple[World, World]) -> None:
    """Packages created by two processes at once are all there; of two that take one id one is told so."""
    created = await asyncio.gather(
        *(world.catalog.create_package(TEST, id=f"p{number}", by=TESTER) for number in range(10) for world in two),
        return_exceptions=True,
    )
    refused = [type(answer).__name__ for answer in created if isinstance(answer, KanaError)]
    catalogs = [await world.catalog.read(TEST) for world in two]

    assert refused == ["Conflict"] * 10
    assert catalogs[0] == catalogs[1]
    assert {f"p{number}" for number in range(10)} <= set(catalogs[0].packages)


async def race(two: tuple[World, World], name: str, rounds: int = 20) -> int:
    """Return how many units were granted beyond the one that there is in each round."""
    here, _ = two
    beyond = 0
    for number in range(rounds):
        await here.subscribed_user(f"{name}-{number}", "single")
        calls = (world.usage.record(a_usage(user_id=f"{name}-{number}")) for world in two for _ in range(4))
        receipts: list[Receipt] = await asyncio.gather(*calls)
        beyond += sum(receipt.entry.recorded for receipt in receipts) - 1
    return beyond


async def test_the_lock_is_what_keeps_the_limit(two: tuple[World, World], monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes hand out one unit once. The control: without the lock of the account they hand it out twice."""
    await two[0].furnish(a_package("single", allows(1)))
    with_lock = await race(two, "locked")
    monkeypatch.setitem(SQL, "lock_accounts", SQL["load_accounts"])
    without = await race(two, "free")

    assert with_lock == 0
    assert without > 0
