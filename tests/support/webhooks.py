"""A sender of webhooks that sends nothing: it notes requests, and answers as a test says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from kana.errors import InvalidValue
from kana.model.webhook import Reply, WebhookRequest, webhook_url
from tests.support.world import World

URL = "https://receiver.example/hooks"
GOOD, BAD = Reply(status=204), Reply(status=500, body="out of order")


@dataclass
class NotedSender:
    """Notes what is sent. ``answer`` says what comes of a request, good by default."""

    answer: Callable[[WebhookRequest], Reply] = lambda _: GOOD
    sent: list[WebhookRequest] = field(default_factory=list)
    began: asyncio.Event = field(default_factory=asyncio.Event)

    async def checked(self, url: str) -> str:
        if "private" in url:
            raise InvalidValue("url must lead to a public address", field="url")
        return webhook_url(url, private_allowed=False)

    async def send(self, request: WebhookRequest) -> Reply:
        self.sent.append(request)
        self.began.set()
        return self.answer(request)

    def told(self) -> list[tuple[str, str | None]]:
        """What was sent since this was asked last: the type and the user."""
        found = [(body["type"], body["data"]["userId"]) for body in map(body_of, self.sent)]
        self.sent.clear()
        return found


def body_of(request: WebhookRequest) -> Any:
    """What a request says."""
    return json.loads(request.body)


async def deliver(world: World) -> None:
    """Send all that is due."""
    await world.engine.deliverer.deliver()
    await world.engine.deliverer.settled()
