"""Units that are set aside, by many at once and by callers whose server is killed under them."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest

from tests.reliability.holds import CONSUME, OPEN, RESERVE, Holding, furnish, lines
from tests.support.client import AdminClient
from tests.support.forge import Forge
from tests.support.postgres import Postgres
from tests.support.server import KanaServer

ROUNDS = 10
KILLS = 60


@pytest.fixture(params=["sqlite", "postgres"])
def kana_on_each(request: pytest.FixtureRequest, forge: Forge, postgres_server: Postgres) -> Iterator[KanaServer]:
    """A server of this test's own, on each database."""
    url = None if request.param == "sqlite" else postgres_server.create_database()
    with KanaServer(forge=forge, database_url=url) as server:
        yield server


async def crowd(server: KanaServer, stack: AsyncExitStack, size: int) -> list[AdminClient]:
    """So many callers, each with a connection of its own."""
    return [await stack.enter_async_context(AdminClient(server.address, server.private_key)) for _ in range(size)]


async def test_twenty_holds_of_75_on_500_units_grant_exactly_six(kana_on_each: KanaServer) -> None:
    """In every round, all at once; the rest is refused, and what is left is there for a usage."""
    await furnish(kana_on_each, message=500)
    granted = Counter[int]()
    async with AsyncExitStack() as stack:
        callers = await crowd(kana_on_each, stack, 20)
        for number in range(ROUNDS):
            user = f"user-{number}"
            await callers[0].enrol(user)
            wanted = {"userId": user, "lines": lines(message=75)}
            answers = await asyncio.gather(*(each.graphql(RESERVE, input=wanted) for each in callers))
            granted[sum(answer["reserve"]["granted"] for answer in answers)] += 1
            assert (await callers[0].record(user, delta=51))["recorded"] is False
            assert (await callers[0].record(user, delta=50))["recorded"] is True
    assert granted == {6: ROUNDS}


async def test_never_one_feature_without_the_other(kana_on_each: KanaServer) -> None:
    """128 callers take two features, of which one is nearly empty: as many of the one as of the other."""
    await furnish(kana_on_each, message=1000, rare=17)
    async with AsyncExitStack() as stack:
        callers = await crowd(kana_on_each, stack, 128)
        for number in range(ROUNDS // 2):
            user = f"user-{number}"
            await callers[0].enrol(user)
            wanted = {"userId": user, "lines": lines(message=2, rare=1)}
            answers = [
                answer["consume"]
                for answer in await asyncio.gather(*(each.graphql(CONSUME, input=wanted) for each in callers))
            ]
            assert Counter(answer["granted"] for answer in answers) == {True: 17, False: 111}
            refused = {tuple(line["outcome"] for line in each["lines"]) for each in answers if not each["granted"]}
            assert refused == {("OTHER_LINE_REFUSED", "LIMIT_EXCEEDED")}
            used = [(await callers[0].check(user, name))["consumption"]["used"] for name in ("message", "rare")]
            assert used == [34, 17]


async def test_callers_that_take_one_after_the_other_take_one_without_the_other(kana: KanaServer) -> None:
    """The control: two calls instead of one decision leave the first feature used without the second."""
    await furnish(kana, message=1000, rare=3)
    async with AsyncExitStack() as stack:
        callers = await crowd(kana, stack, 16)
        await callers[0].enrol("ada")

        async def both(client: AdminClient) -> None:
            await client.record("ada", "message")
            await client.record("ada", "rare")

        await asyncio.gather(*map(both, callers))
        used = [(await callers[0].check("ada", name))["consumption"]["used"] for name in ("message", "rare")]
    assert used[0] > used[1]


async def test_sixty_kills_leave_nothing_held_and_count_nothing_twice(kana: KanaServer) -> None:
    """What was settled is used, once; what nobody settles is let go at its end; every total is the sum of its lines."""
    await furnish(kana, token=1_000_000, request=1_000_000)
    async with AdminClient(kana.address, kana.private_key) as admin:
        await admin.enrol("ada")
    holding, moments, stop = Holding(kana, seed=60), random.Random(60), asyncio.Event()
    callers = asyncio.create_task(holding.run(stop))
    for _ in range(KILLS):
        await asyncio.sleep(moments.uniform(0.15, 0.4))
        kana.kill()
        kana.start()
    stop.set()
    await callers
    assert holding.asked_again > 0, "no kill met a call: the harness saw nothing"
    assert holding.abandoned > 0
    await asyncio.sleep(holding.ttl_s + 0.1)
    async with AdminClient(kana.address, kana.private_key) as admin:
        used = [(await admin.check("ada", name))["consumption"]["used"] for name in ("token", "request")]
        assert used == [sum(holding.granted.values()), len(holding.granted)]
        found = (await admin.graphql(OPEN, userId="ada"))["reservations"]
        assert {each["status"] for each in found} <= {"SETTLED", "ENDED"}
        assert {line["held"] for each in found for line in each["lines"]} == {0}
        assert (await admin.record("ada", "token", delta=1_000_000 - used[0]))["recorded"] is True
    audit = kana.kana("audit")
    assert audit.returncode == 0, audit.stdout
