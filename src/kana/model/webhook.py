"""Webhooks: notifications that are sent to an address of the customer's, by Standard Webhooks 1.0.0."""

from __future__ import annotations

import hmac
import json
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from http import HTTPStatus
from urllib.parse import urlsplit

from kana.errors import InvalidValue
from kana.model.environment import Environment
from kana.model.notification import Notification, NotificationType
from kana.model.period import time_text
from kana.model.text import counted, shown
from kana.model.value import value_object
from kana.model.word import Word

ENDPOINTS_MAX = 20
"""Most endpoints of an environment."""

SECRET_BYTES = 32
"""The length of a secret."""

OVERLAP = timedelta(hours=24)
"""How long the old secret signs too after a new one was made."""

TRIES_MAX = 11
"""How often a notification is sent before it is given up, over a day at least."""

FAILURES_MAX = 20
"""After so many failures in a row, over a day at least, an endpoint is disabled."""

_FAILING_MAX = timedelta(days=1)
_URL_LENGTH_MAX = 2000
_FIRST_PAUSE_S, _PAUSE_GROWTH, _PAUSE_MAX_S = 5, 4, 8 * 3600
_JITTER = 0.2
_ASKED_MAX_S = 24 * 3600


class DeliveryState(Word):
    """What has become of sending a notification to an endpoint."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"


@value_object(kw_only=True)
class Reply:
    """What came of sending once: the status that the receiver answered, or ``error``, why there is none.

    ``body`` is the beginning of the answer, 1 KB at most. ``retry_after_s`` is how long it asks to be left alone.
    """

    status: int | None = None
    error: str | None = None
    body: str = ""
    retry_after_s: int | None = None

    @property
    def is_success(self) -> bool:
        """Only 2xx is: a redirect is not followed."""
        return self.status is not None and HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES


@value_object(kw_only=True)
class Attempt:
    """One time that a notification was sent, and what came of it."""

    at: datetime
    status: int | None
    error: str | None
    body: str


@value_object(kw_only=True)
class WebhookEndpoint:
    """An address of one environment to which notifications are sent, in the order of their ids for each user.

    ``types`` are those that it gets; none means all. What was notified up to ``position`` has been taken on for it.
    ``failures`` are those since the last success. While ``disabled_at`` is set nothing is sent.
    """

    environment: Environment
    id: int
    url: str
    types: tuple[NotificationType, ...]
    created_at: datetime
    position: int = 0
    disabled_at: datetime | None = None
    disabled_because: str | None = None
    previous_secret_ends_at: datetime | None = None
    failures: int = 0
    failing_since: datetime | None = None

    @property
    def is_enabled(self) -> bool:
        """Whether anything is sent to it."""
        return self.disabled_at is None

    def wants(self, type_: NotificationType) -> bool:
        """Whether it gets notifications of a type."""
        return not self.types or type_ in self.types

    def enabled(self) -> WebhookEndpoint:
        """Return it as it goes on where it stopped."""
        return replace(self, disabled_at=None, disabled_because=None, failures=0, failing_since=None)

    def disabled(self, because: str, *, now: datetime) -> WebhookEndpoint:
        """Return it as it gets nothing more; one that is disabled already stays as it is."""
        return replace(self, disabled_at=now, disabled_because=because) if self.is_enabled else self

    def after(self, reply: Reply, *, now: datetime) -> WebhookEndpoint:
        """Return it after a reply: 410 disables it, and so do 20 failures in a row over at least a day."""
        if reply.is_success:
            return replace(self, failures=0, failing_since=None)
        since = self.failing_since or now
        failing = replace(self, failures=self.failures + 1, failing_since=since)
        if reply.status == HTTPStatus.GONE:
            return failing.disabled("The receiver answered 410 Gone.", now=now)
        if failing.failures >= FAILURES_MAX and now - since >= _FAILING_MAX:
            return failing.disabled(
                f"It failed each time since {time_text(since)}: {counted(failing.failures, 'time')}.", now=now
            )
        return failing


@value_object(kw_only=True)
class WebhookDelivery:
    """Sending one notification to one endpoint. ``attempts`` are the last ones, the oldest first.

    ``tries`` counts them since it was first sent or sent again. ``next_at`` is when it is sent next; None if it is not,
    or waits for an earlier one of the same user.
    """

    endpoint_id: int
    notification_id: int
    type: NotificationType
    occurred_at: datetime
    state: DeliveryState = DeliveryState.PENDING
    tries: int = 0
    next_at: datetime | None = None
    attempts: tuple[Attempt, ...] = ()

    def after(self, reply: Reply, *, now: datetime, chance: float) -> WebhookDelivery:
        """Return it after a reply: delivered, to be tried again later, or given up. ``chance`` is from 0 to 1."""
        attempt = Attempt(at=now, status=reply.status, error=reply.error, body=reply.body)
        tries = self.tries + 1
        state = DeliveryState.FAILED if tries >= TRIES_MAX else DeliveryState.PENDING
        if reply.is_success:
            state = DeliveryState.DELIVERED
        is_open = state is DeliveryState.PENDING
        return replace(
            self,
            state=state,
            tries=tries,
            next_at=now + _pause(tries, reply.retry_after_s or 0, chance) if is_open else None,
            attempts=(*self.attempts, attempt)[-TRIES_MAX:],
        )


def _pause(tries: int, asked_s: int, chance: float) -> timedelta:
    """Return how long to wait after so many tries: longer each time, give or take a fifth, or as long as is asked."""
    pause_s = min(_FIRST_PAUSE_S * _PAUSE_GROWTH ** (tries - 1), _PAUSE_MAX_S) * (1 - _JITTER + 2 * _JITTER * chance)
    return timedelta(seconds=max(pause_s, min(asked_s, _ASKED_MAX_S)))


@value_object(kw_only=True)
class WebhookRequest:
    """What is sent: a signed notification."""

    url: str
    headers: dict[str, str]
    body: bytes


def signed_request(
    endpoint: WebhookEndpoint, notification: Notification, secrets: Iterable[bytes], *, now: datetime
) -> WebhookRequest:
    """Return a notification as it is sent, signed with each of the secrets.

    Its id stays over all tries; the time is that of this one. The id names the environment, since each counts its own.
    """
    id_, timestamp = f"{endpoint.environment}_{notification.id}", str(int(now.timestamp()))
    told = {
        "type": notification.type,
        "timestamp": time_text(notification.occurred_at),
        "data": {"id": str(notification.id), "userId": notification.user_id, **notification.about},
    }
    body = json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()
    signed = f"{id_}.{timestamp}.".encode() + body
    return WebhookRequest(
        url=endpoint.url,
        headers={
            "content-type": "application/json",
            "webhook-id": id_,
            "webhook-timestamp": timestamp,
            "webhook-signature": " ".join(_signature(secret, signed) for secret in secrets),
        },
        body=body,
    )


def _signature(secret: bytes, signed: bytes) -> str:
    return f"v1,{b64encode(hmac.digest(secret, signed, sha256)).decode()}"


def secret_text(secret: bytes) -> str:
    """Return a secret as its owner copies it into a program that verifies."""
    return f"whsec_{b64encode(secret).decode()}"


def webhook_url(text: str, *, private_allowed: bool) -> str:
    """Return ``text`` if it can be the address of an endpoint: https, ASCII, and no user or fragment.

    Where private addresses are allowed, http is too.

    Raises:
        InvalidValue: it cannot.
    """
    try:
        parts = urlsplit(text)
        has_place = bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        has_place = False
    is_plain = text.isascii() and text.isprintable() and not set(text) & set(' \\#"<>')
    schemes = ("https://", "http://") if private_allowed else ("https://",)
    allowed = " or ".join(schemes)
    if len(text) <= _URL_LENGTH_MAX and is_plain and has_place and text.startswith(schemes):
        return text
    raise InvalidValue(
        f"url must begin with {allowed}, have a host and no user or fragment, and be at most {_URL_LENGTH_MAX} ASCII"
        f" characters, got {shown(text)}",
        field="url",
    )


def notification_types(names: Sequence[str]) -> tuple[NotificationType, ...]:
    """Return the types of these names, each once, in the order of the documentation.

    Raises:
        InvalidValue: a name is not a type's.
    """
    known = {each.value for each in NotificationType}
    for name in names:
        if name not in known:
            raise InvalidValue(f"types must be of {', '.join(NotificationType)}, got {shown(name)}", field="types")
    return tuple(each for each in NotificationType if each.value in names)
