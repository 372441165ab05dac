from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from kana.sdk.conversation import Steps
from kana.sdk.operation import D, Group, operation
from kana.sdk.wire import UNSET, Unset, given, moment, mutation, query


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEndpoint:
    """An address that notifications are sent to. No ``types`` are all.

    ``secret`` verifies them, and is there only in the answer that made it. Until ``previous_secret_ends_at`` the secret
    before it signs too. If it is not enabled, ``disabled_because`` says why.
    """

    id: str
    url: str
    types: list[str]
    is_enabled: bool
    disabled_at: datetime | None
    disabled_because: str | None
    failures: int
    created_at: datetime
    secret: str | None
    previous_secret_ends_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookAttempt:
    """What came of sending once: the status and the beginning of the answer, or the error why none came."""

    at: datetime
    status: int | None
    error: str | None
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookDelivery:
    """Sending one notification to one endpoint. ``state`` is "PENDING", "DELIVERED" or "FAILED".

    ``next_at`` is when it is sent next; None if it is not, or waits for an earlier one of its user.
    """

    endpoint_id: str
    notification_id: str
    type: str
    occurred_at: datetime
    state: str
    next_at: datetime | None
    attempts: list[WebhookAttempt]


LIST: Final = query("webhookEndpoints", list[WebhookEndpoint])
DELIVERIES: Final = query(
    "webhookDeliveries(endpointId: String!, state: WebhookDeliveryState, first: Int, after: String)",
    list[WebhookDelivery],
)
CREATE: Final = mutation("createWebhookEndpoint(input: CreateWebhookEndpointInput!)", WebhookEndpoint)
UPDATE: Final = mutation("updateWebhookEndpoint(id: String!, input: UpdateWebhookEndpointInput!)", WebhookEndpoint)
DELETE: Final = mutation("deleteWebhookEndpoint(id: String!)", WebhookEndpoint)
ROTATE: Final = mutation("rotateWebhookSecret(id: String!)", WebhookEndpoint)
RESEND: Final = mutation("resendWebhook(endpointId: String!, notificationId: String!)", WebhookDelivery)
REPLAY: Final = mutation("replayWebhooks(endpointId: String!, from: DateTime!)", WebhookEndpoint)


class Webhooks(Group[D]):
    """Addresses that notifications are sent to, and what was delivered to them."""

    @operation
    def create(self, *, url: str, types: Sequence[str] = ()) -> Steps[WebhookEndpoint]:
        """Create an endpoint, which gets what happens from now on: all, or what has one of the ``types``.

        The result alone has its ``secret``. Calling again creates another one.

        Raises:
            InvalidValue: the address is not public, or a type is not one.
            Conflict: there are 20 endpoints already.
            OutcomeUnknown: it may have been created.
        """
        return self._core.ask(CREATE, input={"url": url, "types": list(types)})

    @operation
    def update(
        self,
        *,
        id: str,
        url: str | Unset = UNSET,
        types: Sequence[str] | Unset = UNSET,
        enabled: bool | Unset = UNSET,
    ) -> Steps[WebhookEndpoint]:
        """Change an endpoint. One that is enabled again goes on where it stopped, as far as 30 days back.

        Raises:
            WebhookNotFound: there is no such endpoint.
            InvalidValue: a value is not allowed; the message names it.
        """
        named = types if isinstance(types, Unset) else list(types)
        return self._core.ask(UPDATE, id=id, input=given(url=url, types=named, isEnabled=enabled))

    @operation
    def delete(self, *, id: str) -> Steps[WebhookEndpoint]:
        """Delete an endpoint: nothing more is sent to it.

        Raises:
            WebhookNotFound: there is no such endpoint.
        """
        return self._core.ask(DELETE, id=id)

    @operation
    def rotate_secret(self, *, id: str) -> Steps[WebhookEndpoint]:
        """Give an endpoint a new secret, which the result alone has. The one before it signs too for 24 hours.

        Raises:
            WebhookNotFound: there is no such endpoint.
            OutcomeUnknown: it may have been made; make another one.
        """
        return self._core.ask(ROTATE, id=id)

    @operation
    def deliveries(
        self, *, endpoint_id: str, state: str | None = None, first: int = 100, after: str | None = None
    ) -> Steps[list[WebhookDelivery]]:
        """Return the ``first`` newest deliveries of an endpoint, 1 to 1,000, or those ``after`` a notification's id.

        Raises:
            WebhookNotFound: there is no such endpoint.
            InvalidValue: ``first`` is out of range, or ``after`` cannot be an id.
        """
        return self._core.ask(DELIVERIES, endpointId=endpoint_id, state=state, first=first, after=after)

    @operation
    def resend(self, *, endpoint_id: str, notification_id: str) -> Steps[WebhookDelivery]:
        """Send a notification again, now. One that waits for an earlier one of its user still does.

        Raises:
            WebhookNotFound: there is no such endpoint, or the notification was never to be sent to it.
        """
        return self._core.ask(RESEND, endpointId=endpoint_id, notificationId=notification_id)

    @operation
    def replay(self, *, endpoint_id: str, since: datetime) -> Steps[WebhookEndpoint]:
        """Send everything that happened since a time again, as far as 30 days back.

        Raises:
            WebhookNotFound: there is no such endpoint.
        """
        variables: dict[str, Any] = {"endpointId": endpoint_id, "from": moment(since, "since")}
        return self._core.ask(REPLAY, **variables)

    @operation
    def list(self) -> Steps[list[WebhookEndpoint]]:
        """Return all endpoints, the oldest first."""
        return self._core.ask(LIST)
