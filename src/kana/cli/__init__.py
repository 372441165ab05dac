"""The command line. A command reads its settings, calls the engine, and prints the result.

Exit status 0: done. 1: a problem, described in one sentence on standard error. 2: a wrong command,
option or setting.
"""

from __future__ import annotations

from typing import Any

import click

from kana.cli.audit import audit
from kana.cli.bootstrap import bootstrap
from kana.cli.colleagues import colleagues
from kana.cli.copy import copy
from kana.cli.demo import demo
from kana.cli.init import init
from kana.cli.keys import keys
from kana.cli.publish import publish
from kana.cli.pull import pull
from kana.cli.serve import serve
from kana.cli.user import user
from kana.cli.validate import validate
from kana.errors import KanaError

FORMER_NAMES = {"users": "colleagues"}
"""Former names of commands, which scripts may still use."""


class _Commands(click.Group):
    """A group whose commands print an error of Kana as a sentence, not as a traceback."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by its name or its former name."""
        return super().get_command(ctx, FORMER_NAMES.get(cmd_name, cmd_name))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KanaError as error:
            raise click.ClickException(error.message) from error


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="kana-server", message="kana %(version)s")
def main() -> None:
    """Answer whether a user may use a feature now, and record usage."""


for _command in (serve, init, demo, keys, colleagues, user, audit, copy, pull, validate, publish, bootstrap):
    main.add_command(_command)
