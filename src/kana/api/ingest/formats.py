"""The formats of events: CloudEvents 1.0 in its three shapes, and lines with our own fields.

Source: CloudEvents 1.0, JSON format and HTTP binding; the meaning of its attributes is ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from kana.api.body import read_json
from kana.api.bulk import read_each
from kana.api.ingest.cloudevents import event_in, usage_of_event
from kana.api.ingest.fields import a_text, an_object, make_usage
from kana.api.parts import Parts, read_parts
from kana.errors import InvalidValue, KanaError
from kana.model.environment import Environment
from kana.model.text import shown
from kana.model.usage import Usage

EVENTS_MAX = 10_000
"""The most events of one request."""

_LINE_FIELDS = frozenset({"userId", "featureId", "delta", "action", "idempotencyKey", "timestamp", "metadata"})

Usages: TypeAlias = "Iterator[Usage | KanaError]"
"""Usages, one at a time; a wrong one is its error."""

ReadUsages = Callable[[bytes, Mapping[bytes, bytes], Environment], Usages]
"""Reads usages from a body. It raises InvalidValue at once if the body as a whole is wrong."""


def read_structured(body: bytes, _headers: Mapping[bytes, bytes], environment: Environment) -> Usages:
    """Read one CloudEvent, all of it in the body."""
    return read_each([body], lambda text: usage_of_event(read_json(text), environment))


def read_batch(body: bytes, _headers: Mapping[bytes, bytes], environment: Environment) -> Usages:
    """Read an array of CloudEvents."""
    parts = read_parts(body)
    if not isinstance(parts.value, list):
        raise InvalidValue(f"body must be a JSON array of events, got {shown(parts.taken(parts.value, 'body'))}")
    return _usages_of_events(parts, parts.value, environment)


def read_plain(body: bytes, _headers: Mapping[bytes, bytes], environment: Environment) -> Usages:
    """Read one CloudEvent or an array of them, from senders whose content type only says JSON."""
    parts = read_parts(body)
    return _usages_of_events(parts, parts.value if isinstance(parts.value, list) else [parts.value], environment)


def _usages_of_events(parts: Parts, events: list[Any], environment: Environment) -> Usages:
    _check_count(len(events))
    return read_each(_let_go(events), lambda event: usage_of_event(parts.taken(event, "event"), environment))


def _let_go(events: list[Any]) -> Iterator[Any]:
    """Yield events out of their list: to free all of a long one at once would hold everybody up."""
    events.reverse()
    while events:
        yield events.pop()


def read_binary(body: bytes, headers: Mapping[bytes, bytes], environment: Environment) -> Usages:
    """Read one CloudEvent with its attributes in ``ce-`` headers and its data in the body."""
    return read_each([headers], lambda given: usage_of_event(event_in(given, body), environment))


def read_lines(body: bytes, _headers: Mapping[bytes, bytes], environment: Environment) -> Usages:
    """Read one usage per line, with the fields of `recordUsage`. Empty lines are skipped."""
    lines = [(number, line) for number, line in enumerate(body.split(b"\n"), 1) if line.strip()]
    _check_count(len(lines))
    return read_each(lines, lambda line: _usage_of_line(*line, environment))


def _check_count(count: int) -> None:
    if not 1 <= count <= EVENTS_MAX:
        raise InvalidValue(f"body must contain 1 to {EVENTS_MAX} events, got {count}")


def _usage_of_line(number: int, line: bytes, environment: Environment) -> Usage:
    fields = an_object(read_json(line, what=f"line {number}"), f"line {number}")
    unknown = fields.keys() - _LINE_FIELDS
    if unknown:
        raise InvalidValue(f"line {number} has unknown fields: {', '.join(map(shown, sorted(unknown)))}")
    return make_usage(
        environment,
        user_id=a_text(fields, "userId"),
        feature_id=a_text(fields, "featureId"),
        delta=fields.get("delta", 1),
        action=fields.get("action"),
        key=a_text(fields, "idempotencyKey") if fields.get("idempotencyKey") is not None else None,
        time=fields.get("timestamp"),
        metadata=fields.get("metadata"),
    )
