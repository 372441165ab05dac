"""Authentication of keys, the settings of environments, and the secrets of user tokens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TypedDict, Unpack

from kana.engine.access.key_uses import KeyUses
from kana.engine.ports.access import KeyStore
from kana.engine.ports.clock import Clock
from kana.errors import Conflict, DatabaseRefused, KeyNotFound, Unauthenticated
from kana.model.environment import Actor, Environment
from kana.model.key import (
    ApiKey,
    EnvironmentSettings,
    KeyKind,
    Keyring,
    SigningSecret,
    describe_key,
    generate_app_id,
    generate_key,
    generate_signing_secret,
    hash_key,
)
from kana.model.text import counted, shown
from kana.model.value import value_object

KEYRING_AGE_MAX_S = 0.5
"""How old the keyring may be when a key is checked, so how long a key that another process revoked still works."""

_KEY_LENGTH_MAX = 200


@value_object()
class Caller:
    """Who makes a request: an environment and a key."""

    environment: Environment
    key: ApiKey

    @property
    def actor(self) -> Actor:
        """The caller as shown in the audit log."""
        return Actor(kind="key", name=self.key.masked)


class SettingsChanges(TypedDict, total=False):
    """The settings that may change. One that is left out stays.

    ``requires_secure_mode`` lets the Client API accept user tokens only; ``time_zone`` is that of calendars.
    """

    requires_secure_mode: bool
    time_zone: str


@value_object()
class Initialised:
    """A new workspace and its keys, which are never shown again."""

    workspace: str
    keys: dict[Environment, dict[KeyKind, str]]


class AccessEngine:
    """Creates, revokes and checks keys. The keyring is read again when it is older than half a second."""

    def __init__(self, store: KeyStore, *, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self.uses = KeyUses(store, clock=clock)
        self._asked_at = clock()
        self._keyring: Keyring | None = None
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()

    async def initialise(self, workspace: str, *, by: Actor) -> Initialised | None:
        """Create the workspace with a key of each kind for each environment; return None if there is one already."""
        now = self._clock()
        keys = {env: {kind: generate_key(env, kind) for kind in KeyKind} for env in Environment}
        described = [
            describe_key(key, environment=env, kind=kind, name="first", now=now)
            for env, pair in keys.items()
            for kind, key in pair.items()
        ]
        keyring = Keyring(
            workspace=workspace,
            environments={
                env: EnvironmentSettings(environment=env, app_id=generate_app_id(env)) for env in Environment
            },
            keys={key.hash: key for key in described},
            signing_secrets=tuple(generate_signing_secret(env, now=now) for env in Environment),
        )
        if not await self._store.initialise(keyring, by=by, now=now):
            return None
        self._forget()
        return Initialised(workspace, keys)

    async def address(self) -> str | None:
        """Return the address at which a server was last started, for links; None if there was none."""
        return await self._store.address()

    async def note_address(self, address: str) -> None:
        """Store the address at which a server is started. The same address is not written again."""
        if await self._store.address() != address:
            await self._store.change_address(address)

    async def authenticate(self, key: str, kind: KeyKind) -> Caller:
        """Return the caller with this key.

        Raises:
            Unauthenticated: the key is unknown, revoked or of another kind, with the same message for all.
        """
        hashed = hash_key(key[:_KEY_LENGTH_MAX] if key.isascii() else "")
        found = (await self.keyring()).keys.get(hashed)
        if found is None or found.kind is not kind or found.revoked_at is not None:
            raise Unauthenticated
        self.uses.note(hashed, self._asked_at)  # Half a second old at most, which saves a call of the clock.
        return Caller(found.environment, found)

    async def keyring(self) -> Keyring:
        """Return keys, settings and secrets, at most half a second old.

        Raises:
            DatabaseRefused: the database was never initialised.
        """
        keyring = self._keyring
        if keyring is not None and time.monotonic() - self._read_at < KEYRING_AGE_MAX_S:
            return keyring
        async with self._reading:
            if self._keyring is None or time.monotonic() - self._read_at >= KEYRING_AGE_MAX_S:
                asked_at, now = time.monotonic(), self._clock()
                self._keyring = await self._store.keyring()
                self._read_at, self._asked_at = asked_at, now
            if self._keyring is None:
                raise DatabaseRefused("the database has no workspace yet; run `kana init`")
            return self._keyring

    async def keys(self) -> list[ApiKey]:
        """Return all keys, revoked ones included, the oldest first."""
        self._forget()
        keys = map(self.uses.told, (await self.keyring()).keys.values())
        return sorted(keys, key=lambda key: (key.created_at, key.prefix))

    async def create_key(self, environment: Environment, kind: KeyKind, *, name: str, by: Actor) -> tuple[str, ApiKey]:
        """Return a new key, which is never shown again, and what is stored of it. Older keys stay valid."""
        now = self._clock()
        key = generate_key(environment, kind)
        described = describe_key(key, environment=environment, kind=kind, name=name, now=now)
        await self._store.add_key(described, by=by, now=now)
        self._forget()
        return key, described

    async def revoke_key(self, presented: str, *, by: Actor) -> ApiKey:
        """Revoke a key, given in full or as lists show it; it stops working in every process within a second.

        Raises:
            KeyNotFound: no key matches, or more than one does.
        """
        now = self._clock()
        key = _find(await self.keys(), presented)
        await self._store.revoke_key(key, by=by, now=now)
        self._forget()
        return replace(key, revoked_at=key.revoked_at or now)

    async def change_settings(
        self, environment: Environment, *, by: Actor, **changes: Unpack[SettingsChanges]
    ) -> EnvironmentSettings:
        """Change settings of an environment, from now on and in every process; setting them again changes nothing.

        Raises:
            InvalidValue: there is no such time zone.
        """
        settings = await self._store.change_settings(
            environment, lambda old: replace(old, **changes), by=by, now=self._clock()
        )
        self._forget()
        return settings

    async def rotate_signing_secret(self, environment: Environment, *, by: Actor) -> SigningSecret:
        """Create the secret that tokens are signed with from now on; existing tokens stay valid."""
        now = self._clock()
        secret = generate_signing_secret(environment, now=now)
        await self._store.add_signing_secret(secret, by=by, now=now)
        self._forget()
        return secret

    async def signing_secrets(self) -> list[SigningSecret]:
        """Return all secrets of user tokens, revoked ones included, the oldest first."""
        self._forget()
        return sorted((await self.keyring()).signing_secrets, key=lambda secret: (secret.created_at, secret.id))

    async def revoke_signing_secret(self, secret_id: str, *, by: Actor) -> SigningSecret:
        """Revoke a secret; tokens signed with it stop working in every process within a second.

        The one that signs new tokens cannot be revoked: create another first, and give every process a second to
        use it.

        Raises:
            KeyNotFound: no secret has this id.
            Conflict: it is the one that signs new tokens.
        """
        now = self._clock()
        secret = next((each for each in await self.signing_secrets() if each.id == secret_id), None)
        if secret is None:
            raise KeyNotFound(f"Signing secret not found: {shown(secret_id)}")
        if secret == (await self.keyring()).signing_secret(secret.environment):
            raise Conflict(
                f"Secret {secret_id} signs the user tokens of {secret.environment} now; create another one first"
            )
        await self._store.revoke_signing_secret(secret, by=by, now=now)
        self._forget()
        return replace(secret, revoked_at=secret.revoked_at or now)

    async def seal_signing_secrets(self, *, plainly: bool = False) -> int:
        """Seal all secrets with the newest key, or remove the seals; return how many were changed."""
        changed = await self._store.seal_signing_secrets(plainly=plainly)
        self._forget()
        return changed

    async def replace_lost_secrets(self, *, by: Actor) -> list[str]:
        """Delete the secrets that no known key can open, and create new ones; return the ids of those deleted.

        User tokens that were signed with them stop working, and endpoints of webhooks that had one are disabled.
        """
        now = self._clock()
        new = [generate_signing_secret(environment, now=now) for environment in Environment]
        lost = await self._store.replace_lost_secrets(new, by=by, now=now)
        self._forget()
        return lost

    def _forget(self) -> None:
        self._read_at = float("-inf")


def _find(keys: Sequence[ApiKey], presented: str) -> ApiKey:
    hashed = hash_key(presented)
    found = [key for key in keys if key.hash == hashed or key.masked == presented]
    if len(found) != 1:
        raise KeyNotFound(
            f"{counted(len(found), 'key matches', 'keys match')} {shown(presented)}; give the whole key, or the text"
            " that `kana keys list` shows"
        )
    return found[0]
