"""What commands that use the database share: the option that names it, opening and closing."""

from __future__ import annotations

import asyncio
import getpass
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import click

from kana.engine.access.access import AccessEngine
from kana.engine.ports.store import Store
from kana.errors import DatabaseRefused, InvalidValue
from kana.model.environment import Actor
from kana.settings import Settings

_T = TypeVar("_T")

database_option = click.option("--database-url", metavar="URL", help="The database; overrides KANA_DATABASE_URL.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


def read_settings(**flags: str | int | None) -> Settings:
    """Return the settings from this process's environment and the given flags.

    Raises:
        click.UsageError: a value is not allowed.
    """
    try:
        return Settings.from_mapping(os.environ, **flags)
    except InvalidValue as error:
        raise click.UsageError(error.message) from None


def with_store(settings: Settings, action: Callable[[Store], Awaitable[_T]]) -> _T:
    """Run an action on the database and close it. The server may be running."""

    async def run() -> _T:
        from kana.app import open_store

        store = await open_store(settings)
        try:
            return await action(store)
        finally:
            await store.close()

    return asyncio.run(run())


def with_access(settings: Settings, action: Callable[[AccessEngine], Awaitable[_T]]) -> _T:
    """Run an action on the keys and close the database. The server may be running."""
    from kana.app import system_clock

    return with_store(settings, lambda store: action(AccessEngine(store.keys, clock=system_clock)))


def require_database(settings: Settings) -> Settings:
    """Return the settings if their database may exist, so that a command that only reads creates no file.

    Raises:
        DatabaseRefused: the file does not exist.
    """
    path = settings.sqlite_path
    if path is not None and not path.exists():
        raise DatabaseRefused(f"There is no database at {Path.cwd() / path}; `kana init` creates one.")
    return settings


def whoever_runs_this() -> Actor:
    """Return the user who runs the command, as the log of changes names them."""
    try:
        return Actor(kind="cli", name=getpass.getuser())
    except (KeyError, OSError):  # A container may run as a user id without a name.
        return Actor(kind="cli", name=str(os.getuid()))
