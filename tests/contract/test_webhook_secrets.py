"""The secrets of webhooks: which sign, and how they are sealed; on each database."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import timedelta

import pytest

from kana.engine.ports.store import Store
from kana.errors import DatabaseRefused
from kana.model.webhook import WebhookRequest
from kana.store.sealing import Seal
from tests.support.stores import Place, furnish_workspace
from tests.support.webhooks import URL, NotedSender, deliver
from tests.support.world import TEST, TESTER, World


def is_signed_by(request: WebhookRequest, secret: str) -> bool:
    """Whether one of the signatures is of a secret."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
    signature = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return f"v1,{signature}" in request.headers["webhook-signature"].split(" ")


async def test_both_secrets_sign_for_a_day(store: Store) -> None:
    """Until then receivers have time to take the new one; after it the old one does not sign."""
    sender = NotedSender()
    world = World(store, sender=sender)
    endpoint, old = await world.engine.webhooks.create_endpoint(TEST, url=URL, by=TESTER)
    rotated, new = await world.engine.webhooks.rotate_secret(TEST, str(endpoint.id), by=TESTER)
    assert rotated.previous_secret_ends_at == world.clock() + timedelta(days=1)
    assert await world.engine.webhooks.endpoints(TEST) == [rotated]
    await world.accounts.create_user(TEST, id="ada")
    await deliver(world)
    world.clock.advance(hours=24)
    await world.accounts.create_user(TEST, id="bob")
    await deliver(world)
    assert [[is_signed_by(each, secret) for secret in (old, new)] for each in sender.sent] == [
        [True, True],
        [False, True],
    ]


async def test_secrets_are_sealed(place: Place) -> None:
    """Each is sealed again with the newest key, opens only with one of the keys, and only in its own row."""
    first, second = bytes(32), bytes(range(32))
    store = await place.open()
    await furnish_workspace(store)
    webhooks = World(store).engine.webhooks
    ids = [(await webhooks.create_endpoint(TEST, url="https://8.8.8.8", by=TESTER))[0].id for _ in range(2)]
    await webhooks.rotate_secret(TEST, str(ids[0]), by=TESTER)
    await store.close()
    for keys, changed in (([first], 3), ([first], 0), ([second, first], 3), ([second], 0)):
        store = await place.open(seal=Seal(keys))
        assert await store.webhooks.seal_secrets() == changed
        await store.close()
    for keys in ([], [first]):
        store = await place.open(seal=Seal(keys))
        with pytest.raises(DatabaseRefused, match=f"the webhook secret {ids[0]} of test is sealed with the key"):
            await store.webhooks.seal_secrets()
        await store.close()
    await place.tamper(
        "update webhook_endpoints set secret = (select e.secret from webhook_endpoints as e"
        f" where e.id = {ids[0]}) where id = {ids[1]}"
    )
    store = await place.open(seal=Seal([second]))
    with pytest.raises(DatabaseRefused, match=f"the webhook secret {ids[1]} of test was changed"):
        await store.webhooks.seal_secrets(plainly=True)
    await store.close()
