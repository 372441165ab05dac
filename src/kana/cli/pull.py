from __future__ import annotations

import click

from kana.cli.configuration.options import force_option, live_option
from kana.cli.database import json_option


@click.command()
@live_option
@force_option
@json_option
def pull(live: bool, force: bool, as_json: bool) -> None:  # noqa: ARG001 - every command accepts --force, as Kana's do
    """Pull your current kana setup.

    Writes the server's setup to ./kana/kana.dev.yaml, or to ./kana/kana.yaml with --live, and overwrites the file.
    """
    from kana.cli.configuration.local import file_of, remote_of, write_config
    from kana.cli.configuration.screen import Screen, run

    def action(screen: Screen) -> bool:
        screen.logo()
        remote, path = remote_of(screen, live=live), file_of(live=live)
        screen.note("Pulling...")
        config = remote.pull()
        write_config(path, config, schema_url=remote.schema_url)
        screen.done(f"Local Kana config successfully synced! Check out your Kana config file at ./{path}")
        screen.result |= {"file": str(path), "config": config}
        return True

    run(as_json, action)
