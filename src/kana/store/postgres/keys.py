"""Keys, settings and signing secrets on PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from kana.model.environment import Actor
from kana.model.key import ApiKey, EnvironmentSettings, Keyring, SigningSecret
from kana.model.period import to_milliseconds
from kana.store import rows
from kana.store.postgres.database import Database
from kana.store.postgres.pool import Connection, fetch
from kana.store.postgres.statements import SESSION, SQL


class Keys:
    """Keeps who may come in."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def initialise(self, keyring: Keyring, *, by: Actor, now: datetime) -> bool:
        """See the port."""

        async def work(connection: Connection) -> bool:
            await connection.execute(SESSION["lock_migrations"])
            if await fetch(connection, SQL["load_workspace"]):
                return False
            await connection.execute(SQL["add_workspace"], keyring.workspace, to_milliseconds(now))
            settings = [rows.settings_row(settings) for settings in keyring.environments.values()]
            await connection.executemany(SQL["add_environment"], settings)
            await connection.executemany(SQL["add_key"], [rows.key_row(key) for key in keyring.keys.values()])
            secrets = [rows.signing_secret_row(secret) for secret in keyring.signing_secrets]
            await connection.executemany(SQL["add_signing_secret"], secrets)
            line = rows.workspace_log_row(keyring.workspace, by=by, now=now)
            await connection.execute(SQL["add_log_line"], *line)
            return True

        return await self._database.write(work)

    async def keyring(self) -> Keyring | None:
        """See the port."""
        return await self._database.read(_load_keyring)

    async def add_key(self, key: ApiKey, *, by: Actor, now: datetime) -> None:
        """See the port."""

        async def work(connection: Connection) -> None:
            await connection.execute(SQL["add_key"], *rows.key_row(key))
            await connection.execute(SQL["add_log_line"], *rows.key_log_row("created", key, by=by, now=now))

        await self._database.write(work)

    async def revoke_key(self, key: ApiKey, *, by: Actor, now: datetime) -> None:
        """See the port."""

        async def work(connection: Connection) -> None:
            if await connection.fetchval(SQL["revoke_key"], key.hash, to_milliseconds(now)) is not None:
                await connection.execute(SQL["add_log_line"], *rows.key_log_row("revoked", key, by=by, now=now))

        await self._database.write(work)

    async def use_keys(self, uses: Mapping[bytes, datetime]) -> None:
        """See the port."""
        used = rows.key_use_rows(uses)

        async def work(connection: Connection) -> None:
            await connection.executemany(SQL["use_key"], used)

        await self._database.write(work)

    async def change_settings(self, settings: EnvironmentSettings, *, by: Actor, now: datetime) -> None:
        """See the port."""

        async def work(connection: Connection) -> None:
            # Two changes at once would both tell of the same settings as those before.
            await connection.execute(SQL["lock_environment"], settings.environment.value)
            kept = map(rows.settings_from, await fetch(connection, SQL["load_environments"]))
            old = next((each for each in kept if each.environment is settings.environment), None)
            await connection.execute(SQL["change_environment"], *rows.settings_row(settings))
            await connection.execute(SQL["add_log_line"], *rows.settings_log_row(old, settings, by=by, now=now))

        await self._database.write(work)

    async def add_signing_secret(self, secret: SigningSecret, *, by: Actor, now: datetime) -> None:
        """See the port."""

        async def work(connection: Connection) -> None:
            await connection.execute(SQL["add_signing_secret"], *rows.signing_secret_row(secret))
            line = rows.signing_secret_log_row("created", secret, by=by, now=now)
            await connection.execute(SQL["add_log_line"], *line)

        await self._database.write(work)

    async def revoke_signing_secret(self, secret: SigningSecret, *, by: Actor, now: datetime) -> None:
        """See the port."""

        async def work(connection: Connection) -> None:
            if await connection.fetchval(SQL["revoke_signing_secret"], secret.id, to_milliseconds(now)) is not None:
                line = rows.signing_secret_log_row("revoked", secret, by=by, now=now)
                await connection.execute(SQL["add_log_line"], *line)

        await self._database.write(work)


async def _load_keyring(connection: Connection) -> Keyring | None:
    workspace = await connection.fetchval(SQL["load_workspace"])
    if workspace is None:
        return None
    settings = map(rows.settings_from, await fetch(connection, SQL["load_environments"]))
    keys = map(rows.key_from, await fetch(connection, SQL["load_keys"]))
    secrets = map(rows.signing_secret_from, await fetch(connection, SQL["load_signing_secrets"]))
    return rows.keyring_from(workspace, settings, keys, secrets)
