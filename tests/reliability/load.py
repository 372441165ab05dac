"""Clients that record usage as fast as they are answered, and remember what they were told."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta

from tests.reliability.ledger import Journal, Told
from tests.support.client import AdminClient, Refused
from tests.support.server import KanaServer

USERS = ("ada", "bo", "cy", "poor", "sum")
"""Three who may use much, one who soon runs into the limit, and one into that of all kinds of grants that add up."""

LARGER = 25
"""What the last one uses at once is so much larger, so that most of it is taken from several packages."""

ENROL = """mutation($id: String!, $packageIds: [String!]!, $startsAt: DateTime) {
  createUser(input: {id: $id}) { id } subscribe(userId: $id, packageIds: $packageIds, startsAt: $startsAt) { id }
}"""
GIVE = "mutation($input: CreateTopUpInput!) { createTopUp(input: $input) { id } }"

RETRYABLE = {"UNAVAILABLE", "OUTCOME_UNKNOWN", "RATE_LIMITED"}


async def furnish(server: KanaServer) -> None:
    """Create the feature, the packages and the users."""
    async with AdminClient(server.address, server.private_key) as admin:
        await admin.furnish("basic", limit=1_000_000)
        await admin.package("tiny", limit=50)
        await admin.package("yearly", limit=20, is_addon=True, combine="ADD", resetPeriod="YEAR")
        await admin.package("more", limit=30, is_addon=True, combine="ADD")
        await admin.package("rolling", limit=50, rollover={"limit": 40, "periods": 1})
        for user in USERS[:3]:
            await admin.enrol(user, "basic")
        await admin.enrol("poor", "tiny")
        await _enrol_with_everything(admin, "sum")


async def _enrol_with_everything(admin: AdminClient, user: str) -> None:
    """Three packages since the month before, which left some units, and a top-up."""
    since = (datetime.now(UTC) - timedelta(days=40)).isoformat()
    await admin.graphql(ENROL, id=user, packageIds=["rolling", "yearly", "more"], startsAt=since)
    await admin.graphql(GIVE, input={"userId": user, "featureId": "message", "amount": 25, "reason": "sold"})


class Load:
    """A number of clients against one server that may vanish at any moment.

    What a client with a key was not answered it asks again, with that key, when the server is back.
    ``refusals`` holds the codes of errors that clients were answered.
    """

    def __init__(self, server: KanaServer, *, clients: int = 8, seed: int = 1, keyed: float = 0.75) -> None:
        self._server = server
        self._clients = clients
        self._random = random.Random(seed)
        self._keyed = keyed
        self._numbers = itertools.count()
        self._open: list[Told] = []
        self.journal = Journal()
        self.retried = 0
        self.refusals: list[Refused] = []

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Event]:
        """Run the clients until the block ends; a client whose connection is lost stops by itself."""
        stop = asyncio.Event()
        async with AsyncExitStack() as stack:
            clients = [
                await stack.enter_async_context(AdminClient(self._server.address, self._server.private_key))
                for _ in range(self._clients)
            ]
            tasks = [asyncio.create_task(self._run(client, stop)) for client in clients]
            try:
                yield stop
            finally:
                stop.set()
                await asyncio.gather(*tasks)

    async def settle(self) -> None:
        """Ask again, with its key, what was not answered; afterwards every call with a key has its answer."""
        async with AdminClient(self._server.address, self._server.private_key) as client:
            while self._open:
                self.retried += 1
                await self._call(client, self._open.pop())

    async def repeat(self, calls: Sequence[Told]) -> list[dict[str, object]]:
        """Make calls again, and return the answers; nothing is noted."""
        async with AdminClient(self._server.address, self._server.private_key) as client:
            return [await client.record(call.user_id, delta=call.delta, key=call.key) for call in calls]

    async def _run(self, client: AdminClient, stop: asyncio.Event) -> None:
        while not stop.is_set():
            call = self._open.pop() if self._open else self._next()
            if not await self._call(client, call):
                return

    async def _call(self, client: AdminClient, call: Told) -> bool:
        """Make one call and note what became of it; return whether the connection still stands."""
        try:
            answer = await client.record(call.user_id, delta=call.delta, key=call.key)
        except Refused as refused:
            if refused.code not in RETRYABLE:
                raise
            self.refusals.append(refused)
            if call.key is not None:
                self._open.append(call)
            elif refused.code == "OUTCOME_UNKNOWN":
                self.journal.calls.append(call)
            await asyncio.sleep(0.002)
            return True
        except OSError:
            if call.key is not None:
                self._open.append(call)
            else:
                self.journal.calls.append(call)
            return False
        told = Told(user_id=call.user_id, delta=call.delta, key=call.key, answer=answer)
        self.journal.calls.append(told)
        return True

    def _next(self) -> Told:
        number = next(self._numbers)
        user_id = self._random.choice(USERS)
        return Told(
            user_id=user_id,
            delta=self._random.choice((1, 1, 2, 3, -1)) * (LARGER if user_id == "sum" else 1),
            key=f"call-{number}" if self._random.random() < self._keyed else None,
            answer=None,
        )
