from __future__ import annotations

import click

from kana.cli.database import database_option, read_settings, with_store
from kana.cli.story import ENVIRONMENT, USERS, Story
from kana.engine.access.access import Initialised
from kana.engine.ports.store import Store
from kana.model.key import KeyKind
from kana.model.text import counted


@click.command()
@database_option
def demo(database_url: str | None) -> None:
    """Fill an empty database with a year of data of an invented product."""
    from kana.app import system_clock

    settings = read_settings(database_url=database_url)

    async def fill(store: Store) -> tuple[Initialised, int]:
        story = Story(store, now=system_clock())
        return await story.tell(), story.entries

    made, entries = with_store(settings, fill)
    given = "" if database_url is None else f" --database-url {settings.database}"
    click.echo(
        f"{made.workspace!r} is in {settings.database}: {USERS} users, a year of history,"
        f" {counted(entries, 'entry', 'entries')},\n"
        f"all in the {ENVIRONMENT} environment, whose private key is\n\n"
        f"  {made.keys[ENVIRONMENT][KeyKind.PRIVATE]}\n\n"
        "To look around, run\n\n"
        f"  kana serve{given}\n\n"
        "It prints a link once: open it and choose a password to sign in."
    )
