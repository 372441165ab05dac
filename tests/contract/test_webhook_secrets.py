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


async def two_endpoints(store: Store) -> list[int]:
    """The ids of two endpoints, of which the first one has two secrets."""
    webhooks = World(store).engine.webhooks
    ids = [(await webhooks.create_endpoint(TEST, url="https://8.8.8.8", by=TESTER))[0].id for _ in range(2)]
    await webhooks.rotate_secret(TEST, str(ids[0]), by=TESTER)
    return ids


SIGNING = 2
"""How many secrets sign user tokens, beside those of webhooks."""


async def test_secrets_are_sealed(place: Place) -> None:
    """Each is sealed again with the newest key, opens only with one of the keys, and only in its own row."""
    first, second = bytes(32), bytes(range(32))
    store = await place.open()
    await furnish_workspace(store)
    ids = await two_endpoints(store)
    await store.close()
    for keys, changed in (([first], 3), ([first], -SIGNING), ([second, first], 3), ([second], -SIGNING)):
        store = await place.open(seal=Seal(keys))
        assert await store.keys.seal_signing_secrets() == SIGNING + changed
        await store.close()
    await place.tamper(
        "update webhook_endpoints set secret = (select e.secret from webhook_endpoints as e"
        f" where e.id = {ids[0]}) where id = {ids[1]}"
    )
    store = await place.open(seal=Seal([second]))
    with pytest.raises(DatabaseRefused, match=f"the webhook secret {ids[1]} of test was changed"):
        await store.keys.seal_signing_secrets(plainly=True)
    await store.close()


async def test_seals_are_removed(place: Place) -> None:
    """Then they open without a key."""
    store = await place.open(seal=Seal([bytes(32)]))
    await furnish_workspace(store)
    await two_endpoints(store)
    assert await store.keys.seal_signing_secrets(plainly=True) == SIGNING + 3
    await store.close()
    store = await place.open()
    assert await store.keys.seal_signing_secrets() == 0
    await store.close()


async def test_an_endpoint_whose_key_is_lost_is_disabled(place: Place) -> None:
    """On demand; it says why, nothing is sent until somebody has made a new secret and enabled it."""
    store = await place.open(seal=Seal([bytes(32)]))
    await furnish_workspace(store)
    ids = await two_endpoints(store)
    await store.close()
    store, sender = await place.open(seal=Seal([bytes(range(32))])), NotedSender()
    world = World(store, sender=sender)
    await world.accounts.create_user(TEST, id="ada")
    lost = await world.access.replace_lost_secrets(by=TESTER)
    assert sorted(lost[SIGNING:]) == sorted(map(str, ids))
    assert await world.access.replace_lost_secrets(by=TESTER) == []
    await deliver(world)
    assert sender.sent == []
    endpoints = await world.engine.webhooks.endpoints(TEST)
    assert [each.disabled_because for each in endpoints] == [
        "The key of its secret is lost: rotate the secret, then enable it."
    ] * 2
    _, secret = await world.engine.webhooks.rotate_secret(TEST, str(ids[1]), by=TESTER)
    await world.engine.webhooks.update_endpoint(TEST, str(ids[1]), {"is_enabled": True}, by=TESTER)
    await deliver(world)
    assert [is_signed_by(each, secret) for each in sender.sent] == [True]
    await store.close()
