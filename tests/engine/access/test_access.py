"""Who may come in: keys, settings and secrets, read anew every half second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import product

import pytest

from kana.engine.access.access import KEYRING_AGE_MAX_S, AccessEngine, Initialised
from kana.engine.ports.store import Store
from kana.errors import Conflict, DatabaseRefused, InvalidValue, KeyNotFound, Unauthenticated
from kana.model.environment import Environment
from kana.model.key import KeyKind, generate_key
from kana.store.sealing import Seal
from tests.support.stores import SqlitePlace
from tests.support.world import LIVE, NOON, ONE_DAY, TEST, TESTER, SetClock

PRIVATE, PUBLIC = KeyKind.PRIVATE, KeyKind.PUBLIC


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Moves the clock that measures ages, which otherwise stands."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def step(seconds: float) -> None:
        now[0] += seconds

    return step


class Doors:
    """Two processes on one database, and the keys of its workspace."""

    def __init__(self, first: AccessEngine, second: AccessEngine, made: Initialised, clock: SetClock) -> None:
        self.first, self.second, self.keys, self.clock = first, second, made.keys, clock


@pytest.fixture
async def doors(place: SqlitePlace, steps: Callable[[float], None]) -> object:
    stores = [await place.open(), await place.open()]
    clock = SetClock()
    first, second = (AccessEngine(store.keys, clock=clock) for store in stores)
    made = await first.initialise("workspace", by=TESTER)
    assert made is not None
    yield Doors(first, second, made, clock)
    for store in stores:
        await store.close()


async def test_without_a_workspace_nobody_comes_in(place: SqlitePlace) -> None:
    """The database says how to make one, each time it is asked, until there is one."""
    store = await place.open()
    access = AccessEngine(store.keys, clock=SetClock())
    for _ in range(2):
        with pytest.raises(DatabaseRefused, match="the database has no workspace yet; run `kana init`"):
            await access.authenticate("prv_test_x", PRIVATE)
    made = await access.initialise("workspace", by=TESTER)
    assert made is not None
    assert (await access.authenticate(made.keys[TEST][PRIVATE], PRIVATE)).environment is TEST
    await store.close()


async def test_a_workspace_is_made_once(doors: Doors) -> None:
    """A key of each kind for each environment; a second time nothing is made."""
    assert await doors.second.initialise("another", by=TESTER) is None
    keyring = await doors.first.keyring()
    assert keyring.workspace == "workspace"
    assert {(key.environment, key.kind) for key in keyring.keys.values()} == set(product(Environment, KeyKind))
    assert set(keyring.environments) == set(Environment)
    assert [keyring.signing_secret(environment).environment for environment in Environment] == list(Environment)


@pytest.mark.parametrize(("environment", "kind"), [*product(Environment, KeyKind)])
async def test_a_key_opens_its_door(doors: Doors, environment: Environment, kind: KeyKind) -> None:
    """It says by itself which environment; the audit log names it masked."""
    key = doors.keys[environment][kind]
    caller = await doors.first.authenticate(key, kind)
    assert (caller.environment, caller.key.kind) == (environment, kind)
    assert (caller.actor.kind, caller.actor.name) == ("key", f"{key[:13]}…{key[-4:]}")


async def test_all_who_may_not_come_in_read_the_same(doors: Doors) -> None:
    """Unknown, of the other kind, revoked, malformed: one class, one message."""
    revoked, _ = await doors.first.create_key(TEST, PRIVATE, name="old", by=TESTER)
    await doors.first.revoke_key(revoked, by=TESTER)
    good = doors.keys[TEST][PRIVATE]
    refused = [
        generate_key(TEST, PRIVATE), revoked, doors.keys[TEST][PUBLIC], "", "é" * 9, "\ud800", good + " ", good[:-1],
        good.upper(), "x" * 10**6,
    ]  # fmt: skip
    messages = set()
    for key in refused:
        with pytest.raises(Unauthenticated) as raised:
            await doors.first.authenticate(key, PRIVATE)
        messages.add(raised.value.message)
    assert messages == {"Unauthenticated: a valid key is needed in the Authorization header."}
    assert (await doors.first.authenticate(good, PRIVATE)).environment is TEST


async def test_what_one_process_revokes_holds_in_another_after_half_a_second(
    doors: Doors, steps: Callable[[float], None]
) -> None:
    """At once where it was revoked; elsewhere as soon as the keyring is half a second old, and not before."""
    key = doors.keys[LIVE][PRIVATE]
    await doors.second.authenticate(key, PRIVATE)
    await doors.first.revoke_key(key, by=TESTER)
    with pytest.raises(Unauthenticated):
        await doors.first.authenticate(key, PRIVATE)
    steps(KEYRING_AGE_MAX_S - 0.001)
    await doors.second.authenticate(key, PRIVATE)
    steps(0.001)
    with pytest.raises(Unauthenticated):
        await doors.second.authenticate(key, PRIVATE)


async def test_many_callers_read_the_keyring_once(
    doors: Doors, steps: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """When it is too old, the first caller reads it and the others wait for that."""
    reads = 0
    store = doors.first._store
    read = store.keyring

    async def counted() -> object:
        nonlocal reads
        reads += 1
        await asyncio.sleep(0)
        return await read()

    monkeypatch.setattr(store, "keyring", counted)
    steps(1)
    await asyncio.gather(*(doors.first.authenticate(doors.keys[TEST][PUBLIC], PUBLIC) for _ in range(10)))
    assert reads == 1


async def test_keys_overlap_while_they_are_rotated(doors: Doors) -> None:
    """A new key and the old one both open; revoking the old one leaves the new one. A key is shown once."""
    doors.clock.advance(days=1)
    new, described = await doors.first.create_key(TEST, PRIVATE, name="new", by=TESTER)
    old = doors.keys[TEST][PRIVATE]
    for key in (old, new):
        await doors.first.authenticate(key, PRIVATE)
    listed = await doors.second.keys()
    assert listed[-1] == described
    assert len(listed) == 5
    assert (described.name, described.created_at, described.revoked_at) == ("new", NOON + ONE_DAY, None)
    revoked = await doors.second.revoke_key(old, by=TESTER)
    assert revoked.revoked_at == NOON + ONE_DAY
    await doors.first.keys()
    with pytest.raises(Unauthenticated):
        await doors.first.authenticate(old, PRIVATE)
    await doors.first.authenticate(new, PRIVATE)


async def test_a_key_can_be_named_as_lists_show_it(doors: Doors) -> None:
    """Whole or masked; revoking again keeps the first time; what is like none is an error that shows it."""
    [masked] = [k.masked for k in await doors.first.keys() if (k.environment, k.kind) == (LIVE, PUBLIC)]
    assert (await doors.first.revoke_key(masked, by=TESTER)).revoked_at == NOON
    doors.clock.advance(days=1)
    assert (await doors.first.revoke_key(masked, by=TESTER)).revoked_at == NOON
    for presented in ("prv_live", masked[:-1], ""):
        with pytest.raises(KeyNotFound, match=r"^0 keys match"):
            await doors.first.revoke_key(presented, by=TESTER)


async def test_a_masked_key_that_fits_two_is_not_guessed(doors: Doors) -> None:
    """The whole key is asked for, and neither is revoked."""
    [key, *_] = await doors.first.keys()
    await doors.first._store.add_key(replace(key, hash=b"x" * 32), by=TESTER, now=NOON)
    with pytest.raises(KeyNotFound, match=r"^2 keys match .*; give the whole key"):
        await doors.first.revoke_key(key.masked, by=TESTER)
    assert {key.revoked_at for key in await doors.first.keys()} == {None}


async def test_secure_mode_is_a_switch_of_each_environment(doors: Doors) -> None:
    """Switched in one, it holds there at once and in another process when its keyring is read anew; twice is once."""
    settings = await doors.first.change_settings(LIVE, requires_secure_mode=True, by=TESTER)
    assert settings.requires_secure_mode
    assert await doors.first.change_settings(LIVE, requires_secure_mode=True, by=TESTER) == settings
    for door in (doors.first, doors.second):
        environments = (await door.keyring()).environments
        assert [environments[each].requires_secure_mode for each in (LIVE, TEST)] == [True, False]
    assert environments[LIVE].app_id == settings.app_id


async def test_each_setting_changes_alone(doors: Doors) -> None:
    """Of changes at once by two processes none is lost, and one that cannot be changes nothing."""
    changes = doors.first.change_settings, doors.second.change_settings
    await asyncio.gather(
        changes[0](LIVE, requires_secure_mode=True, by=TESTER), changes[1](LIVE, time_zone="Asia/Tokyo", by=TESTER)
    )
    with pytest.raises(InvalidValue, match="timeZone must be an IANA name"):
        await changes[0](LIVE, time_zone="Mars", by=TESTER)
    after = await changes[0](LIVE, by=TESTER)
    assert (after.requires_secure_mode, after.time_zone) == (True, "Asia/Tokyo")
    assert (await doors.first.keyring()).environments[LIVE] == after
    assert (await doors.first.keyring()).environments[TEST].time_zone == "UTC"


async def test_a_new_signing_secret_signs_and_old_ones_stay(doors: Doors) -> None:
    """Tokens signed before are still known by their secret's id."""
    before = await doors.first.keyring()
    doors.clock.advance(days=1)
    secret = await doors.first.rotate_signing_secret(TEST, by=TESTER)
    after = await doors.first.keyring()
    assert after.signing_secret(TEST) == secret
    assert after.signing_secret(LIVE) == before.signing_secret(LIVE)
    assert set(before.signing_secrets) < set(after.signing_secrets)


