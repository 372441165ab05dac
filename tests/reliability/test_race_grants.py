"""Of many who ask at once for what several grants have left, exactly as many get some as there is in all of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest

from tests.support.client import AdminClient
from tests.support.forge import Forge
from tests.support.postgres import Postgres
from tests.support.server import KanaServer

ROUNDS = 50
CLIENTS = 128
PACKAGE, TOP_UP, ADDON = 42, 19, 23
GIVE = """mutation($input: CreateTopUpInput!) { createTopUp(input: $input) { id } }"""
LEDGER = """query($userId: String!) {
  entries(userId: $userId, first: 500) { postings { change } }
}"""


@pytest.fixture(params=["sqlite", "postgres"])
def kana(request: pytest.FixtureRequest, forge: Forge, postgres_server: Postgres) -> Iterator[KanaServer]:
    """A server of this test's own, on each database."""
    url = None if request.param == "sqlite" else postgres_server.create_database()
    with KanaServer(forge=forge, database_url=url) as server:
        yield server


@pytest.fixture
async def crowd(kana: KanaServer) -> AsyncIterator[list[AdminClient]]:
    """So many callers, each with a connection of its own, of packages and an add-on that adds up with them."""
    async with AsyncExitStack() as stack:
        callers = [await stack.enter_async_context(AdminClient(kana.address, kana.private_key)) for _ in range(CLIENTS)]
        await callers[0].furnish("basic", limit=PACKAGE)
        await callers[0].package("more", limit=ADDON, is_addon=True, combine="ADD", resetPeriod="YEAR")
        yield callers


async def enrol(admin: AdminClient, user: str) -> None:
    await admin.enrol(user, "basic", "more")
    given = {"userId": user, "featureId": "message", "amount": TOP_UP, "reason": "sold"}
    await admin.graphql(GIVE, input=given)


@pytest.mark.timeout(900)
async def test_units_of_a_package_a_top_up_and_an_addon_go_to_exactly_as_many_as_there_are(
    kana: KanaServer, crowd: list[AdminClient]
) -> None:
    """128 callers want one or two units of 42 + 19 + 23: all of them are granted and not one more, in every round."""
    granted, split = Counter[int](), 0
    for number in range(ROUNDS):
        user = f"user-{number}"
        await enrol(crowd[0], user)
        answers = await asyncio.gather(
            *(client.record(user, delta=1 + place % 2) for place, client in enumerate(crowd))
        )
        granted[sum(1 + place % 2 for place, answer in enumerate(answers) if answer["recorded"])] += 1
        entries = (await crowd[0].graphql(LEDGER, userId=user))["entries"]
        assert len(entries) == CLIENTS
        assert sum(posting["change"] for each in entries for posting in each["postings"]) == PACKAGE + TOP_UP + ADDON
        split += sum(len(each["postings"]) > 1 for each in entries)
    assert granted == {PACKAGE + TOP_UP + ADDON: ROUNDS}
    assert split > 0, "nothing was taken from two grants at once"
    audit = kana.kana("audit")
    assert audit.returncode == 0, audit.stdout


async def test_callers_that_look_first_and_then_set_pass_the_sum(crowd: list[AdminClient]) -> None:
    """The control: deciding in the client, by what a check says is left, grants more than there is."""

    async def look_then_set(client: AdminClient) -> int:
        found = (await client.check("ada", delta=2))["consumption"]
        if found["used"] + 2 > found["budget"]:
            return 0
        answer = await client.record("ada", delta=found["used"] + 2, action="SET")
        return 2 if answer["recorded"] else 0

    await enrol(crowd[0], "ada")
    assert sum(await asyncio.gather(*map(look_then_set, crowd))) > PACKAGE + TOP_UP + ADDON
