"""Webhooks: the addresses that notifications are sent to, and what was delivered to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from starlette.responses import Response

from kana.dashboard.confirmation import ask
from kana.dashboard.context import Context
from kana.dashboard.forms import Errors
from kana.dashboard.page_request import PageRequest
from kana.dashboard.route import get, post
from kana.errors import BadInput, WebhookNotFound
from kana.model.colleague import Role
from kana.model.notification import NotificationType
from kana.model.text import shown
from kana.model.webhook import DeliveryState, WebhookDelivery, WebhookEndpoint

_PAGE = 50
_LIST = "/developer/webhooks"
_SPANS = {"1": "hour", "24": "day", "168": "7 days", "720": "30 days"}


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhooksPage(Context):
    """The endpoints, and the form for another one. ``secret`` is a new one of ``made``, shown once."""

    template = "webhooks.html"
    endpoints: Sequence[WebhookEndpoint]
    url: str = ""
    chosen: Sequence[str] = ()
    types: tuple[NotificationType, ...] = tuple(NotificationType)
    made: WebhookEndpoint | None = None
    secret: str = ""
    errors: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookPage(Context):
    """One endpoint with its deliveries, the newest first. ``next`` is the id that the next page begins after, or ""."""

    template = "webhook.html"
    endpoint: WebhookEndpoint
    deliveries: Sequence[WebhookDelivery]
    state: str
    next: str
    states: tuple[DeliveryState, ...] = tuple(DeliveryState)
    spans: dict[str, str] = field(default_factory=lambda: _SPANS)


async def show_webhooks(request: PageRequest) -> Response:
    """List the endpoints."""
    return request.show(WebhooksPage(endpoints=await request.engine.webhooks.endpoints(request.environment)))


async def create_webhook(request: PageRequest) -> Response:
    """Create an endpoint, and show its secret this once."""
    url, chosen, errors = request.text("url"), request.all("type"), Errors()
    try:
        made = await request.engine.webhooks.create_endpoint(
            request.environment, url=url, types=chosen, by=request.actor
        )
    except BadInput as error:
        errors.take(error)
        endpoints = await request.engine.webhooks.endpoints(request.environment)
        page = WebhooksPage(endpoints=endpoints, url=url, chosen=chosen, errors=errors.by_field)
        return request.show(page, status=400)
    return await _show_secret(request, *made)


async def rotate_secret(request: PageRequest) -> Response:
    """Give an endpoint a new secret, and show it this once."""
    rotated = await request.engine.webhooks.rotate_secret(request.environment, request.id, by=request.actor)
    return await _show_secret(request, *rotated)


async def switch_webhook(request: PageRequest) -> Response:
    """Enable or disable an endpoint."""
    is_enabled = request.text("enable") == "yes"
    await request.engine.webhooks.update_endpoint(
        request.environment, request.id, {"is_enabled": is_enabled}, by=request.actor
    )
    said = "It is enabled, and goes on where it stopped." if is_enabled else "Nothing more is sent to it."
    return request.go("/developer/webhook", said=said, id=request.id)


async def show_delete_webhook(request: PageRequest) -> Response:
    """Ask whether to delete an endpoint."""
    endpoint = await _endpoint(request)
    return ask(
        request,
        "Delete this endpoint?",
        f"Nothing more is sent to {endpoint.url}. This cannot be undone.",
        action=request.url("/developer/webhook/delete", id=endpoint.id),
        button="Delete",
        back=request.url("/developer/webhook", id=endpoint.id),
    )


async def delete_webhook(request: PageRequest) -> Response:
    """Delete an endpoint."""
    deleted = await request.engine.webhooks.delete_endpoint(request.environment, request.id, by=request.actor)
    return request.go(_LIST, said=f"{deleted.url} was deleted.")


async def show_webhook(request: PageRequest) -> Response:
    """Show an endpoint and a page of its deliveries."""
    endpoint, state = await _endpoint(request), request.asked("state")
    found = await request.engine.webhooks.deliveries(
        request.environment,
        request.id,
        state=DeliveryState(state) if state in list(DeliveryState) else None,
        first=_PAGE + 1,
        after=request.asked("after") or None,
    )
    is_more = len(found) > _PAGE
    page = WebhookPage(
        endpoint=endpoint,
        deliveries=found[:_PAGE],
        state=state,
        next=str(found[_PAGE - 1].notification_id) if is_more else "",
    )
    return request.show(page)


async def resend(request: PageRequest) -> Response:
    """Send a notification again."""
    await request.engine.webhooks.resend(request.environment, request.id, request.text("notification"))
    return request.go("/developer/webhook", said="It is sent again now.", id=request.id)


async def replay(request: PageRequest) -> Response:
    """Send again what happened in the last hours."""
    hours = request.text("hours")
    if hours not in _SPANS:
        raise BadInput(f"hours must be one of {', '.join(_SPANS)}, got {shown(hours)}")
    since = request.engine.clock() - timedelta(hours=int(hours))
    await request.engine.webhooks.replay(request.environment, request.id, since=since)
    return request.go(
        "/developer/webhook", said=f"What happened in the last {_SPANS[hours]} is sent again.", id=request.id
    )


async def _show_secret(request: PageRequest, endpoint: WebhookEndpoint, secret: str) -> Response:
    endpoints = await request.engine.webhooks.endpoints(request.environment)
    return request.show(WebhooksPage(endpoints=endpoints, made=endpoint, secret=secret))


async def _endpoint(request: PageRequest) -> WebhookEndpoint:
    """Return the endpoint that the address names.

    Raises:
        WebhookNotFound: there is none.
    """
    for each in await request.engine.webhooks.endpoints(request.environment):
        if str(each.id) == request.id:
            return each
    raise WebhookNotFound(f"Webhook endpoint not found: {shown(request.id)}")


ROUTES = (
    get(_LIST, show_webhooks),
    post(_LIST, create_webhook, needs=Role.OWNER),
    get("/developer/webhook", show_webhook),
    post("/developer/webhook/rotate", rotate_secret, needs=Role.OWNER),
    post("/developer/webhook/switch", switch_webhook, needs=Role.OWNER),
    get("/developer/webhook/delete", show_delete_webhook, needs=Role.OWNER),
    post("/developer/webhook/delete", delete_webhook, needs=Role.OWNER),
    post("/developer/webhook/resend", resend),
    post("/developer/webhook/replay", replay),
)
