"""What webhooks need: storage of endpoints and deliveries, and somebody who sends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from kana.model.environment import Actor, Environment
from kana.model.notification import Notification
from kana.model.value import value_object
from kana.model.webhook import DeliveryState, Reply, WebhookDelivery, WebhookEndpoint, WebhookRequest

EndpointChange = Callable[[WebhookEndpoint], WebhookEndpoint]
DeliveryChange = Callable[[WebhookDelivery], WebhookDelivery]


@value_object(kw_only=True)
class Claim:
    """A delivery that one process may send for a while, with what it sends and the secrets that sign it now."""

    endpoint: WebhookEndpoint
    delivery: WebhookDelivery
    notification: Notification
    secrets: Sequence[bytes]


class Sender(Protocol):
    """Sends requests to the internet, and to private addresses only if that is allowed."""

    async def checked(self, url: str) -> str:
        """Return an address if something can be sent to it.

        Raises:
            InvalidValue: it is not an address, its host cannot be found, or that is not public.
        """
        ...

    async def send(self, request: WebhookRequest) -> Reply:
        """Send a request once, within some seconds, and return what came of it. It raises nothing."""
        ...


class WebhookStore(Protocol):
    """Stores endpoints, and what is to be delivered to them. Each call is one transaction.

    Of one user, an endpoint gets one notification after the other; of different users, nothing waits for another.
    """

    async def endpoints(self, environment: Environment) -> Sequence[WebhookEndpoint]:
        """Return the endpoints of an environment, the oldest first."""
        ...

    async def add_endpoint(
        self, endpoint: WebhookEndpoint, secret: bytes, *, most: int, by: Actor, now: datetime
    ) -> WebhookEndpoint:
        """Add an endpoint that gets what is notified from now on, and write it in the log.

        Raises:
            Conflict: the environment has so many already.
        """
        ...

    async def change_endpoint(
        self, environment: Environment, endpoint_id: int, change: EndpointChange, *, by: Actor, now: datetime
    ) -> WebhookEndpoint:
        """Change an endpoint, write it in the log, and return it.

        Raises:
            WebhookNotFound: there is none.
        """
        ...

    async def remove_endpoint(
        self, environment: Environment, endpoint_id: int, *, by: Actor, now: datetime
    ) -> WebhookEndpoint:
        """Delete an endpoint with its secrets, write it in the log, and return it. Its deliveries go when they are old.

        Raises:
            WebhookNotFound: there is none.
        """
        ...

    async def rotate_secret(
        self, environment: Environment, endpoint_id: int, secret: bytes, *, until: datetime, by: Actor, now: datetime
    ) -> WebhookEndpoint:
        """Sign with a new secret, and with the one before it too until a time; write it in the log.

        Raises:
            WebhookNotFound: there is none.
        """
        ...

    async def replay(self, environment: Environment, endpoint_id: int, *, since: datetime) -> WebhookEndpoint:
        """Take on again what happened since a time, and return the endpoint.

        Raises:
            WebhookNotFound: there is none.
        """
        ...

    async def fill(self, endpoint: WebhookEndpoint, *, limit: int, most: int, now: datetime) -> bool:
        """Take on some of the notifications after an endpoint's position; return whether there may be more.

        No more than about ``most`` are pending at a time. Several processes may do it at the same time.

        Raises:
            WebhookNotFound: the endpoint is gone.
        """
        ...

    async def claim(self, endpoint: WebhookEndpoint, *, limit: int, until: datetime, now: datetime) -> Sequence[Claim]:
        """Return deliveries that are due, which nobody else gets before ``until``; none if the endpoint is disabled.

        Raises:
            WebhookNotFound: the endpoint is gone.
        """
        ...

    async def settle(
        self,
        environment: Environment,
        delivery: WebhookDelivery,
        changes: tuple[EndpointChange, DeliveryChange],
        *,
        by: Actor,
        now: datetime,
    ) -> None:
        """Write what came of sending a delivery, and let the next one of the same user be sent if it is settled.

        Where the endpoint is disabled by it, the log says so. If the delivery is gone or settled, nothing happens.

        Raises:
            WebhookNotFound: the endpoint is gone.
        """
        ...

    async def deliveries(
        self, environment: Environment, endpoint_id: int, *, state: DeliveryState | None, before: int, limit: int
    ) -> Sequence[WebhookDelivery]:
        """Return deliveries of an endpoint before a notification, the newest first.

        Raises:
            WebhookNotFound: there is none.
        """
        ...

    async def resend(
        self, environment: Environment, endpoint_id: int, notification_id: int, *, now: datetime
    ) -> WebhookDelivery:
        """Send a notification again, now; one that waits for an earlier one still does.

        Raises:
            WebhookNotFound: there is no such endpoint, or no such delivery.
        """
        ...

    async def forget(self, *, before: datetime, limit: int) -> int:
        """Delete at most so many settled deliveries of what happened before a time; return how many."""
        ...
