from __future__ import annotations

import click

from kana.cli.configuration.options import force_option, live_option
from kana.cli.database import json_option

_FAILED = 'Config validation failed. Review above error(s) or pass in "--force" ("-f")'
_QUESTION = "You are about to publish a new Kana setup{}. This action cannot be undone. Do you wish to continue?"


@click.command()
@live_option
@force_option
@json_option
def publish(live: bool, force: bool, as_json: bool) -> None:
    """Publish your local kana setup, all of it or nothing.

    Shows what changes and asks, unless --force. What is published is what was shown: where the server was
    changed in between, nothing happens. --force also publishes over what was changed since the file was
    pulled; what no server can hold stays refused.
    """
    from kana.cli.configuration.local import file_of, remote_of, review, write_config
    from kana.cli.configuration.screen import Screen, run

    def action(screen: Screen) -> bool:
        screen.logo()
        remote, path = remote_of(screen, live=live), file_of(live=live)
        screen.result["published"] = False
        reviewed = review(screen, remote, path, force=force)
        if not reviewed.lines:
            return True
        if reviewed.has_errors and not force:
            screen.stop(_FAILED)
            return False
        if not _agreed(with_errors=reviewed.has_errors, force=force):
            return False
        screen.note("Publishing...")
        revision = reviewed.review.get("revision")
        shown = reviewed.document.value | ({"revision": revision} if revision else {})
        config = remote.publish(shown)
        screen.result |= {"published": True, "config": config}
        write_config(path, config, schema_url=remote.schema_url)
        screen.done("Kana config successfully updated!")
        return True

    run(as_json, action)


def _agreed(*, with_errors: bool, force: bool) -> bool:
    """Ask, where someone is to be asked. Nobody there to answer is a no."""
    if force and not with_errors:
        return True
    question = _QUESTION.format(" with the above issues" if with_errors else "")
    try:
        return click.confirm(f"\n{question}", default=False, err=True)
    except click.Abort:
        click.echo(err=True)
        return False
