"""Asked for four times what it can serve, a server answers what it accepts and tells the rest to come back."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reliability.ledger import damage, read_lines
from tests.support.client import AdminClient
from tests.support.forge import Forge
from tests.support.server import KanaServer

CAPACITY = 16
CLIENTS = CAPACITY * 4
CALLS = 40
GROWTH_MAX_MB = 60

RECORD = """
mutation record($input: CreateUsageEventInput!) { recordUsage(input: $input) { recorded id } }
"""


def _serve(forge: Forge, requests_max: int) -> Iterator[KanaServer]:
    with KanaServer(forge=forge, settings={"KANA_REQUESTS_MAX": str(requests_max)}) as server:
        yield server


@pytest.fixture
def small(forge: Forge) -> Iterator[KanaServer]:
    """A server that takes sixteen requests at once."""
    yield from _serve(forge, CAPACITY)


@pytest.fixture
def large(forge: Forge) -> Iterator[KanaServer]:
    """One that takes more than ever come."""
    yield from _serve(forge, CLIENTS * 2)


async def _hammer(server: KanaServer) -> tuple[Counter[int], set[str], Counter[str]]:
    """Have everybody call at once, again and again; return statuses, entries told of, and advice."""
    statuses, advice = Counter[int](), Counter[str]()
    told: set[str] = set()

    async def call(client: AdminClient, name: int) -> None:
        for number in range(CALLS):
            given = {"userId": "u", "featureId": "message", "idempotencyKey": f"{name}-{number}"}
            answer = await client.post(RECORD, {"input": given})
            statuses[answer.status] += 1
            if answer.status == 200:
                told.add(answer.json()["data"]["recordUsage"]["id"])
            else:
                advice[answer.headers.get("retry-after", "none")] += 1

    clients = [AdminClient(server.address, server.private_key) for _ in range(CLIENTS)]
    try:
        await clients[0].furnish("basic")
        await clients[0].enrol("u", "basic")
        await asyncio.gather(*(call(client, name) for name, client in enumerate(clients)))
    finally:
        for client in clients:
            await client.close()
    return statuses, told, advice


def _megabytes(pid: int) -> float:
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1000


async def test_what_is_accepted_is_answered_and_the_rest_told_to_come_back(small: KanaServer) -> None:
    """Each call ends in an answer or in 503 with Retry-After; the answered are kept, once; memory is bounded."""
    before = _megabytes(small.pid)
    statuses, told, advice = await _hammer(small)
    assert set(statuses) == {200, 503}
    assert statuses.total() == CLIENTS * CALLS
    assert set(advice) == {"1"}
    assert len(told) == statuses[200]
    assert _megabytes(small.pid) - before < GROWTH_MAX_MB
    lines = read_lines(small.database)
    assert {str(line.id) for line in lines} == told
    assert damage(small.database) == []


async def test_a_server_with_room_turns_nobody_away(large: KanaServer) -> None:
    """The control: the same crowd is served whole where it fits, so the refusals above are the bound's."""
    statuses, told, _ = await _hammer(large)
    assert statuses == {200: CLIENTS * CALLS}
    assert len(told) == CLIENTS * CALLS