async def test_an_older_signing_secret_is_revoked(doors: Doors, steps: Callable[[float], None]) -> None:
    """At once where it was, elsewhere when the keyring is half a second old; again keeps the first time."""
    old = (await doors.second.keyring()).signing_secret(TEST)
    doors.clock.advance(days=1)
    new = await doors.first.rotate_signing_secret(TEST, by=TESTER)
    assert await doors.second.signing_secrets() == await doors.first.signing_secrets()

    revoked = await doors.first.revoke_signing_secret(old.id, by=TESTER)

    assert revoked == replace(old, revoked_at=NOON + ONE_DAY)
    assert revoked in (await doors.first.keyring()).signing_secrets
    assert old in (await doors.second.keyring()).signing_secrets
    steps(KEYRING_AGE_MAX_S)
    assert {revoked, new} < set((await doors.second.keyring()).signing_secrets)
    doors.clock.advance(days=1)
    assert await doors.second.revoke_signing_secret(old.id, by=TESTER) == revoked


async def test_the_secret_that_signs_is_not_revoked(doors: Doors) -> None:
    """Somebody must sign: it says to make another first, and what is unknown is not found; nothing changes."""
    before = await doors.first.signing_secrets()
    for environment in Environment:
        signs = (await doors.first.keyring()).signing_secret(environment)
        with pytest.raises(Conflict, match=f"signs the user tokens of {environment} now; create another one first$"):
            await doors.first.revoke_signing_secret(signs.id, by=TESTER)
    with pytest.raises(KeyNotFound, match=r"^Signing secret not found: 'nothing'$"):
        await doors.first.revoke_signing_secret("nothing", by=TESTER)
    assert await doors.first.signing_secrets() == before


