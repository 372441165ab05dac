from __future__ import annotations

import json
from collections.abc import Iterator

import click

from kana.cli.address import http_address
from kana.cli.database import database_option, json_option, read_settings, whoever_runs_this, with_access
from kana.engine.access.access import Initialised
from kana.errors import InvalidValue
from kana.model.environment import Environment
from kana.model.key import KeyKind
from kana.model.text import identifier
from kana.settings import Settings

WORKSPACE = "My workspace"
"""The name of a workspace by default."""

_OPENS = {KeyKind.PRIVATE: "your servers, for POST /graphql", KeyKind.PUBLIC: "browsers"}


def _name(_context: click.Context, parameter: click.Parameter, value: str) -> str:
    try:
        return identifier(value, field=str(parameter.name))
    except InvalidValue as error:
        raise click.BadParameter(error.message) from None


@click.command()
@click.option(
    "--workspace",
    metavar="NAME",
    default=WORKSPACE,
    show_default=True,
    callback=_name,
    help="The name of the workspace.",
)
@database_option
@json_option
def init(workspace: str, database_url: str | None, as_json: bool) -> None:
    """Create the workspace and print its keys, which are not shown again."""
    settings = read_settings(database_url=database_url)
    made = with_access(settings, lambda access: access.initialise(workspace, by=whoever_runs_this()))
    if made is None:
        raise click.ClickException(
            f"{settings.database} already has a workspace. Nothing was changed."
            " `kana keys list` lists its keys; `kana keys create` creates another."
        )
    click.echo(json.dumps(_as_json(made), indent=2) if as_json else welcome(made, settings))


def welcome(made: Initialised, settings: Settings, *, address: str | None = None) -> str:
    """Return the text that shows the keys of a new workspace and a first call.

    ``address`` is where the server listens, by default as the settings say.
    """
    address = address or http_address(settings.host, settings.port)
    return "\n".join(
        [
            f"{made.workspace!r} is a new workspace in {settings.database}.",
            "Store its keys safely: they are not shown again.",
            "",
            *_key_lines(made),
            "",
            "Try the first one while `kana serve` runs:",
            "",
            f"  curl -s {address}/graphql -H 'Content-Type: application/json' \\",
            f"    -H 'Authorization: {made.keys[Environment.TEST][KeyKind.PRIVATE]}' \\",
            """    -d '{"query": "{ features { id name } }"}'""",
        ]
    )


def _key_lines(made: Initialised) -> Iterator[str]:
    for environment, pair in made.keys.items():
        for kind, key in pair.items():
            yield f"  {environment} {kind:<8} {key}  {_OPENS[kind]}"


def _as_json(made: Initialised) -> dict[str, object]:
    return {
        "workspace": made.workspace,
        "environments": {
            environment: {f"{kind}_key": key for kind, key in pair.items()} for environment, pair in made.keys.items()
        },
    }
