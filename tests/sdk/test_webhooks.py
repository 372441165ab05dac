"""Webhooks through both clients, against a real server."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from kana.errors import InvalidValue, WebhookNotFound
from tests.sdk.people import value

URL = "https://8.8.8.8/hooks"
TYPES = ["top_up.used_up"]
"""Which never happens here: nothing is to be sent to that address."""


async def test_an_endpoint_from_its_beginning_to_its_end(either: Any) -> None:
    """What is created is listed without its secret, changed, rotated, replayed and deleted."""
    webhooks = either.webhooks
    made = await value(webhooks.create(url=URL, types=TYPES))
    assert (made.url, made.types, made.is_enabled) == (URL, TYPES, True)
    assert len(made.secret) == len("whsec_") + 44
    [listed] = [each for each in await value(webhooks.list()) if each.id == made.id]
    assert (listed.secret, listed.created_at) == (None, made.created_at)
    changed = await value(webhooks.update(id=made.id, url=f"{URL}/2", enabled=False))
    assert (changed.url, changed.types, changed.is_enabled) == (f"{URL}/2", TYPES, False)
    assert changed.disabled_because == "Somebody disabled it."
    rotated = await value(webhooks.rotate_secret(id=made.id))
    assert rotated.secret not in (None, made.secret)
    assert rotated.previous_secret_ends_at > datetime.now(UTC)
    assert (await value(webhooks.replay(endpoint_id=made.id, since=made.created_at))).id == made.id
    assert await value(webhooks.deliveries(endpoint_id=made.id, state="FAILED", first=5, after="9")) == []
    assert (await value(webhooks.update(id=made.id, types=[]))).types == []
    with pytest.raises(WebhookNotFound):
        await value(webhooks.resend(endpoint_id=made.id, notification_id="999999"))
    assert (await value(webhooks.delete(id=made.id))).id == made.id
    for method, arguments in (
        (webhooks.delete, {"id": made.id}),
        (webhooks.update, {"id": made.id, "enabled": True}),
        (webhooks.rotate_secret, {"id": made.id}),
        (webhooks.replay, {"endpoint_id": made.id, "since": made.created_at}),
        (webhooks.deliveries, {"endpoint_id": made.id}),
    ):
        with pytest.raises(WebhookNotFound):
            await value(method(**arguments))


async def test_what_is_refused(either: Any) -> None:
    """An address that is not public, or a type that is none."""
    for url, types in (("https://127.0.0.1/x", []), ("http://8.8.8.8", []), (URL, ["user"])):
        with pytest.raises(InvalidValue):
            await value(either.webhooks.create(url=url, types=types))
