"""The local file: its path, its content, and the server's review of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kana.cli.configuration.checks import ConfigInvalid, check
from kana.cli.configuration.reader import Document, read_yaml
from kana.cli.configuration.remote import Remote, with_dotenv
from kana.cli.configuration.screen import Screen
from kana.cli.configuration.writer import config_yaml, write_file

FOLDER = Path("kana")
EXAMPLE = FOLDER / "kana.example.yaml"
_GONE = ("archive", "delete")


def file_of(*, live: bool) -> Path:
    """Return the path of an environment's file, relative to the current folder."""
    return FOLDER / ("kana.yaml" if live else "kana.dev.yaml")


def remote_of(screen: Screen, *, live: bool) -> Remote:
    """Return the server that the environment and ``.env`` name, and report that its key was found."""
    remote = Remote(with_dotenv(os.environ, Path()), live=live)
    screen.note("Loaded API key from environment variable.")
    return remote


def write_config(path: Path, config: Mapping[str, Any], *, schema_url: str | None) -> None:
    """Write a configuration from a server, or an example."""
    from kana.app import system_clock

    try:
        text = config_yaml(config, schema_url=schema_url, now=system_clock())
    except (KeyError, TypeError, AttributeError) as error:
        raise ConfigInvalid(f"the server sent a configuration that cannot be written: {error!r}") from error
    write_file(path, text)


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A file, the revision that it was made from, and the review of publishing it."""

    document: Document
    revision: str | None
    review: Mapping[str, Any]

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The lines of the review; made from ``data`` alone if the server sends no more."""
        lines: list[dict[str, Any]] | None = self.review.get("lines")
        return [_line(text) for text in self.review["data"]] if lines is None else lines

    @property
    def missing(self) -> list[str]:
        """What is on the server and was never in the file, in sentences; publishing archives or deletes it.

        If the file was made from the server's current revision, somebody removed it from the file on purpose.
        """
        if self.revision is not None and self.revision == self.review.get("revision"):
            return []
        return [line["text"] for line in self.lines if line["severity"] == "CHANGE" and line.get("action") in _GONE]

    @property
    def has_errors(self) -> bool:
        """Whether an error prevents publishing."""
        return any(line["severity"] == "ERROR" for line in self.lines)


def review(screen: Screen, remote: Remote, path: Path, *, force: bool) -> Reviewed:
    """Check a file, ask the server what publishing it would do, and show both.

    ``force`` removes the revision, so that changes made in the meantime are no error.

    Raises:
        ConfigInvalid, YamlRefused: a check fails. RemoteRefused: the server does not answer or refuses.
    """
    document = read_local(path)
    check(document, screen.passed)
    revision = document.value.get("revision")
    if force:
        document.value.pop("revision", None)
    reviewed = Reviewed(document, revision, remote.validate(document.value))
    for line in reviewed.lines:
        screen.line(line, document)
    if not reviewed.lines:
        screen.done("The local config file is up to date.")
    screen.result |= {"file": str(path), "up_to_date": not reviewed.lines, "lines": reviewed.lines}
    return reviewed


def read_local(path: Path) -> Document:
    """Return the content of a file.

    Raises:
        ConfigInvalid: there is no file. YamlRefused: it is not strict YAML.
    """
    try:
        return read_yaml(path.read_bytes())
    except FileNotFoundError:
        raise ConfigInvalid(f"no file ./{path} found; `kana pull` creates it from the server's setup") from None


def _line(text: str) -> dict[str, Any]:
    for severity in ("ERROR", "WARNING"):
        if f"[{severity}]" in text:
            return {"severity": severity, "text": text.replace(f"[{severity}]", "").strip()}
    return {"severity": "CHANGE", "text": text}
