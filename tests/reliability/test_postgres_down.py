"""PostgreSQL is killed, restarted and stopped under a real server, which goes on by itself and loses nothing."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from typing import Any

import pytest

from kana.model.text import key_digest
from tests.reliability.ledger import Journal, Line, line_faults, read_lines_of, told_faults
from tests.reliability.load import Load, furnish
from tests.support.client import AdminClient, Refused
from tests.support.forge import Forge
from tests.support.postgres import PostgresServer
from tests.support.server import KanaServer

KILLS = 10
DOWN_S = 10.0
PROMISE_S = 3.0
SLACK_S = 1.5
"""What a machine that does much else may take to run the test itself."""


@pytest.fixture
def kana_on_postgres(forge: Forge, own_postgres: PostgresServer) -> Iterator[KanaServer]:
    """A server on a PostgreSQL of this test's own."""
    with KanaServer(forge=forge, database_url=own_postgres.create_database("work")) as server:
        yield server


async def test_ten_kills_of_postgresql_lose_nothing_and_count_nothing_twice(
    kana_on_postgres: KanaServer, own_postgres: PostgresServer
) -> None:
    """Postmaster and backends are killed under load in turn; the server answers again by itself, at once.

    Each acknowledged entry stands in the ledger once. And the check that says so sees a line that is missing.
    """
    kana, postgres = kana_on_postgres, own_postgres
    await furnish(kana)
    moments = random.Random(3)
    load = Load(kana, seed=3)
    for number in range(KILLS):
        async with load.running():
            await asyncio.sleep(moments.uniform(0.2, 0.5))
            if number % 2:
                await asyncio.to_thread(postgres.kill_backends)
            else:
                postgres.kill()
            await asyncio.sleep(moments.uniform(0.0, 0.3))
        await asyncio.to_thread(postgres.start)
        await asyncio.to_thread(postgres._wait_until_it_answers)
        await _answers_again(kana)
    await load.settle()

    answered = [call for call in load.journal.acknowledged if call.key is not None][::50]
    repeated = await load.repeat(answered)
    audit = kana.kana("audit")
    lines = await read_lines_of(kana.database_url)

    assert repeated == [{**(call.answer or {}), "duplicate": True} for call in answered]
    assert audit.returncode == 0, audit.stdout
    assert load.refusals, "no kill met a call: the harness saw nothing"
    assert _faults(lines, load.journal) == []
    assert any(fault.startswith("lost") for fault in _faults(lines[:-20], load.journal))
    assert kana.terminate() == 0


async def test_postgresql_down_is_said_in_time_and_forgotten_at_once(
    kana_on_postgres: KanaServer, own_postgres: PostgresServer
) -> None:
    """Down for ten seconds: each call ends in time with UNAVAILABLE, and /readyz with 503; then all goes on."""
    kana = kana_on_postgres
    await furnish(kana)
    async with AdminClient(kana.address, kana.private_key) as client:
        own_postgres.stop()
        loop = asyncio.get_running_loop()
        until = loop.time() + DOWN_S
        said: list[tuple[Any, ...]] = []
        while loop.time() < until:
            async with asyncio.timeout(PROMISE_S + SLACK_S):
                recorded = await _code(client.record("ada", key="down"))
            async with asyncio.timeout(PROMISE_S + SLACK_S):
                checked = await _code(client.check("ada"))
            async with asyncio.timeout(PROMISE_S + SLACK_S):
                ready = await client.get("/readyz")
            said.append((recorded, checked, ready.status, (await client.get("/healthz")).status))
            await asyncio.sleep(0.25)

        own_postgres.start()
        await _answers_again(kana)
        again = await client.record("ada", key="down")

        assert set(said) == {("UNAVAILABLE", "UNAVAILABLE", 503, 200)}
        assert (again["recorded"], again["duplicate"], again["consumption"]["used"]) == (True, False, 2)
        assert (await client.get("/readyz")).status == 200


async def _code(call: Any) -> str:
    try:
        await call
    except Refused as refused:
        return refused.code
    return "OK"


async def _answers_again(kana: KanaServer) -> None:
    """Return when a call is answered, which must be soon."""
    async with asyncio.timeout(PROMISE_S + SLACK_S), AdminClient(kana.address, kana.private_key) as client:
        while await _code(client.record("ada", delta=1, key="again")) != "OK":  # noqa: ASYNC110 - it is another process that changes
            await asyncio.sleep(0.05)


def _faults(lines: list[Line], journal: Journal) -> list[str]:
    """What is wrong with a ledger, but for the calls by which the test saw that the server answers again."""
    told = {call.key for call in journal.calls}
    assert "again" not in told
    mine = [line for line in lines if line.user_id != "ada" or line.key != _AGAIN]
    return [*line_faults(lines), *told_faults(mine, journal)]


_AGAIN = key_digest("again")
