"""From what producers send to usages: CloudEvents 1.0 in its three shapes, and lines of our own fields.

Source: CloudEvents 1.0, JSON format and HTTP binding; which of its attributes mean what is ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from typing import Any, TypeAlias
from urllib.parse import unquote

from graphql import GraphQLError

from kana.api.body import read_json
from kana.api.bulk import read_each
from kana.api.scalars import read_time
from kana.errors import InvalidValue, KanaError
from kana.model.environment import Environment
from kana.model.text import identifier, shown
from kana.model.usage import Action, Usage

EVENTS_MAX = 10_000
"""Most events of one request."""

_LINE_FIELDS = frozenset({"userId", "featureId", "delta", "action", "idempotencyKey", "timestamp", "metadata"})

Usages: TypeAlias = "Iterator[Usage | KanaError]"
"""Usages as they are asked for; one that is wrong is its error."""

ReadUsages = Callable[[bytes, Mapping[bytes, bytes], Environment], Usages]
"""Reads a body into usages. Raises InvalidValue, at once, for a body that is no such thing."""


def read_structured(body: bytes, _headers: Mapping[bytes, bytes], environment: Environment) -> Usages:
    """Read one CloudEvent, whole in the body."""
    return read_each([body], lambda text: _usage_of_event(read_json(text), environment))


def read_batch(body: bytes, _headers: Mapping[bytes, bytes], environment: Environment) -> Usages:
    """Read an array of CloudEvents."""
    events = read_json(body)
    if not isinstance(events, list):
        raise InvalidValue(f"body must be a JSON array of events, got {shown(events)}")
    return _usages_of_events(events, environment)


def read_plain(body: bytes, _headers: Mapping[bytes, bytes], environment: Environment) -> Usages:
    """Read one CloudEvent or an array of them, from senders that say no more than that it is JSON."""
    events = read_json(body)
    return _usages_of_events(events if isinstance(events, list) else [events], environment)


def _usages_of_events(events: list[Any], environment: Environment) -> Usages:
    _check_count(len(events))
    return read_each(events, lambda event: _usage_of_event(event, environment))


def read_binary(body: bytes, headers: Mapping[bytes, bytes], environment: Environment) -> Usages:
    """Read one CloudEvent with its attributes in ``ce-`` headers and its data in the body."""
    event: dict[str, Any] = {
        name[3:].decode("latin-1"): unquote(value.decode("latin-1"))
        for name, value in headers.items()
        if name.startswith(b"ce-")
    }
    event["data"] = read_json(body) if body else {}
    return read_each([event], lambda event: _usage_of_event(event, environment))


def read_lines(body: bytes, _headers: Mapping[bytes, bytes], environment: Environment) -> Usages:
    """Read one usage a line, in the fields of `recordUsage`. Empty lines are passed over."""
    lines = [(number, line) for number, line in enumerate(body.split(b"\n"), 1) if line.strip()]
    _check_count(len(lines))
    return read_each(lines, lambda line: _usage_of_line(*line, environment))


def _check_count(count: int) -> None:
    if not 1 <= count <= EVENTS_MAX:
        raise InvalidValue(f"body must hold 1 to {EVENTS_MAX} events, got {count}")


def _usage_of_line(number: int, line: bytes, environment: Environment) -> Usage:
    fields = _object(read_json(line, what=f"line {number}"), f"line {number}")
    unknown = fields.keys() - _LINE_FIELDS
    if unknown:
        raise InvalidValue(f"line {number} holds unknown fields: {', '.join(map(shown, sorted(unknown)))}")
    return _usage(
        environment,
        user_id=_text(fields, "userId"),
        feature_id=_text(fields, "featureId"),
        delta=fields.get("delta"),
        action=fields.get("action"),
        key=_text(fields, "idempotencyKey") if fields.get("idempotencyKey") is not None else None,
        time=fields.get("timestamp"),
        metadata=fields.get("metadata"),
    )


def _usage_of_event(event: object, environment: Environment) -> Usage:
    """Return what an event says was used: by ``subject``, of ``data.featureId`` or else ``type``, ``data.delta`` or 1.

    ``source`` and ``id`` together say that it is the same event again, as CloudEvents promises of them.
    """
    event = _object(event, "event")
    if event.get("specversion") != "1.0":
        raise InvalidValue(f"specversion must be '1.0', got {shown(event.get('specversion'))}", field="specversion")
    data = event.get("data")
    data = {} if data is None else _object(data, "data")
    feature_id = _text(data, "featureId", "data.") if data.get("featureId") is not None else _text(event, "type")
    return _usage(
        environment,
        user_id=_text(event, "subject"),
        feature_id=feature_id,
        delta=data.get("delta"),
        action=data.get("action"),
        key=_event_key(_text(event, "source"), _text(event, "id")),
        time=event.get("time"),
        metadata=data.get("metadata"),
    )


def _event_key(source: str, number: str) -> str:
    """Return the idempotency key of an event: a digest, as both parts may be of any length and script."""
    return "ce-" + sha256(f"{source}\0{number}".encode()).hexdigest()


def _usage(
    environment: Environment,
    *,
    user_id: str,
    feature_id: str,
    delta: object,
    action: object,
    key: str | None,
    time: object,
    metadata: object,
) -> Usage:
    if action is not None and action not in ("ADD", "SET"):
        raise InvalidValue(f"action must be ADD or SET, got {shown(action)}", field="action")
    return Usage(
        environment=environment,
        user_id=identifier(user_id, field="userId"),
        feature_id=identifier(feature_id, field="featureId"),
        delta=1 if delta is None else _whole(delta),
        action=Action.ADD if action is None else Action(action),
        key=key,
        timestamp=None if time is None else _time(time),
        metadata=metadata,
    )


def _whole(value: object) -> int:
    if type(value) is not int:
        raise InvalidValue(f"delta must be a whole number, got {shown(value)}", field="delta")
    return value


def _time(value: object) -> Any:
    try:
        return read_time(value)
    except GraphQLError as error:
        raise InvalidValue(error.message, field="timestamp") from None


def _text(fields: Mapping[str, Any], name: str, path: str = "") -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidValue(f"{path}{name} must be a text that is not empty, got {shown(value)}", field=name)
    return value


def _object(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidValue(f"{what} must be a JSON object, got {shown(value)}")
    return value
