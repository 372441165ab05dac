"""What was lost on its way back from PostgreSQL is found there, counts once, and is answered."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

import pytest

from kana.engine.usage.batch import Batch
from kana.errors import KanaError, OutcomeUnknown, Unavailable
from kana.model.usage import Receipt
from kana.store.postgres import PostgresStore
from kana.store.postgres.database import CommitLost
from kana.store.postgres.ledger import PostgresLedger
from kana.store.postgres.pool import Pool
from kana.store.sealing import UNSEALED, Seal
from tests.support.ledger import entries_of
from tests.support.postgres import Postgres
from tests.support.proxy import Fate, Proxy
from tests.support.stores import furnish_workspace
from tests.support.world import TEST, World, a_package, a_usage, allows

CALLS = 2000
CALLERS = 8
SHARE = 0.2
"""Of COMMITs whose connection is lost: half of them before PostgreSQL hears of it, half after it has answered."""

COMMIT = b"Q\x00\x00\x00\x0bcommit\x00"
PROMISE_S = 3.0
SLACK_S = 1.5
"""What a machine that does much else may take to run the test itself."""


def commits(share: float) -> Callable[[bytes], Fate]:
    """Lose so many of the COMMITs."""
    chance = random.Random(49)

    def fate(question: bytes) -> Fate:
        if question != COMMIT or chance.random() >= share:
            return Fate.PASS
        return chance.choice((Fate.LOSE_QUESTION, Fate.LOSE_ANSWER))

    return fate


@asynccontextmanager
async def behind_proxy(
    server: Postgres, kind: type[PostgresStore] = PostgresStore, *, users: int = CALLERS
) -> AsyncIterator[tuple[World, Proxy]]:
    """A world whose store reaches PostgreSQL through a proxy, which harms nothing yet; users are ``user-0`` and on."""
    url = server.create_database()
    async with Proxy(urlsplit(url).port or 5432) as proxy:
        parts = urlsplit(url)
        through = urlunsplit(parts._replace(netloc=f"{parts.username}@127.0.0.1:{proxy.port}"))
        store = await kind.open(through)
        await furnish_workspace(store)
        world = World(store)
        await world.furnish(a_package("basic", allows(None)))
        for number in range(users):
            await world.subscribed_user(f"user-{number}")
        yield world, proxy
        proxy.fate = lambda _: Fate.PASS
        proxy.release()
        await store.close()


async def test_a_commit_whose_answer_is_lost_counts_once(postgres_server: Postgres) -> None:
    """Of 2,000 calls one COMMIT in five loses its connection: each is answered, recorded once, and counts once."""
    async with behind_proxy(postgres_server) as (world, proxy):
        proxy.fate = commits(SHARE)
        asked_again = 0

        async def call(caller: int, number: int) -> Receipt:
            nonlocal asked_again
            while True:
                try:
                    usage = a_usage(user_id=f"user-{caller}", key=f"call-{number}")
                    return await world.usage.record(usage)
                except (Unavailable, OutcomeUnknown):
                    asked_again += 1

        async def caller(number: int) -> list[Receipt]:
            return [await call(number, call_number) for call_number in range(CALLS // CALLERS)]

        receipts = [receipt for told in await asyncio.gather(*map(caller, range(CALLERS))) for receipt in told]
        lost = [fate for fate in proxy.fates if fate is not Fate.PASS]
        proxy.fate = commits(0)
        entries = [entry for number in range(CALLERS) for entry in await entries_of(world.store, f"user-{number}")]
        used = [(await world.usage.check(TEST, f"user-{number}", "message")).consumption for number in range(CALLERS)]
        audit = await world.store.audits.audit()

    assert {Fate.LOSE_QUESTION, Fate.LOSE_ANSWER} == set(lost)
    assert len(lost) > 50
    assert asked_again < len(lost) / 4, "what was lost is found, or done again, mostly without the caller"
    assert {receipt.entry.id for receipt in receipts} == {entry.id for entry in entries}
    assert len(entries) == CALLS
    assert [consumption.used for consumption in used if consumption] == [CALLS // CALLERS] * CALLERS
    assert audit.drifts == ()


class ForgetfulLedger(PostgresLedger):
    """The control: takes a lost COMMIT for one that never was, and writes the batch again."""

    async def append(self, batch: Batch) -> None:
        for _ in range(100):
            try:
                await self._database.write(lambda connection: self._append(connection, batch))
                return
            except CommitLost:
                continue


class Forgetful(PostgresStore):
    """A store with such a ledger."""

    def __init__(self, pool: Pool, *, seal: Seal = UNSEALED, lanes: Sequence[int] | None = None) -> None:
        super().__init__(pool, seal=seal, lanes=lanes)
        self.ledger = ForgetfulLedger(self._database, self.catalogs)


async def test_writing_again_what_may_be_there_counts_twice(postgres_server: Postgres) -> None:
    """The control: without looking first, calls without a key count twice, and the count sees it."""
    async with behind_proxy(postgres_server, Forgetful, users=1) as (world, proxy):
        proxy.fate = commits(SHARE)
        for _ in range(100):
            await world.usage.record(a_usage(user_id="user-0"))
        proxy.fate = commits(0)
        decision = await world.usage.check(TEST, "user-0", "message")

    assert decision.consumption is not None
    assert decision.consumption.used > 100


async def test_a_call_without_a_key_is_told_the_truth(postgres_server: Postgres) -> None:
    """Without a key too: what is answered is recorded once, what is UNAVAILABLE was not recorded."""
    async with behind_proxy(postgres_server, users=1) as (world, proxy):
        proxy.fate = commits(SHARE)
        answered = 0
        for _ in range(200):
            try:
                await world.usage.record(a_usage(user_id="user-0"))
                answered += 1
            except Unavailable:
                pass
        proxy.fate = commits(0)
        decision = await world.usage.check(TEST, "user-0", "message")

    assert decision.consumption is not None
    assert 100 < answered <= 200
    assert decision.consumption.used == answered


@pytest.mark.parametrize("when", ["before", "in COMMIT"])
async def test_a_database_that_falls_silent_holds_nobody(postgres_server: Postgres, when: str) -> None:
    """Packets vanish: every call ends in time, and nothing is acknowledged that is not there. Then all goes on."""
    async with behind_proxy(postgres_server) as (world, proxy):
        loop = asyncio.get_running_loop()

        def hold_at_commit(question: bytes) -> Fate:
            if question == COMMIT:
                proxy.hold()
            return Fate.PASS

        if when == "before":
            proxy.hold()
        else:
            proxy.fate = hold_at_commit

        async def call(number: int) -> tuple[str, float]:
            started = loop.time()
            try:
                await world.usage.record(a_usage(user_id=f"user-{number % CALLERS}", key=f"silent-{number}"))
            except KanaError as error:
                return error.code, loop.time() - started
            return "OK", loop.time() - started

        calls = [asyncio.create_task(call(number)) for number in range(16)]
        await asyncio.sleep(0.5)
        calls += [asyncio.create_task(call(number)) for number in range(16, 32)]
        ended = await asyncio.gather(*calls)
        with pytest.raises(Unavailable):
            await world.store.probe()
        proxy.fate = lambda _: Fate.PASS
        proxy.release()
        receipts = [
            await world.usage.record(a_usage(user_id=f"user-{n % CALLERS}", key=f"silent-{n}")) for n in range(32)
        ]
        audit = await world.store.audits.audit()

    assert {code for code, _ in ended} <= {"UNAVAILABLE", "OUTCOME_UNKNOWN"}
    assert max(seconds for _, seconds in ended) < PROMISE_S + SLACK_S
    assert len({receipt.entry.id for receipt in receipts}) == audit.entries == 32
    assert audit.drifts == ()
