"""Keys, the settings of environments, and signing secrets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime

from kana.errors import DatabaseRefused
from kana.model.environment import Actor, Environment
from kana.model.key import ApiKey, EnvironmentSettings, KeyKind, Keyring, SigningSecret
from kana.model.period import from_milliseconds, to_milliseconds
from kana.store.log import log_row
from kana.store.sealing import Seal
from kana.store.session import Lock, Row, Session, Transactions
from kana.store.values import optional_milliseconds, optional_moment
from kana.store.webhooks import lose_secrets, seal_endpoints

SECRET_LENGTH = 32
"""Bytes of a signing secret."""


class Keys:
    """Stores the keyring. ``KeyStore`` says what each call promises."""

    def __init__(
        self, transactions: Transactions, seal: Seal, *, erase: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """``erase`` removes overwritten data from the database's files, where it would otherwise stay for a while."""
        self._transactions = transactions
        self._seal = seal
        self._erase = erase

    async def initialise(self, keyring: Keyring, *, by: Actor, now: datetime) -> bool:
        """Write the first keyring, unless there is one."""

        async def work(session: Session) -> bool:
            await session.lock(Lock.WORKSPACE)
            if await session.row("load_workspace") is not None:
                return False
            await session.execute("add_workspace", keyring.workspace, to_milliseconds(now))
            await session.many("add_environment", [_settings_row(each) for each in keyring.environments.values()])
            await session.many("add_key", [_key_row(key) for key in keyring.keys.values()])
            await session.many("add_signing_secret", [self._secret_row(each) for each in keyring.signing_secrets])
            await session.execute("add_log_line", *_workspace_log_row(keyring.workspace, by=by, now=now))
            return True

        return await self._transactions.write(work)

    async def keyring(self) -> Keyring | None:
        """Return the whole keyring, as last committed by any process."""

        async def work(session: Session) -> Keyring | None:
            return await _load_keyring(session, self._seal)

        return await self._transactions.read(work)

    async def address(self) -> str | None:
        """Return the address where a server was last started."""
        found: str | None = await self._transactions.read(_load_address)
        return found

    async def change_address(self, address: str) -> None:
        """Store the address where a server is started."""

        async def work(session: Session) -> None:
            await session.execute("change_address", address)

        await self._transactions.write(work)

    async def add_key(self, key: ApiKey, *, by: Actor, now: datetime) -> None:
        """Add a key."""

        async def work(session: Session) -> None:
            await session.execute("add_key", *_key_row(key))
            await session.execute("add_log_line", *_key_log_row("created", key, by=by, now=now))

        await self._transactions.write(work)

    async def revoke_key(self, key: ApiKey, *, by: Actor, now: datetime) -> None:
        """Revoke a key, once."""

        async def work(session: Session) -> None:
            if await session.execute("revoke_key", key.hash, to_milliseconds(now)):
                await session.execute("add_log_line", *_key_log_row("revoked", key, by=by, now=now))

        await self._transactions.write(work)

    async def use_keys(self, uses: Mapping[bytes, datetime]) -> None:
        """Store when keys were last used."""
        used = _key_use_rows(uses)

        async def work(session: Session) -> None:
            await session.many("use_key", used)

        await self._transactions.write(work)

    async def change_settings(
        self,
        environment: Environment,
        change: Callable[[EnvironmentSettings], EnvironmentSettings],
        *,
        by: Actor,
        now: datetime,
    ) -> EnvironmentSettings:
        """Change the settings of one environment under their lock."""

        async def work(session: Session) -> EnvironmentSettings:
            await session.value("lock_environment", environment)
            rows = await session.rows("load_environments")
            [old] = [each for each in map(_settings_from, rows) if each.environment is environment]
            new = change(old)
            if new != old:
                await session.execute("change_environment", *_settings_row(new))
                await session.execute("add_log_line", *_settings_log_row(old, new, by=by, now=now))
            return new

        return await self._transactions.write(work)

    async def add_signing_secret(self, secret: SigningSecret, *, by: Actor, now: datetime) -> None:
        """Add a secret, which signs new tokens from now on."""

        async def work(session: Session) -> None:
            await self._check_seals(session)
            await session.execute("add_signing_secret", *self._secret_row(secret))
            await session.execute("add_log_line", *_signing_secret_log_row("created", secret, by=by, now=now))

        await self._transactions.write(work)

    async def revoke_signing_secret(self, secret: SigningSecret, *, by: Actor, now: datetime) -> None:
        """Revoke a secret, once."""

        async def work(session: Session) -> None:
            if await session.execute("revoke_signing_secret", secret.id, to_milliseconds(now)):
                await session.execute("add_log_line", *_signing_secret_log_row("revoked", secret, by=by, now=now))

        await self._transactions.write(work)

    async def seal_signing_secrets(self, *, plainly: bool = False) -> int:
        """Seal every secret that is not sealed with the newest key, those of webhooks too."""
        seal = Seal() if plainly else self._seal

        async def work(session: Session) -> int:
            await session.lock(Lock.WORKSPACE)
            old = [row for row in await session.rows("load_signing_secrets") if not seal.is_newest(bytes(row[2]))]
            for row in old:
                await session.execute(
                    "change_signing_secret", row[0], seal.close(_opened(row, self._seal), about=_about(row))
                )
            return len(old) + await seal_endpoints(session, self._seal, seal)

        changed = await self._transactions.write(work)
        if changed and self._erase is not None:
            await self._erase()
        return changed

    async def replace_lost_secrets(self, new: Sequence[SigningSecret], *, by: Actor, now: datetime) -> list[str]:
        """Delete secrets that do not open, and add those of the new ones that are needed."""

        async def work(session: Session) -> list[str]:
            await session.lock(Lock.WORKSPACE)
            rows = await session.rows("load_signing_secrets")
            lost = [row for row in rows if not _opens(row, self._seal)]
            signing = {row[1] for row in rows if row[4] is None and row not in lost}
            for row in lost:
                await session.execute("forget_signing_secret", row[0])
            for secret in new:
                if lost and secret.environment not in signing:
                    await session.execute("add_signing_secret", *self._secret_row(secret))
                    await session.execute("add_log_line", *_signing_secret_log_row("created", secret, by=by, now=now))
            return [*(row[0] for row in lost), *await lose_secrets(session, self._seal, by=by, now=now)]

        return await self._transactions.write(work)

    async def _check_seals(self, session: Session) -> None:
        """Refuse to add an unsealed secret, or one with another key, next to sealed ones."""
        for row in await session.rows("load_signing_secrets"):
            _opened(row, self._seal)

    def _secret_row(self, secret: SigningSecret) -> Row:
        """Write a row of ``add_signing_secret``."""
        kept = self._seal.close(secret.secret, about=_about((secret.id, secret.environment)))
        created_at, revoked_at = to_milliseconds(secret.created_at), optional_milliseconds(secret.revoked_at)
        return (secret.id, secret.environment, kept, created_at, revoked_at)


