"""What people see, in colour where the terminal has it; or one JSON object at the end, for programs."""

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

_MARKS = {"create": ("+", "green"), "publish": ("+", "green"), "delete": ("-", "red"), "archive": ("-", "red")}


@dataclass(slots=True)
class Screen:
    """Where a command says what it does. ``result`` is what it answers in JSON."""

    as_json: bool
    result: dict[str, Any] = field(default_factory=dict)
    out: Console = field(default_factory=lambda: Console(highlight=False, soft_wrap=True))

    def logo(self) -> None:
        """Show who speaks."""
        self._say(LOGO, style="cyan")

    def note(self, text: str) -> None:
        """Say something that just is so."""
        self._say(f"i {text}")

    def passed(self, text: str) -> None:
        """Say that a check is passed."""
        self._say(f"✔ {text}", style="green")

    def done(self, text: str) -> None:
        """Say that it is done."""
        self._say(f"\n✔ {text}", style="bold green")

    def stop(self, text: str) -> None:
        """Say why it goes no further."""
        self._say(f"\ni {text}", style="bold")

    def line(self, line: Mapping[str, Any], document: Document) -> None:
        """Show one line of a review: red for an error, with its place, yellow for a warning, else what changes."""
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
    """Run a command: exit 1 where it returns False, or where Kana says no, with the words it says it in."""
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
