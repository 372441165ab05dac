"""The resolvers of webhooks: endpoints, and what was delivered to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from ariadne import MutationType, QueryType

from kana.api.admin.context import Info
from kana.api.admin.inputs import Input, given_id
from kana.engine.turns import in_turns
from kana.engine.webhooks.webhooks import EndpointChanges
from kana.model.webhook import Attempt, DeliveryState, WebhookDelivery, WebhookEndpoint

query = QueryType()
mutation = MutationType()


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEndpointView:
    """An endpoint as the API returns it."""

    id: str
    url: str
    types: Sequence[str]
    is_enabled: bool
    disabled_at: datetime | None
    disabled_because: str | None
    failures: int
    created_at: datetime
    secret: str | None
    previous_secret_ends_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookDeliveryView:
    """A delivery as the API returns it."""

    endpoint_id: str
    notification_id: str
    type: str
    occurred_at: datetime
    state: DeliveryState
    next_at: datetime | None
    attempts: Sequence[Attempt]


@query.field("webhookEndpoints")
async def webhook_endpoints(_root: object, info: Info) -> list[WebhookEndpointView]:
    """Return all endpoints."""
    found = await info.context.engine.webhooks.endpoints(info.context.environment)
    return [_endpoint(each) for each in found]


@query.field("webhookDeliveries")
async def webhook_deliveries(
    _root: object,
    info: Info,
    *,
    endpoint_id: str,
    first: int,
    state: DeliveryState | None = None,
    after: str | None = None,
) -> list[WebhookDeliveryView]:
    """Return deliveries of an endpoint, the newest first."""
    context, id_ = info.context, _id(endpoint_id)
    found = await context.engine.webhooks.deliveries(context.environment, id_, state=state, first=first, after=after)
    return await in_turns(found, _delivery)


@mutation.field("createWebhookEndpoint")
async def create_webhook_endpoint(_root: object, info: Info, *, input: Input) -> WebhookEndpointView:  # noqa: A002
    """Create an endpoint."""
    context = info.context
    endpoint, secret = await context.engine.webhooks.create_endpoint(
        context.environment, url=input["url"], types=input.get("types") or (), by=context.actor
    )
    return _endpoint(endpoint, secret)


@mutation.field("updateWebhookEndpoint")
async def update_webhook_endpoint(_root: object, info: Info, *, id: str, input: Input) -> WebhookEndpointView:  # noqa: A002
    """Change an endpoint."""
    context = info.context
    changes = cast("EndpointChanges", {name: value for name, value in input.items() if value is not None})
    endpoint = await context.engine.webhooks.update_endpoint(
        context.environment, given_id(id), changes, by=context.actor
    )
    return _endpoint(endpoint)


@mutation.field("deleteWebhookEndpoint")
async def delete_webhook_endpoint(_root: object, info: Info, *, id: str) -> WebhookEndpointView:  # noqa: A002
    """Delete an endpoint."""
    context = info.context
    deleted = await context.engine.webhooks.delete_endpoint(context.environment, given_id(id), by=context.actor)
    return _endpoint(deleted)


@mutation.field("rotateWebhookSecret")
async def rotate_webhook_secret(_root: object, info: Info, *, id: str) -> WebhookEndpointView:  # noqa: A002
    """Give an endpoint a new secret."""
    context = info.context
    rotated = await context.engine.webhooks.rotate_secret(context.environment, given_id(id), by=context.actor)
    return _endpoint(*rotated)


@mutation.field("resendWebhook")
async def resend_webhook(_root: object, info: Info, *, endpoint_id: str, notification_id: str) -> WebhookDeliveryView:
    """Send a notification again."""
    context, number = info.context, given_id(notification_id, field="notificationId")
    return _delivery(await context.engine.webhooks.resend(context.environment, _id(endpoint_id), number))


@mutation.field("replayWebhooks")
async def replay_webhooks(_root: object, info: Info, **given: Any) -> WebhookEndpointView:
    """Send again what happened since a time. The arguments are a mapping, because `from` cannot be a name in Python."""
    context, id_ = info.context, _id(given["endpoint_id"])
    return _endpoint(await context.engine.webhooks.replay(context.environment, id_, since=given["from"]))


def _id(endpoint_id: str) -> str:
    return given_id(endpoint_id, field="endpointId")


def _endpoint(endpoint: WebhookEndpoint, secret: str | None = None) -> WebhookEndpointView:
    return WebhookEndpointView(
        id=str(endpoint.id),
        url=endpoint.url,
        types=endpoint.types,
        is_enabled=endpoint.is_enabled,
        disabled_at=endpoint.disabled_at,
        disabled_because=endpoint.disabled_because,
        failures=endpoint.failures,
        created_at=endpoint.created_at,
        secret=secret,
        previous_secret_ends_at=endpoint.previous_secret_ends_at,
    )


def _delivery(delivery: WebhookDelivery) -> WebhookDeliveryView:
    return WebhookDeliveryView(
        endpoint_id=str(delivery.endpoint_id),
        notification_id=str(delivery.notification_id),
        type=delivery.type,
        occurred_at=delivery.occurred_at,
        state=delivery.state,
        next_at=delivery.next_at,
        attempts=delivery.attempts,
    )
