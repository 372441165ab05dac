from __future__ import annotations

import click

from kana.cli.database import database_option, read_settings, require_database, whoever_runs_this, with_store
from kana.engine.ports.store import Store
from kana.engine.users.exports import document
from kana.model.environment import Environment

_environment_option = click.option(
    "--environment",
    type=click.Choice([environment.value for environment in Environment]),
    required=True,
    help="The environment that the user is in.",
)


@click.group()
def user() -> None:
    """Export a user of your product, or delete them. The server may be running."""


@user.command("export")
@click.argument("id")
@_environment_option
@database_option
def export(id: str, environment: str, database_url: str | None) -> None:  # noqa: A002 - the word of the argument
    """Print all that is kept of the user ID, as one JSON object."""
    settings = require_database(read_settings(database_url=database_url))

    async def written(store: Store) -> None:
        from kana.app import create_engine

        engine, where = create_engine(store), Environment(environment)
        await engine.accounts.user(where, id)  # So that nothing is printed if there is none.
        async for text in document(id, engine.exports.records(where, id)):
            click.echo(text, nl=False)

    with_store(settings, written)


@user.command("delete")
@click.argument("id")
@_environment_option
@click.option("--confirm", metavar="ID", help="The same id again, instead of typing it when asked.")
@database_option
def delete(id: str, environment: str, confirm: str | None, database_url: str | None) -> None:  # noqa: A002
    """Delete the user ID and everything that says who they are. What they used stays in every sum.

    It cannot be undone. The id has to be typed a second time, or given with --confirm.
    """
    settings = require_database(read_settings(database_url=database_url))
    if confirm is None:
        confirm = click.prompt(f"Type {id} to delete this user", type=str, err=True)
    if confirm != id:
        raise click.ClickException(f"{confirm!r} is not {id!r}; nothing was deleted.")

    async def deleted(store: Store) -> str:
        from kana.app import create_engine

        engine, where = create_engine(store), Environment(environment)
        return (await engine.deletions.delete(where, id, by=whoever_runs_this(), wait_s=None)).id

    click.echo(f"The user was deleted. The log calls them {with_store(settings, deleted)}.")
