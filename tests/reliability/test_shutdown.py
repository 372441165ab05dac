"""A server that is asked to end answers what it has been asked, and only then ends, with 0."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import apsw
import httpx

from tests.reliability.ledger import faults, read_lines
from tests.reliability.load import Load, furnish
from tests.support.client import AdminClient
from tests.support.server import KanaServer


async def test_terminating_under_load_fails_nothing_that_was_acknowledged(kana: KanaServer) -> None:
    """Five times: it exits 0, says nothing more, and the next server has all that callers were told."""
    await furnish(kana)
    load = Load(kana, clients=16)
    for _ in range(5):
        async with load.running():
            await asyncio.sleep(0.2)
            assert await asyncio.to_thread(kana.terminate) == 0
        assert kana.output.splitlines()[-1].startswith("Kana listens on "), kana.output
        kana.start()
    await load.settle()

    assert load.refusals == []
    assert len(load.journal.acknowledged) > 100
    assert kana.kana("audit").returncode == 0
    assert faults(kana.database, load.journal) == []


async def test_what_is_in_flight_is_answered(kana: KanaServer) -> None:
    """32 calls wait for the disk when the signal comes: each gets its answer, and the process exits 0.

    The control: killed in the same state, it answers none of them.
    """
    await furnish(kana)
    assert await _end_while_waiting(kana, "terminate") == {True: 32}
    assert len(read_lines(kana.database)) == 32
    kana.start()
    assert await _end_while_waiting(kana, "kill") == {False: 32}
    assert len(read_lines(kana.database)) == 32


def test_a_stream_ends_with_the_server(kana: KanaServer) -> None:
    """The server ends it in good order, and ends itself with 0."""
    headers = {"Authorization": kana.private_key}
    with httpx.stream("GET", f"{kana.address}/v1/stream", headers=headers, timeout=30) as answer:
        chunks = answer.iter_bytes()
        assert next(chunks).startswith(b":")
        assert kana.terminate() == 0
        assert all(chunk.startswith(b":") for chunk in chunks)


async def _end_while_waiting(kana: KanaServer, how: str) -> dict[bool, int]:
    """End the server while its writer waits for a lock; return how many calls were answered and how many were not."""
    other = apsw.Connection(str(kana.database))
    async with AsyncExitStack() as stack:
        callers = [await stack.enter_async_context(AdminClient(kana.address, kana.private_key)) for _ in range(32)]
        await asyncio.gather(*(caller.check("ada") for caller in callers))
        other.execute("begin immediate")
        calls = [asyncio.create_task(caller.record("ada")) for caller in callers]
        await asyncio.sleep(0.3)  # All calls are read by now, and none can be answered.
        assert not any(call.done() for call in calls)
        ending = asyncio.create_task(asyncio.to_thread(getattr(kana, how)))
        await asyncio.sleep(0.3)
        other.execute("rollback")
        other.close()
        answers = await asyncio.gather(*calls, return_exceptions=True)
        code = await ending
    assert code in (0, None)
    answered = [isinstance(answer, dict) and answer["recorded"] for answer in answers]
    return {outcome: answered.count(outcome) for outcome in set(answered)}