async def _load_address(session: Session) -> str | None:
    found: str | None = await session.value("load_address")
    return found


async def _load_keyring(session: Session, seal: Seal) -> Keyring | None:
    workspace = await session.value("load_workspace")
    if workspace is None:
        return None
    settings = map(_settings_from, await session.rows("load_environments"))
    keys = map(_key_from, await session.rows("load_keys"))
    secrets = [_signing_secret_from(row, seal) for row in await session.rows("load_signing_secrets")]
    return Keyring(
        workspace=workspace,
        environments={each.environment: each for each in settings},
        keys={key.hash: key for key in keys},
        signing_secrets=tuple(secrets),
    )


def _settings_from(row: Row) -> EnvironmentSettings:
    """Read a row of ``load_environments``."""
    return EnvironmentSettings(
        environment=Environment(row[0]), app_id=row[1], requires_secure_mode=bool(row[2]), time_zone=row[3]
    )


def _settings_row(settings: EnvironmentSettings) -> Row:
    """Write a row of ``add_environment`` and ``change_environment``."""
    return (settings.environment, settings.app_id, int(settings.requires_secure_mode), settings.time_zone)


def _key_from(row: Row) -> ApiKey:
    """Read a row of ``load_keys``."""
    return ApiKey(
        hash=bytes(row[0]),
        environment=Environment(row[1]),
        kind=KeyKind(row[2]),
        prefix=row[3],
        last_four=row[4],
        name=row[5],
        created_at=from_milliseconds(row[6]),
        revoked_at=optional_moment(row[7]),
        used_at=optional_moment(row[8]),
    )


def _key_row(key: ApiKey) -> Row:
    """Write a row of ``add_key``."""
    return (
        key.hash,
        key.environment,
        key.kind,
        key.prefix,
        key.last_four,
        key.name,
        to_milliseconds(key.created_at),
        optional_milliseconds(key.revoked_at),
    )


def _key_use_rows(uses: Mapping[bytes, datetime]) -> list[Row]:
    """Write rows of ``use_key``, in the order of hashes, so that two processes cannot deadlock."""
    return [(hashed, to_milliseconds(at)) for hashed, at in sorted(uses.items())]


def _about(row: Row) -> str:
    """Return the name that a secret is bound to, which messages use too."""
    return f"signing secret {row[0]} of {Environment(row[1]).value}"


def _opened(row: Row, seal: Seal) -> bytes:
    secret = seal.open(bytes(row[2]), about=_about(row))
    if len(secret) != SECRET_LENGTH:
        raise DatabaseRefused(f"the {_about(row)} was changed in the database: it is not a valid secret")
    return secret


def _opens(row: Row, seal: Seal) -> bool:
    try:
        _opened(row, seal)
    except DatabaseRefused:
        return False
    return True


def _signing_secret_from(row: Row, seal: Seal) -> SigningSecret:
    """Read a row of ``load_signing_secrets``."""
    return SigningSecret(
        id=row[0],
        environment=Environment(row[1]),
        secret=_opened(row, seal),
        created_at=from_milliseconds(row[3]),
        revoked_at=optional_moment(row[4]),
    )


def _workspace_log_row(workspace: str, *, by: Actor, now: datetime) -> Row:
    """Write the first line of the administrative log."""
    subject = ("workspace", workspace)
    return log_row("created", subject, environment=None, before=None, after={"name": workspace}, by=by, now=now)


def _key_log_row(action: str, key: ApiKey, *, by: Actor, now: datetime) -> Row:
    """Write the line for a key that was created or revoked, without the key itself."""
    after = {"kind": key.kind, "name": key.name}
    return log_row(action, ("key", key.masked), environment=key.environment, before=None, after=after, by=by, now=now)


def _settings_log_row(old: EnvironmentSettings, settings: EnvironmentSettings, *, by: Actor, now: datetime) -> Row:
    """Write the line for changed settings of an environment."""
    subject = ("settings", settings.environment)
    return log_row("updated", subject, environment=settings.environment, before=old, after=settings, by=by, now=now)


def _signing_secret_log_row(action: str, secret: SigningSecret, *, by: Actor, now: datetime) -> Row:
    """Write the line for a signing secret that was created or revoked, without the secret itself."""
    subject = ("signing secret", secret.id)
    return log_row(action, subject, environment=secret.environment, before=None, after=None, by=by, now=now)
