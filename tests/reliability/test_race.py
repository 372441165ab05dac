"""Of many who ask at once for the last units, exactly as many get one as there are."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.reliability.ledger import damage, read_lines
from tests.support.client import AdminClient
from tests.support.forge import Forge
from tests.support.server import KanaServer

ROUNDS = 50

Call = Callable[[AdminClient, str], Coroutine[Any, Any, dict[str, Any]]]


@pytest.fixture(scope="module")
def kana(forge: Forge) -> Any:
    """One server for all races; each round has a user of its own."""
    with KanaServer(forge=forge) as server:
        asyncio.run(_furnish(server))
        yield server


async def _furnish(server: KanaServer) -> None:
    async with AdminClient(server.address, server.private_key) as admin:
        await admin.furnish("basic", limit=0)
        for clients in (2, 8, 32, 128):
            await admin.package(f"for-{clients}", limit=_units(clients))
        await admin.package("one-more", limit=19, is_addon=True, combine="ADD")
        await admin.package("two-more", limit=23, is_addon=True, combine="ADD", resetPeriod="DAY")


def _units(clients: int) -> int:
    return max(1, clients // 3)


@pytest.fixture
async def crowd(kana: KanaServer) -> AsyncIterator[list[AdminClient]]:
    """128 callers, each with a connection of its own."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(AdminClient(kana.address, kana.private_key)) for _ in range(128)]


@pytest.mark.parametrize("clients", [2, 8, 32, 128])
async def test_the_last_units_go_to_exactly_as_many_as_there_are(
    kana: KanaServer, crowd: list[AdminClient], clients: int
) -> None:
    """N callers want one unit each of fewer than N: all units are granted and not one more, fifty times over."""
    granted = Counter[int]()
    told: set[int] = set()
    for number in range(ROUNDS):
        user = f"race-{clients}-{number}"
        await crowd[0].enrol(user, f"for-{clients}")
        answers = await asyncio.gather(*(client.record(user) for client in crowd[:clients]))
        granted[sum(answer["recorded"] for answer in answers)] += 1
        told.update(int(answer["id"]) for answer in answers)

    assert granted == {_units(clients): ROUNDS}
    mine = {line.id for line in read_lines(kana.database) if line.user_id.startswith(f"race-{clients}-")}
    assert mine == told
    assert damage(kana.database) == []


async def test_units_of_three_packages_that_add_up_go_to_exactly_as_many_as_there_are(
    kana: KanaServer, crowd: list[AdminClient]
) -> None:
    """128 callers want one or two units of 42 + 19 + 23: all of them are granted and not one more, fifty times over."""
    granted = Counter[int]()
    for number in range(ROUNDS):
        user = f"sum-{number}"
        await crowd[0].enrol(user, "for-128", "one-more", "two-more")
        answers = await asyncio.gather(
            *(client.record(user, delta=1 + place % 2) for place, client in enumerate(crowd))
        )
        granted[sum(1 + place % 2 for place, answer in enumerate(answers) if answer["recorded"])] += 1

    assert granted == {42 + 19 + 23: ROUNDS}
    assert damage(kana.database) == []


async def test_one_key_sent_by_many_counts_once(kana: KanaServer, crowd: list[AdminClient]) -> None:
    """32 callers with one key: one entry and 32 equal answers, of which 31 say that they are duplicates."""
    answers: list[list[dict[str, Any]]] = []
    for number in range(ROUNDS):
        await crowd[0].enrol(f"once-{number}", "for-128")
        calls = (client.record(f"once-{number}", delta=2, key="the-same") for client in crowd[:32])
        answers.append(await asyncio.gather(*calls))

    for given in answers:
        assert Counter(answer["duplicate"] for answer in given) == {False: 1, True: 31}
        assert {(answer["id"], answer["recorded"], answer["consumption"]["used"]) for answer in given} == {
            (given[0]["id"], True, 2)
        }
    entries = Counter(line.user_id for line in read_lines(kana.database) if line.user_id.startswith("once-"))
    assert entries == {f"once-{number}": 1 for number in range(ROUNDS)}


async def test_a_client_that_checks_and_then_writes_passes_the_limit(crowd: list[AdminClient]) -> None:
    """The control: deciding in the client, by a check and a SET of its own sum, grants more than there is."""

    async def check_then_set(client: AdminClient, user: str) -> bool:
        decision = await client.check(user)
        if decision["access"]:
            used = decision["consumption"]["used"]
            return bool((await client.record(user, delta=used + 1, action="SET"))["recorded"])
        return False

    granted = 0
    for number in range(5):
        await crowd[0].enrol(f"racy-{number}", "for-32")
        granted += sum(await asyncio.gather(*(check_then_set(client, f"racy-{number}") for client in crowd[:32])))

    assert granted > 5 * _units(32)
