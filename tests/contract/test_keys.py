"""Keys, settings and signing secrets are kept as one keyring."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from kana.engine.access.access import AccessEngine
from kana.engine.ports.store import Store
from kana.model.key import KeyKind, describe_key, generate_key, generate_signing_secret
from tests.support.stores import Place
from tests.support.world import LIVE, NOON, ONE_DAY, TEST, TESTER, SetClock


async def test_without_a_workspace_there_is_no_keyring(place: Place) -> None:
    """An empty database answers None, and can answer."""
    store = await place.open()
    assert await store.keys.keyring() is None
    await store.probe()
    await store.close()


async def test_a_workspace_is_made_once(place: Place) -> None:
    """Of many who initialise at once, over two stores, one does; nothing of the others is written."""
    stores = [await place.open(), await place.open()]
    made = await asyncio.gather(
        *(AccessEngine(stores[n % 2].keys, clock=SetClock()).initialise(f"workspace-{n}", by=TESTER) for n in range(6))
    )
    [winner] = [each for each in made if each is not None]
    for store in stores:
        keyring = await store.keys.keyring()
        assert keyring is not None
        assert (keyring.workspace, len(keyring.keys), len(keyring.signing_secrets)) == (winner.workspace, 4, 2)
        await store.close()


async def test_a_keyring_comes_back_as_it_was_changed(store: Store, place: Place) -> None:
    """New keys, revoked ones, settings and secrets: another store on the database reads them at once."""
    another = await place.open()
    before = await another.keys.keyring()
    assert before is not None
    key = describe_key(generate_key(LIVE, KeyKind.PUBLIC), environment=LIVE, kind=KeyKind.PUBLIC, name="ключ", now=NOON)
    secret = generate_signing_secret(LIVE, now=NOON)
    settings = replace(before.environments[TEST], requires_secure_mode=True, time_zone="Asia/Tokyo")
    await store.keys.add_key(key, by=TESTER, now=NOON)
    await store.keys.add_signing_secret(secret, by=TESTER, now=NOON)
    assert await store.keys.change_settings(TEST, lambda _: settings, by=TESTER, now=NOON) == settings
    after = await another.keys.keyring()
    assert after is not None
    assert after.keys == {**before.keys, key.hash: key}
    assert set(after.signing_secrets) == {*before.signing_secrets, secret}
    assert after.environments == {**before.environments, TEST: settings}
    await another.close()


async def test_a_key_is_revoked_once(store: Store) -> None:
    """From the first time on; revoking again changes nothing, and other keys stay."""
    before = await store.keys.keyring()
    assert before is not None
    key = next(iter(before.keys.values()))
    await store.keys.revoke_key(key, by=TESTER, now=NOON)
    await store.keys.revoke_key(key, by=TESTER, now=NOON + ONE_DAY)
    after = await store.keys.keyring()
    assert after is not None
    assert after.keys == {**before.keys, key.hash: replace(key, revoked_at=NOON)}


async def test_the_latest_use_of_a_key_stands(store: Store, place: Place) -> None:
    """Whichever process tells it, and in whatever order; other keys stay never used, unknown ones are left out."""
    another = await place.open()
    before = await store.keys.keyring()
    assert before is not None
    one, other, *_ = before.keys.values()
    assert {key.used_at for key in before.keys.values()} == {None}
    await store.keys.use_keys({one.hash: NOON, other.hash: NOON + ONE_DAY, bytes(32): NOON})
    await another.keys.use_keys({one.hash: NOON + ONE_DAY, other.hash: NOON})
    after = await store.keys.keyring()
    assert after is not None
    used = {key.hash: replace(key, used_at=NOON + ONE_DAY) for key in (one, other)}
    assert after.keys == {**before.keys, **used}
    await another.close()


async def test_a_signing_secret_is_revoked_once(store: Store, place: Place) -> None:
    """From the first time on, in another store on the database too; others stay, and one line says so."""
    another = await place.open()
    before = await store.keys.keyring()
    assert before is not None
    secret, *others = before.signing_secrets
    await store.keys.revoke_signing_secret(secret, by=TESTER, now=NOON)
    await store.keys.revoke_signing_secret(secret, by=TESTER, now=NOON + ONE_DAY)
    after = await another.keys.keyring()
    assert after is not None
    assert set(after.signing_secrets) == {*others, replace(secret, revoked_at=NOON)}
    [line] = await another.insights.log(secret.environment, limit=9, before=None, subject_id=secret.id, shared=False)
    assert (line.action, line.subject_kind, line.at) == ("revoked", "signing secret", NOON)
    await another.close()


async def test_an_open_store_can_answer(store: Store) -> None:
    """The probe of a healthy database says nothing."""
    await store.probe()


async def test_where_a_server_was_started_is_kept(store: Store) -> None:
    """The last one stands, for every process; before the first there is none."""
    first, second = (AccessEngine(store.keys, clock=SetClock()) for _ in range(2))
    assert await first.address() is None
    for address in ("http://127.0.0.1:8080", "http://127.0.0.1:9000", "http://127.0.0.1:9000"):
        await first.note_address(address)
        assert await second.address() == address
