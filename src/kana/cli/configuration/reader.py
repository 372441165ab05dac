"""Strict YAML: one document of mappings, lists and scalars, without guessing.

YAML 1.2, so ``no`` and ``yes`` are text. Refused, with line and column: a key twice in one mapping,
anchors, aliases and tags, and what some readers take for a number and others for text (``1.10``, ``0123``,
``1e3``, ``0x1f``): it has to be quoted, or written as a plain whole number, ``1000`` or ``1_000``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from kana.errors import InvalidValue
from kana.model.config import BYTES_MAX, VALUES_MAX
from kana.model.text import shown

DEPTH_MAX = 10

_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,18}|[1-9][0-9]{0,2}(_[0-9]{3}){1,5})").fullmatch
_WHOLE_WITH_POINT = re.compile(r"-?(0|[1-9][0-9]{0,18})\.0+").fullmatch
_AMBIGUOUS = re.compile(
    r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?|0[xob][0-9a-fA-F_]+|[-+]?\.(inf|nan)", re.IGNORECASE
).fullmatch

Position = tuple[int, int]
"""Line and column, both from 1."""


class YamlRefused(InvalidValue):
    """The text is not strict YAML; the message and ``position`` say where."""

    def __init__(self, message: str, position: Position | None = None) -> None:
        super().__init__(at(position, message))
        self.position = position


@dataclass(frozen=True, slots=True)
class Document:
    """Plain data, and the position of each part by paths such as ``packages.draft[0].id``."""

    value: Any
    positions: dict[str, Position]

    def position(self, path: str | None) -> Position | None:
        """Return the position of a path, or else of the nearest part around it that the file has."""
        while path:
            if path in self.positions:
                return self.positions[path]
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return None


def at(position: Position | None, message: str) -> str:
    """Return a message with its position."""
    return message if position is None else f"line {position[0]}, column {position[1]}: {message}"


def read_yaml(content: bytes) -> Document:
    """Return the document in a file.

    Raises:
        YamlRefused: it is not YAML, not strict, or too large (32 MB, 2,000,000 values, 10 levels).
    """
    if len(content) > BYTES_MAX:
        raise YamlRefused(f"the file must be at most {BYTES_MAX} bytes, got {len(content)}")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise YamlRefused(f"the file must be in UTF-8; byte {error.start} is not valid") from None
    try:
        return _Builder(YAML(typ="safe").parse(text)).document()
    except MarkedYAMLError as error:
        words = " ".join(str(part) for part in (error.context, error.problem) if part)
        place = _place(error.problem_mark)
        hint = "; indent with spaces" if _begins_with_tab(text, place) else ""
        raise YamlRefused(f"{words}{hint}", place) from None
    except YAMLError as error:
        raise YamlRefused(" ".join(str(error).split())) from None


@dataclass(slots=True)
class _Builder:
    """Builds plain data from the parser's events, up to its bounds."""

    events: Iterator[Event]
    positions: dict[str, Position] = field(default_factory=dict)
    nodes: int = 0

    def document(self) -> Document:
        value: Any = None
        documents = 0
        for event in self.events:
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise YamlRefused("the file must contain one document", _start(event))
                value = self._node(next(self.events), "", depth=1)
        return Document(value, self.positions)

    def _node(self, event: Any, path: str, *, depth: int) -> Any:
        position = _start(event)
        self.nodes += 1
        if self.nodes > VALUES_MAX:
            raise YamlRefused(f"the file must contain at most {VALUES_MAX} values", position)
        if depth > DEPTH_MAX:
            raise YamlRefused(f"the file must be at most {DEPTH_MAX} levels deep", position)
        if isinstance(event, AliasEvent) or event.anchor is not None:
            raise YamlRefused("anchors (&) and aliases (*) are not supported: write the value out", position)
        if event.tag is not None:
            raise YamlRefused("tags (!) are not supported", position)
        self.positions.setdefault(path, position)
        if isinstance(event, MappingStartEvent):
            return self._mapping(path, depth)
        if isinstance(event, SequenceStartEvent):
            return self._sequence(path, depth)
        return _scalar(event, position)

    def _mapping(self, path: str, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not isinstance(event := next(self.events), MappingEndEvent):
            position = _start(event)
            if not isinstance(event, ScalarEvent) or event.anchor is not None:
                raise YamlRefused("a key must be plain text", position)
            key: str = event.value
            below = f"{path}.{key}" if path else key
            if key in found:
                first = self.positions[below]
                raise YamlRefused(f"the key {shown(key)} is repeated, first used in line {first[0]}", position)
            self.positions[below] = position
            found[key] = self._node(next(self.events), below, depth=depth + 1)
        return found

    def _sequence(self, path: str, depth: int) -> list[Any]:
        found: list[Any] = []
        while not isinstance(event := next(self.events), SequenceEndEvent):
            found.append(self._node(event, f"{path}[{len(found)}]", depth=depth + 1))
        return found


def _scalar(event: Any, position: Position) -> object:
    text: str = event.value
    if event.style:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _WHOLE(text):
        return int(text)
    if _WHOLE_WITH_POINT(text):  # Where text is expected, the error says to quote it, as for 5.
        return float(text)
    if _AMBIGUOUS(text):
        words = f"write a whole number as 1000000 or 1_000_000, and text in quotes as '{text}'"
        raise YamlRefused(f"{text} may be read as a number or as text: {words}", position)
    return text


def _begins_with_tab(text: str, place: Position | None) -> bool:
    lines = text.splitlines()
    return place is not None and place[0] <= len(lines) and lines[place[0] - 1].lstrip(" ").startswith("\t")


def _start(event: Event) -> Position:
    return _place(event.start_mark) or (1, 1)


def _place(mark: Any) -> Position | None:
    return None if mark is None else (mark.line + 1, mark.column + 1)
