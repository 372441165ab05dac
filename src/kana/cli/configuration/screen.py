"""The output of a command: text, in colour if the terminal has it, or one JSON object at the end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from kana.cli.configuration.reader import Document
from kana.errors import KanaError

LOGO = r"""
    ▄▄     ▄▄
    ██   ▄█▀   ▄████▄   ██▄███▄   ▄████▄
    ██ ▄█▀     ▀▀  ██   ██   ██   ▀▀  ██
    ████▄      ▄█████   ██   ██   ▄█████
    ██  ▀█▄   ██   ██   ██   ██  ██   ██
    ▀▀    ▀▀   ▀███▀▀   ▀▀   ▀▀   ▀███▀▀
"""

_MARKS = {
    "create": ("+", "green"),
    "publish": ("+", "green"),
    "unarchive": ("+", "green"),
    "delete": ("-", "red"),
    "archive": ("-", "red"),
}


@dataclass(slots=True)
class Screen:
    """The output of a command. ``result`` is its answer in JSON."""

    as_json: bool
    result: dict[str, Any] = field(default_factory=dict)
    out: Console = field(default_factory=lambda: Console(highlight=False, soft_wrap=True))

    def logo(self) -> None:
        """Show Kana's logo."""
        self._say(LOGO, style="cyan")

    def note(self, text: str) -> None:
        """Show a remark."""
        self._say(f"i {text}")

    def passed(self, text: str) -> None:
        """Show that a check has passed."""
        self._say(f"✔ {text}", style="green")

    def done(self, text: str) -> None:
        """Show that the command is done."""
        self._say(f"\n✔ {text}", style="bold green")

    def stop(self, text: str) -> None:
        """Show why the command stops."""
        self._say(f"\ni {text}", style="bold")

    def line(self, line: Mapping[str, Any], document: Document) -> None:
        """Show a line of a review: an error in red with its position, a warning in yellow, or a change."""
        if line["severity"] == "ERROR":
            position = document.position(line.get("path"))
            where = "" if position is None else f" (line {position[0]}, column {position[1]})"
            self._say(f"✖ [ERROR] {line['text']}{where}", style="red")
        elif line["severity"] == "WARNING":
            self._say(f"! [WARNING] {line['text']}", style="yellow")
        else:
            mark, style = _MARKS.get(line.get("action", ""), ("~", "cyan"))
            self._say(f"{mark} {line['text']}", style=style)

    def _say(self, text: str, *, style: str = "") -> None:
        if not self.as_json:
            self.out.print(Text(text, style=style))


def run(as_json: bool, action: Callable[[Screen], bool]) -> None:
    """Run a command; exit 1 if it returns False, or if it raises an error, which is shown."""
    screen = Screen(as_json)
    with _telling(screen):
        is_fine = action(screen)
    if as_json:
        click.echo(json.dumps({"ok": is_fine, **screen.result}, indent=2, ensure_ascii=False))
    if not is_fine:
        raise click.exceptions.Exit(1)


@contextmanager
def _telling(screen: Screen) -> Iterator[None]:
    try:
        yield
    except (KanaError, OSError) as error:
        message = error.message if isinstance(error, KanaError) else f"{error.strerror}: {error.filename}"
        if screen.as_json:
            click.echo(json.dumps({"ok": False, **screen.result, "error": message}, indent=2, ensure_ascii=False))
        else:
            Console(stderr=True, highlight=False, soft_wrap=True).print(Text(f"✖ [ERROR]: {message}", style="red"))
        raise click.exceptions.Exit(1) from error
