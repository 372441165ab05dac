"""Webhooks: what may be an endpoint, what is sent, when again, and when no more."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import timedelta

import pytest

from kana.errors import InvalidValue
from kana.model.environment import Environment
from kana.model.notification import Notification, NotificationType
from kana.model.webhook import (
    FAILURES_MAX,
    TRIES_MAX,
    DeliveryState,
    Reply,
    WebhookDelivery,
    WebhookEndpoint,
    notification_types,
    secret_text,
    signed_request,
    webhook_url,
)
from tests.support.world import NOON, ONE_DAY

CREATED = NotificationType.USER_CREATED
ENDPOINT = WebhookEndpoint(
    environment=Environment.TEST, id=7, url="https://receiver.example/hooks", types=(), created_at=NOON
)
DELIVERY = WebhookDelivery(endpoint_id=7, notification_id=12, type=CREATED, occurred_at=NOON, next_at=NOON)
GOOD, BAD = Reply(status=200), Reply(status=500)


@pytest.mark.parametrize("url", ["https://a.example", "https://a.example:8443/x?y=z", "https://[2606:4700::1111]/"])
def test_an_address(url: str) -> None:
    """By https, with any port, path and query."""
    assert webhook_url(url, private_allowed=False) == url


@pytest.mark.parametrize(
    "url",
    [
        "", "a.example", "//a.example", "http://a.example", "HTTPS://a.example", "ftp://a.example", "https://",
        "https:///x", "https://u@a.example", "https://u:p@a.example", "https://a.example#x", "https://a.example/ x",
        "https://a.example/\n", "https://bücher.example", "https://a.example:0", "https://a.example:99999",
        "https://[::1", "https://a.example\\@b.example", "https://a.example/" + "x" * 2000,
    ],
)  # fmt: skip
def test_no_address(url: str) -> None:
    """Another scheme, no host, a user, a fragment, signs that programs read differently, or too long."""
    with pytest.raises(
        InvalidValue, match=r"url must begin with https://, have .* at most 2000 ASCII .*, got "
    ) as caught:
        webhook_url(url, private_allowed=False)
    assert caught.value.field == "url"


def test_http_is_for_development() -> None:
    """It is allowed where private addresses are."""
    assert webhook_url("http://localhost:9/x", private_allowed=True) == "http://localhost:9/x"
    with pytest.raises(InvalidValue, match="https:// or http://"):
        webhook_url("ftp://localhost", private_allowed=True)


def test_types() -> None:
    """Each once, in one order; a word that is none is named, with all that are."""
    assert notification_types(["user.deleted", "user.created", "user.deleted"]) == (
        CREATED,
        NotificationType.USER_DELETED,
    )
    assert notification_types([]) == ()
    with pytest.raises(InvalidValue, match=r"types must be of usage.threshold_reached, .*user.deleted, got 'user'"):
        notification_types(["user"])


def test_what_an_endpoint_wants() -> None:
    """All, or what it names."""
    assert ENDPOINT.wants(CREATED)
    named = WebhookEndpoint(environment=Environment.TEST, id=7, url="", types=(CREATED,), created_at=NOON)
    assert named.wants(CREATED)
    assert not named.wants(NotificationType.USER_DELETED)


@pytest.mark.parametrize(("status", "is_success"), [(199, False), (200, True), (299, True), (301, False), (500, False)])
def test_success(status: int, *, is_success: bool) -> None:
    """It is 2xx; an answer that never came is none."""
    assert Reply(status=status).is_success is is_success
    assert not Reply(error="no answer").is_success


def test_what_is_sent() -> None:
    """The id is the same in each try, the time is not; both are signed with the body, by each secret."""
    about: dict[str, object] = {"featureId": "ä"}
    notification = Notification(id=12, type=CREATED, user_id="ada", occurred_at=NOON, about=about)
    request = signed_request(ENDPOINT, notification, [b"new", b"old"], now=NOON + ONE_DAY)
    assert json.loads(request.body) == {
        "type": "user.created",
        "timestamp": "2026-03-10T12:00:00.000Z",
        "data": {"id": "12", "userId": "ada", "featureId": "ä"},
    }
    at = str(int((NOON + ONE_DAY).timestamp()))
    signed = b".".join([b"test_12", at.encode(), request.body])
    signatures = [base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() for key in (b"new", b"old")]
    assert request.url == ENDPOINT.url
    assert request.headers == {
        "content-type": "application/json",
        "webhook-id": "test_12",
        "webhook-timestamp": at,
        "webhook-signature": f"v1,{signatures[0]} v1,{signatures[1]}",
    }


def test_a_secret_is_told_as_others_read_it() -> None:
    """With the prefix of Standard Webhooks."""
    assert secret_text(b"\xff" * 3) == "whsec_////"


def test_a_delivery_that_is_received() -> None:
    """It is done."""
    after = DELIVERY.after(GOOD, now=NOON, chance=0.5)
    assert (after.state, after.next_at, after.tries) == (DeliveryState.DELIVERED, None, 1)
    assert [(each.at, each.status) for each in after.attempts] == [(NOON, 200)]


@pytest.mark.parametrize("chance", [0.0, 1.0])
def test_pauses_grow_over_a_day(chance: float) -> None:
    """Each is about four times as long up to eight hours; after eleven tries, and more than a day, it is given up."""
    delivery, now = DELIVERY, NOON
    pauses = []
    while True:
        delivery = delivery.after(BAD, now=now, chance=chance)
        if delivery.next_at is None:
            break
        pauses.append(delivery.next_at - now)
        now = delivery.next_at
    factor = 0.8 + 0.4 * chance
    nominal = [5, 20, 80, 320, 1280, 5120, 20480, 28800, 28800, 28800]
    assert [round(each.total_seconds()) for each in pauses] == [round(each * factor) for each in nominal]
    assert now - NOON > ONE_DAY
    assert (delivery.state, delivery.tries, len(delivery.attempts)) == (DeliveryState.FAILED, TRIES_MAX, TRIES_MAX)


def test_a_receiver_may_ask_for_a_longer_pause() -> None:
    """Not for a shorter one, and for a day at most."""
    for asked, expected in ((1, 5), (3600, 3600), (10**9, 86400)):
        after = DELIVERY.after(Reply(status=503, retry_after_s=asked), now=NOON, chance=0.5)
        assert after.next_at == NOON + timedelta(seconds=expected)


def test_gone_disables() -> None:
    """At once, and says why."""
    after = ENDPOINT.after(Reply(status=410), now=NOON)
    assert not after.is_enabled
    assert after.disabled_because == "The receiver answered 410 Gone."
    assert after.disabled("again", now=NOON + ONE_DAY) == after
    assert after.enabled() == ENDPOINT


def test_failures_disable_after_a_day() -> None:
    """Twenty in a row and a day: neither many in an hour nor few in a week, and a success begins anew."""
    endpoint = ENDPOINT
    for number in range(FAILURES_MAX + 5):
        endpoint = endpoint.after(BAD, now=NOON + timedelta(minutes=number))
    assert endpoint.is_enabled, "many, in half an hour"
    assert not endpoint.after(BAD, now=NOON + ONE_DAY).is_enabled
    assert endpoint.after(GOOD, now=NOON + ONE_DAY) == ENDPOINT
    endpoint = ENDPOINT
    for number in range(FAILURES_MAX):
        assert endpoint.is_enabled, "few, in days"
        endpoint = endpoint.after(BAD, now=NOON + number * ONE_DAY)
    assert endpoint.disabled_because == "It failed each time since 2026-03-10T12:00:00.000Z: 20 times."