async def test_where_a_server_was_started_is_kept(store: Store) -> None:
    """The last one stands, for every process; before the first there is none."""
    first, second = (AccessEngine(store.keys, clock=SetClock()) for _ in range(2))
    assert await first.address() is None
    for address in ("http://127.0.0.1:8080", "http://127.0.0.1:9000", "http://127.0.0.1:9000"):
        await first.note_address(address)
        assert await second.address() == address


async def test_secrets_are_sealed_and_what_no_key_opens_is_replaced(place: SqlitePlace) -> None:
    """Sealing keeps the secrets, which are read anew at once; without the key they can only be replaced."""
    plain = await place.open()
    made = await AccessEngine(plain.keys, clock=SetClock()).initialise("workspace", by=TESTER)
    sealed, other = await place.open(seal=Seal([b"o" * 32])), await place.open(seal=Seal([b"n" * 32]))
    access = AccessEngine(sealed.keys, clock=SetClock())
    assert made is not None
    before = await access.signing_secrets()

    assert (await access.seal_signing_secrets(), await access.seal_signing_secrets()) == (2, 0)
    assert await access.signing_secrets() == before
    replaced = await AccessEngine(other.keys, clock=SetClock()).replace_lost_secrets(by=TESTER)

    assert sorted(replaced) == sorted(secret.id for secret in before)
    assert len(await AccessEngine(other.keys, clock=SetClock()).signing_secrets()) == 2
    for store in (plain, sealed, other):
        await store.close()
