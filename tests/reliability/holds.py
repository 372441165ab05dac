"""Callers that set units aside and settle them, over HTTP, and remember what they were told."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any

from tests.support.client import FEATURE, AdminClient, Refused
from tests.support.server import KanaServer

CONSUME = "mutation($input: ConsumeInput!) { consume(input: $input) { granted lines { outcome } } }"
RESERVE = "mutation($input: ReserveInput!) { reserve(input: $input) { granted reservation { id } } }"
SETTLE = """mutation($id: String!, $lines: [LineInput!]!, $key: String) {
  settleReservation(id: $id, lines: $lines, idempotencyKey: $key) { granted reason reservation { status } }
}"""
OPEN = "query($userId: String!) { reservations(userId: $userId, first: 1000) { status lines { held } } }"
PACKAGE = """mutation($input: CreatePackageInput!, $id: String!) {
  createPackage(input: $input) { id } publishPackage(id: $id) { status }
}"""
RETRYABLE = {"UNAVAILABLE", "OUTCOME_UNKNOWN", "RATE_LIMITED"}


def lines(**units: int) -> list[dict[str, Any]]:
    """The lines of so many units of each feature."""
    return [{"featureId": name, "units": number} for name, number in units.items()]


async def furnish(server: KanaServer, **limits: int) -> None:
    """Create a feature for each limit, and a package that holds them."""
    async with AdminClient(server.address, server.private_key) as admin:
        for name in limits:
            await admin.graphql(FEATURE, input={"id": name, "type": "CONSUMABLE"})
        held = [{"id": name, "entitlement": {"limit": limit}} for name, limit in limits.items()]
        await admin.graphql(PACKAGE, input={"id": "basic", "features": held}, id="basic")


@dataclass
class Holding:
    """Callers against a server that may vanish at any moment: each sets aside, and settles some of it.

    What was not answered is asked again with its key when the server is back, so each call counts once or not at all.
    """

    server: KanaServer
    seed: int
    callers: int = 4
    ttl_s: int = 1
    granted: dict[str, int] = field(default_factory=dict)
    """What was settled, by its key."""
    abandoned: int = 0
    """How many reservations nobody settles."""
    asked_again: int = 0

    async def run(self, until: asyncio.Event) -> None:
        """Run the callers until they are told to stop and have finished what they began."""
        await asyncio.gather(*(self._call(number, until) for number in range(self.callers)))

    async def _call(self, caller: int, until: asyncio.Event) -> None:
        chance, number = random.Random(f"{self.seed} {caller}"), 0
        async with AdminClient(self.server.address, self.server.private_key) as client:
            while not until.is_set():
                number += 1
                key = f"{self.seed}-{caller}-{number}"
                wanted = {"userId": "ada", "lines": lines(token=50, request=1), "ttlSeconds": self.ttl_s}
                held = (await self._answered(client, RESERVE, input={**wanted, "idempotencyKey": f"r-{key}"}))[
                    "reserve"
                ]
                if not held["granted"] or chance.random() < 0.2:
                    self.abandoned += held["granted"]
                    continue
                used = lines(token=chance.randint(0, 50), request=1)
                answer = await self._answered(client, SETTLE, id=held["reservation"]["id"], lines=used, key=f"s-{key}")
                if answer["settleReservation"]["granted"]:
                    self.granted[key] = used[0]["units"]

    async def _answered(self, client: AdminClient, query: str, **variables: Any) -> Any:
        """Ask until there is an answer, each time with the same key."""
        while True:
            try:
                return await client.graphql(query, **variables)
            except Refused as refused:
                if refused.code not in RETRYABLE:
                    raise
            except OSError:
                await client.close()
            self.asked_again += 1
            await asyncio.sleep(0.02)
