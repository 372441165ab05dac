"""Signing secrets are sealed with the key that a server has, whichever store keeps them."""

from __future__ import annotations

import pytest

from kana.engine.access.access import AccessEngine
from kana.engine.ports.store import Store
from kana.errors import DatabaseRefused
from kana.model.key import Keyring, SigningSecret, generate_signing_secret
from kana.store.sealing import Seal
from tests.support.stores import Place, furnish_workspace
from tests.support.world import LIVE, NOON, TEST, TESTER, SetClock

OLD, NEW = Seal([b"o" * 32]), Seal([b"n" * 32, b"o" * 32])


async def secrets(store: Store) -> set[SigningSecret]:
    """All secrets, opened."""
    keyring = await store.keys.keyring()
    assert isinstance(keyring, Keyring)
    return set(keyring.signing_secrets)


async def test_plain_secrets_stay_what_they_are_when_they_are_sealed(place: Place) -> None:
    """Sealing changes how they are kept and not what they are; doing it again changes nothing."""
    store = await place.open()
    await furnish_workspace(store)
    before = await secrets(store)
    sealed = await place.open(seal=OLD)
    assert await secrets(sealed) == before
    assert await sealed.keys.seal_signing_secrets() == 2
    assert await sealed.keys.seal_signing_secrets() == 0
    assert await secrets(sealed) == before
    with pytest.raises(DatabaseRefused, match="KANA_SECRET_KEY is not set"):
        await store.keys.keyring()
    for each in (store, sealed):
        await each.close()


async def test_what_is_made_with_a_key_is_sealed_from_the_first(place: Place) -> None:
    """A new workspace's secrets and those that are added."""
    sealed = await place.open(seal=OLD)
    await furnish_workspace(sealed)
    added = generate_signing_secret(LIVE, now=NOON)
    await sealed.keys.add_signing_secret(added, by=TESTER, now=NOON)
    assert added in await secrets(sealed)
    assert await sealed.keys.seal_signing_secrets() == 0
    await sealed.close()


async def test_a_key_is_replaced_by_one_before_it(place: Place) -> None:
    """With both everything opens, and is sealed with the new one; the old one alone then opens nothing."""
    old = await place.open(seal=OLD)
    await furnish_workspace(old)
    before = await secrets(old)
    new = await place.open(seal=NEW)
    assert await secrets(new) == before
    assert await new.keys.seal_signing_secrets() == 2
    assert await secrets(new) == before
    with pytest.raises(DatabaseRefused, match="is sealed with the key"):
        await old.keys.keyring()
    for each in (old, new):
        await each.close()


async def test_seals_are_taken_off_with_the_key_alone(place: Place) -> None:
    """Afterwards no key is needed."""
    sealed, plain = await place.open(seal=OLD), await place.open()
    await furnish_workspace(sealed)
    before = await secrets(sealed)
    with pytest.raises(DatabaseRefused, match="is not set"):
        await plain.keys.seal_signing_secrets(plainly=True)
    assert await sealed.keys.seal_signing_secrets(plainly=True) == 2
    assert await secrets(plain) == before
    for each in (sealed, plain):
        await each.close()


async def test_without_the_key_nothing_is_added_beside_what_is_sealed(place: Place) -> None:
    """A secret in plain would sign from then on, and nobody would know."""
    sealed, plain = await place.open(seal=OLD), await place.open()
    await furnish_workspace(sealed)
    before = await secrets(sealed)
    with pytest.raises(DatabaseRefused, match="is not set"):
        await plain.keys.add_signing_secret(generate_signing_secret(LIVE, now=NOON), by=TESTER, now=NOON)
    with pytest.raises(DatabaseRefused, match="is not set"):
        await plain.keys.seal_signing_secrets()
    assert await secrets(sealed) == before
    for each in (sealed, plain):
        await each.close()


async def test_a_sealed_secret_in_another_row_does_not_open(place: Place) -> None:
    """What is taken from test and put into live is refused, and so is anything that was changed."""
    sealed = await place.open(seal=OLD)
    await furnish_workspace(sealed)
    await place.tamper(
        "update signing_secrets set secret ="
        " (select secret from signing_secrets where environment = 'test') where environment = 'live'"
    )
    with pytest.raises(DatabaseRefused, match="was changed in the database or moved to another row"):
        await sealed.keys.keyring()
    await sealed.close()


async def test_secrets_whose_key_is_lost_are_forgotten_on_demand(place: Place) -> None:
    """New ones take their place where an environment has none left; those that open stay. Again changes nothing."""
    sealed = await place.open(seal=OLD)
    await furnish_workspace(sealed)
    await sealed.close()
    store = await place.open(seal=Seal([b"x" * 32]))
    access = AccessEngine(store.keys, clock=SetClock())
    lost = await access.replace_lost_secrets(by=TESTER)
    assert len(lost) == 2
    made = await secrets(store)
    assert {secret.environment for secret in made} == {TEST, LIVE}
    assert not {secret.id for secret in made} & set(lost)
    assert await access.replace_lost_secrets(by=TESTER) == []
    assert await access.seal_signing_secrets() == 0
    assert await secrets(store) == made
    await store.close()
