from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kana.cli.configuration.options import force_option, live_option
from kana.cli.database import json_option

if TYPE_CHECKING:
    from kana.cli.configuration.screen import Screen

_FAILED = 'Config validation failed. Review above error(s) or pass in "--force" ("-f")'
_MISSING = "Archive or delete these {}? Deleting cannot be undone. `kana pull` writes them into the file instead."
_QUESTION = "You are about to publish a new Kana setup{}. This action cannot be undone. Do you wish to continue?"


@click.command()
@live_option
@force_option
@click.option(
    "--archive-missing",
    is_flag=True,
    help="Archive packages, and delete drafts, that are on the server and were never in the file.",
)
@json_option
def publish(live: bool, force: bool, archive_missing: bool, as_json: bool) -> None:
    """Publish your local kana setup, all of it or nothing.

    Shows the changes and asks for confirmation, unless --force. If the server changed in the meantime, nothing
    is published. --force also overwrites changes made since the file was pulled; an invalid setup is still
    refused. Packages that are on the server and were never in the file are archived, and drafts deleted, only
    after a separate confirmation, which --archive-missing gives.
    """
    from kana.cli.configuration.local import file_of, remote_of, review, write_config
    from kana.cli.configuration.screen import run

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
        if not archive_missing and not _may_archive(screen, reviewed.missing, path, force=force):
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


def _may_archive(screen: Screen, missing: Sequence[str], path: Path, *, force: bool) -> bool:
    """Ask about what was never in the file: whoever created it on the server may not expect it to go."""
    if not missing:
        return True
    screen.result["missing"] = list(missing)
    screen.stop(f"./{path} was not pulled from the server's current setup, and lacks some of it:")
    for text in missing:
        screen.note(text)
    if force:
        screen.stop(
            "Nothing was published. `kana pull` writes them into the file; --archive-missing archives or deletes them."
        )
        return False
    return _confirmed(_MISSING.format(len(missing)))


def _agreed(*, with_errors: bool, force: bool) -> bool:
    """Ask for confirmation where it is needed. No answer means no."""
    if force and not with_errors:
        return True
    return _confirmed(_QUESTION.format(" with the above issues" if with_errors else ""))


def _confirmed(question: str) -> bool:
    try:
        return click.confirm(f"\n{question}", default=False, err=True)
    except click.Abort:
        click.echo(err=True)
        return False
