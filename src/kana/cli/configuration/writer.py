"""The file in the layout of Kana's command line, plus the revision, add-ons, and the schema for editors."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from kana.cli.configuration.reader import read_yaml

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_@./ -]*").fullmatch
_WORDS = {"yes", "no", "on", "off", "y", "n", "true", "false", "null"}
"""Words that readers of older YAML may not take for text."""

_STATUSES = ("draft", "published")


def write_file(path: Path, text: str) -> None:
    """Replace a file as a whole, so that a reader finds either the old content or the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


def config_yaml(config: Mapping[str, Any], *, schema_url: str | None, now: datetime) -> str:
    """Return a KanaConfig as a file, which reads back as the same configuration.

    Fields without meaning are left out: the limit of a BINARY feature, overage that is not enabled.

    Source: github.com/usekana/cli 0.1.0, the file it writes.
    """
    text = "\n".join(_lines(config, schema_url=schema_url, now=now)) + "\n"
    read_yaml(text.encode())  # Read it back, so that nothing from a server can break the file.
    return text


def _lines(config: Mapping[str, Any], *, schema_url: str | None, now: datetime) -> Iterator[str]:
    if schema_url is not None:
        yield f"# yaml-language-server: $schema={schema_url}"
    yield "version: 1.0.0"
    if config.get("revision"):
        yield f"revision: {_text(config['revision'])}"
    yield "  "
    yield f"# Updated: {now:%a %b %d %Y %H:%M:%S} GMT+0000 (Coordinated Universal Time)"
    yield ""
    yield f"# PROJECT: {_comment(config.get('app'))}"
    yield ""
    yield "# FEATURES"
    yield from _list("features", [_feature_lines(feature) for feature in config.get("features") or []], indent=0)
    types = {feature["id"]: feature["type"] for feature in config.get("features") or []}
    for title, name in (("PACKAGES", "packages"), ("ADD-ONS", "addons")):
        if name == "packages" or _any(config.get(name)):
            yield ""
            yield f"# {title}"
            yield f"{name}:"
            for status in _STATUSES:
                packages = (config.get(name) or {}).get(status) or []
                yield from _list(status, [_package_lines(package, types) for package in packages], indent=2)


def _any(lists: Mapping[str, Sequence[Any]] | None) -> bool:
    return any((lists or {}).values())


def _feature_lines(feature: Mapping[str, Any]) -> list[str]:
    return [f"id: {_text(feature['id'])}", f"name: {_text(feature['name'])}", f"type: {feature['type']}"]


def _package_lines(package: Mapping[str, Any], types: Mapping[str, str]) -> list[str]:
    lines = [f"id: {_text(package['id'])}", f"name: {_text(package['name'])}"]
    if package.get("base_packages"):
        lines += _list("base_packages", [[_text(base)] for base in package["base_packages"]], indent=0)
    if package.get("trial_days") is not None:
        lines.append(f"trial_days: {_scalar(package['trial_days'])}")
    held = [_held_lines(held, types) for held in package.get("features") or []]
    return [*lines, *_list("features", held, indent=0)]


def _held_lines(held: Mapping[str, Any], types: Mapping[str, str]) -> list[str]:
    lines = [f"id: {_text(held['id'])}"]
    if types.get(held["id"]) == "CONSUMABLE" and "limit" in held:
        lines.append(f"limit: {_scalar(held['limit'])}")
    said = {name: value for name, value in held.items() if value is not None and value is not False}
    return lines + [f"{name}: {_scalar(value)}" for name, value in said.items() if name not in ("id", "limit")]


def _scalar(value: Mapping[str, int] | str | int | None) -> str:
    """Return a value on one line, a small mapping too."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{name}: {_scalar(each)}' for name, each in value.items())}}}"
    if isinstance(value, str):
        return _text(value)
    return json.dumps(value)


def _list(name: str, items: Sequence[Sequence[str]], *, indent: int) -> list[str]:
    """Return a list of blocks under a key; an empty list in brackets, as a key without a value is null."""
    space = " " * indent
    if not items:
        return [f"{space}{name}: []"]
    lines = [f"{space}{name}:"]
    for first, *rest in items:
        lines += [f"{space}  - {first}", *(f"{space}    {line}" for line in rest)]
    return lines


def _text(text: str) -> str:
    """Return text, quoted where a reader of YAML could take it for something else."""
    if _PLAIN(text) and not text.endswith(" ") and text.lower() not in _WORDS:
        return text
    return '"' + "".join(map(_character, text)) + '"'


def _character(character: str) -> str:
    if character in ('"', "\\"):
        return f"\\{character}"
    return character if character.isprintable() else f"\\U{ord(character):08X}"


def _comment(text: object) -> str:
    return "".join(character for character in str(text or "") if character.isprintable())
