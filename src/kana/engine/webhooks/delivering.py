"""Delivering notifications to the endpoints of webhooks, in the background of each process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

from kana.engine.notifications.notifications import KEPT
from kana.engine.ports.clock import Clock
from kana.engine.ports.webhooks import Claim, Sender, WebhookStore
from kana.engine.rounds import Rounds
from kana.errors import KanaError, WebhookNotFound
from kana.model.environment import Actor, Environment
from kana.model.webhook import WebhookEndpoint, signed_request

PAUSE_S = 1.0
"""Pause between two looks for what is to be sent."""

AT_ONCE = 4
"""How many notifications a process sends to one endpoint at the same time, each of another user."""

CLAIMED = timedelta(seconds=20)
"""How long nobody else sends what a process has claimed: longer than sending takes. If it is killed, others do then."""

PENDING_MAX = 10_000
"""About how many deliveries of an endpoint are open at a time. What comes after them stays in the notifications."""

ENDING_S = 5.0
"""How long a process that ends waits for the answers to what it has sent; then it is sent again by another."""

_FILLED_TOGETHER = 500
_FORGOTTEN_TOGETHER = 1000
_SERVER = Actor(kind="server", name="webhooks")

_log = logging.getLogger("kana.webhooks")


class Deliverer:
    """Sends to every endpoint what it is to get: at least once, and of each user in the order of the ids.

    Endpoints do not wait for each other. Several processes may deliver at the same time. ``chance`` returns a number
    from 0 to 1, which spreads the pauses between tries.
    """

    def __init__(self, store: WebhookStore, sender: Sender, *, clock: Clock, chance: Callable[[], float]) -> None:
        self._store = store
        self._sender = sender
        self._clock = clock
        self._chance = chance
        self._busy: dict[int, asyncio.Task[None]] = {}
        self._rounds = Rounds(self.deliver, doing="delivering webhooks", pause_s=PAUSE_S, log=_log)

    def wake(self) -> None:
        """Begin the next round now."""
        self._rounds.wake()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Deliver in the background while the block runs."""
        try:
            async with self._rounds.running():
                yield
        finally:
            await self.settled(timeout_s=ENDING_S)
            for task in self._busy.values():
                task.cancel()

    async def settled(self, *, timeout_s: float | None = None) -> None:
        """Wait until nothing is being sent that a round has begun to send, or for so long."""
        if self._busy:
            await asyncio.wait(self._busy.values(), timeout=timeout_s)

    async def deliver(self) -> None:
        """Begin to send to every endpoint what is due, unless that is under way; forget what is old.

        Raises:
            KanaError: the store cannot answer.
        """
        for environment in Environment:
            for endpoint in await self._store.endpoints(environment):
                if endpoint.is_enabled and endpoint.id not in self._busy:
                    self._busy[endpoint.id] = asyncio.create_task(self._serve(endpoint))
        await self._store.forget(before=self._clock() - KEPT, limit=_FORGOTTEN_TOGETHER)

    async def _serve(self, endpoint: WebhookEndpoint) -> None:
        """Send to one endpoint all that is due."""
        try:
            while not self._rounds.is_ending and await self._fill(endpoint):
                pass
            while not self._rounds.is_ending and await self._send_some(endpoint):
                pass
        except WebhookNotFound:
            pass  # It was deleted meanwhile.
        except KanaError as error:
            _log.warning("delivering to the webhook endpoint %s failed: %s", endpoint.id, error.message)
        except Exception:  # noqa: BLE001 - logged with its trace, and the next round tries again
            _log.exception("delivering to the webhook endpoint %s failed", endpoint.id)
        finally:
            del self._busy[endpoint.id]

    async def _fill(self, endpoint: WebhookEndpoint) -> bool:
        return await self._store.fill(endpoint, limit=_FILLED_TOGETHER, most=PENDING_MAX, now=self._clock())

    async def _send_some(self, endpoint: WebhookEndpoint) -> bool:
        """Send some of what is due to an endpoint; return whether there was anything."""
        now = self._clock()
        claims = await self._store.claim(endpoint, limit=AT_ONCE, until=now + CLAIMED, now=now)
        results = await asyncio.gather(*(self._send(claim) for claim in claims), return_exceptions=True)
        for result in results:
            if result is not None:
                raise result
        return bool(claims)

    async def _send(self, claim: Claim) -> None:
        request = signed_request(claim.endpoint, claim.notification, claim.secrets, now=self._clock())
        reply = await self._sender.send(request)
        now, chance = self._clock(), self._chance()
        await self._store.settle(
            claim.endpoint.environment,
            claim.delivery,
            (
                lambda endpoint: endpoint.after(reply, now=now),
                lambda delivery: delivery.after(reply, now=now, chance=chance),
            ),
            by=_SERVER,
            now=now,
        )
