"""Asked for four times what it can serve, a server answers what it accepts and tells the rest to come back."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.reliability.ledger import line_faults, read_lines_of
from tests.support.client import AdminClient
from tests.support.forge import Forge
from tests.support.postgres import Postgres
from tests.support.server import KanaServer

CAPACITY = 16
CLIENTS = CAPACITY * 4
CALLS = 40
GROWTH_MAX_MB = 60

RECORD = """
mutation record($input: CreateUsageEventInput!) { recordUsage(input: $input) { recorded id } }
"""


Serve = Callable[[int], AbstractContextManager[KanaServer]]


@pytest.fixture(params=["sqlite", "postgres"])
def serve(request: pytest.FixtureRequest, forge: Forge) -> Serve:
    """Starts a server on a new database that takes so many requests at once."""
    postgres: Postgres | None = request.getfixturevalue("postgres_server") if request.param == "postgres" else None

    @contextmanager
    def start(requests_max: int) -> Iterator[KanaServer]:
        url = None if postgres is None else postgres.create_database()
        settings = {"KANA_REQUESTS_MAX": str(requests_max)}
        with KanaServer(forge=forge, database_url=url, settings=settings) as server:
            yield server

    return start


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


async def test_what_is_accepted_is_answered_and_the_rest_told_to_come_back(serve: Serve) -> None:
    """Each call ends in an answer or in 503 with Retry-After; the answered are kept, once; memory is bounded."""
    with serve(CAPACITY) as small:
        before = _megabytes(small.pid)
        statuses, told, advice = await _hammer(small)
        assert set(statuses) == {200, 503}
        assert statuses.total() == CLIENTS * CALLS
        assert set(advice) == {"1"}
        assert len(told) == statuses[200]
        assert _megabytes(small.pid) - before < GROWTH_MAX_MB
        lines = await read_lines_of(small.database_url)
        assert {str(line.id) for line in lines} == told
        assert list(line_faults(lines)) == []
        assert small.kana("audit").returncode == 0


async def test_a_server_with_room_turns_nobody_away(serve: Serve) -> None:
    """The control: the same crowd is served whole where it fits, so the refusals above are the bound's."""
    with serve(CLIENTS * 2) as large:
        statuses, told, _ = await _hammer(large)
    assert statuses == {200: CLIENTS * CALLS}
    assert len(told) == CLIENTS * CALLS
