"""Managing the endpoints of webhooks, and what was delivered to them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypedDict

from kana.engine.ids import IdMaker
from kana.engine.ports.clock import Clock
from kana.engine.ports.webhooks import Sender, WebhookStore
from kana.errors import InvalidValue, WebhookNotFound
from kana.model.environment import Actor, Environment
from kana.model.page import page_size
from kana.model.text import NUMBER_MAX, number_in, published_number, shown
from kana.model.webhook import (
    ENDPOINTS_MAX,
    OVERLAP,
    SECRET_BYTES,
    DeliveryState,
    WebhookDelivery,
    WebhookEndpoint,
    notification_types,
    secret_text,
)

PAGE = 100
"""How many deliveries a call returns by default."""

PAGE_MAX = 1000
"""Most deliveries that a call returns."""

_BY_CALL = "Somebody disabled it."


class EndpointChanges(TypedDict, total=False):
    """The fields of an endpoint that may change. A field that is left out stays."""

    url: str
    types: Sequence[str]
    is_enabled: bool


class WebhookEngine:
    """Manages endpoints. ``on_change`` is called when there may be something to send."""

    def __init__(
        self, store: WebhookStore, sender: Sender, *, clock: Clock, ids: IdMaker, on_change: Callable[[], None]
    ) -> None:
        self._store = store
        self._sender = sender
        self._clock = clock
        self._ids = ids
        self._on_change = on_change

    async def endpoints(self, environment: Environment) -> Sequence[WebhookEndpoint]:
        """Return all endpoints, the oldest first."""
        return await self._store.endpoints(environment)

    async def create_endpoint(
        self, environment: Environment, *, url: str, types: Sequence[str] = (), by: Actor
    ) -> tuple[WebhookEndpoint, str]:
        """Create an endpoint, which gets what is notified from now on; return it and its secret.

        The secret is never told again. No ``types`` are all.

        Raises:
            InvalidValue: the address cannot be one, or is not public, or a type is not one.
            Conflict: there are 20 endpoints already.
        """
        wanted, now, secret = notification_types(types), self._clock(), _new_secret()
        endpoint = WebhookEndpoint(
            environment=environment,
            id=self._ids(),
            url=await self._sender.checked(url),
            types=wanted,
            created_at=now,
        )
        added = await self._store.add_endpoint(endpoint, secret, most=ENDPOINTS_MAX, by=by, now=now)
        return added, secret_text(secret)

    async def update_endpoint(
        self, environment: Environment, endpoint_id: str, changes: EndpointChanges, *, by: Actor
    ) -> WebhookEndpoint:
        """Change an endpoint. One that is enabled again goes on where it stopped, as far as 30 days back.

        Raises:
            WebhookNotFound: there is none.
            InvalidValue: a value is not allowed.
        """
        now = self._clock()
        url = await self._sender.checked(changes["url"]) if "url" in changes else None
        types = notification_types(changes["types"]) if "types" in changes else None
        enable = changes.get("is_enabled")

        def change(old: WebhookEndpoint) -> WebhookEndpoint:
            new = replace(old, url=url or old.url, types=old.types if types is None else types)
            if enable is None:
                return new
            return new.enabled() if enable else new.disabled(_BY_CALL, now=now)

        changed = await self._store.change_endpoint(environment, _number(endpoint_id), change, by=by, now=now)
        self._on_change()
        return changed

    async def delete_endpoint(self, environment: Environment, endpoint_id: str, *, by: Actor) -> WebhookEndpoint:
        """Delete an endpoint: nothing more is sent to it.

        Raises:
            WebhookNotFound: there is none.
        """
        return await self._store.remove_endpoint(environment, _number(endpoint_id), by=by, now=self._clock())

    async def rotate_secret(
        self, environment: Environment, endpoint_id: str, *, by: Actor
    ) -> tuple[WebhookEndpoint, str]:
        """Return an endpoint with a new secret, and the secret. The one before it signs too for 24 hours.

        Raises:
            WebhookNotFound: there is none.
        """
        now, secret = self._clock(), _new_secret()
        endpoint = await self._store.rotate_secret(
            environment, _number(endpoint_id), secret, until=now + OVERLAP, by=by, now=now
        )
        return endpoint, secret_text(secret)

    async def deliveries(
        self,
        environment: Environment,
        endpoint_id: str,
        *,
        state: DeliveryState | None = None,
        first: int = PAGE,
        after: str | None = None,
    ) -> Sequence[WebhookDelivery]:
        """Return what was sent or is to be sent to an endpoint, the newest first, or after the one of a notification.

        Raises:
            WebhookNotFound: there is no such endpoint.
            InvalidValue: ``first`` is not 1 to 1,000, or ``after`` cannot be an id.
        """
        before = NUMBER_MAX if after is None else number_in(after)
        if before is None:
            raise InvalidValue(f"after must be the id of a notification, got {shown(after)}", field="after")
        number, limit = _number(endpoint_id), page_size(first, most=PAGE_MAX)
        return await self._store.deliveries(environment, number, state=state, before=before, limit=limit)

    async def resend(self, environment: Environment, endpoint_id: str, notification_id: str) -> WebhookDelivery:
        """Send a notification to an endpoint again, now; one that waits for an earlier one of its user still does.

        Raises:
            WebhookNotFound: there is no such endpoint, or the notification was never to be sent to it.
        """
        number = published_number(notification_id, WebhookNotFound, "Webhook delivery")
        delivery = await self._store.resend(environment, _number(endpoint_id), number, now=self._clock())
        self._on_change()
        return delivery

    async def replay(self, environment: Environment, endpoint_id: str, *, since: datetime) -> WebhookEndpoint:
        """Send everything that happened since a time to an endpoint again, as far as 30 days back; return the endpoint.

        Raises:
            WebhookNotFound: there is none.
        """
        endpoint = await self._store.replay(environment, _number(endpoint_id), since=since)
        self._on_change()
        return endpoint


def _number(endpoint_id: str) -> int:
    return published_number(endpoint_id, WebhookNotFound, "Webhook endpoint")


def _new_secret() -> bytes:
    return secrets.token_bytes(SECRET_BYTES)
