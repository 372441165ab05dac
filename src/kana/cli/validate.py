from __future__ import annotations

import click

from kana.cli.configuration.options import force_option, live_option
from kana.cli.database import json_option


@click.command()
@live_option
@force_option
@json_option
def validate(live: bool, force: bool, as_json: bool) -> None:
    """Compare your current setup with your local setup.

    Shows what publishing would change, and for how many users. Exits 1 only if the setup cannot be published.
    """
    from kana.cli.configuration.local import file_of, remote_of, review
    from kana.cli.configuration.screen import Screen, run

    def action(screen: Screen) -> bool:
        remote = remote_of(screen, live=live)
        return not review(screen, remote, file_of(live=live), force=force).has_errors

    run(as_json, action)
