"""Reading the messages that Segment and its libraries send.

Source: segment.com, "HTTP Tracking API" and "Spec: Common Fields".
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kana.api.parts import Parts, read_parts
from kana.errors import InvalidValue, KanaError
from kana.model.period import time_in
from kana.model.segment import Message, MessageType, SegmentEvent
from kana.model.text import identifier, shown, textual

MESSAGE_BYTES_MAX = 32 * 1024
"""The longest message, in bytes of its compact JSON: Segment's own limit, 32 KB."""

MESSAGE_DEPTH_MAX = 32
"""The deepest nesting of a message."""

MESSAGES_MAX = 2500
"""The most messages of one batch: Segment's own limit."""

_NOTHING: tuple[object, ...] = (None, [], "")
"""The values that count as an empty object, which PHP writes as an empty array."""

_WITH_USER = (MessageType.IDENTIFY, MessageType.TRACK)


@dataclass(frozen=True, slots=True)
class Read:
    """The messages of a request, and by their places the reasons why others cannot be stored."""

    messages: list[Message]
    rejected: list[tuple[int, str]]


def read_webhook(parts: Parts) -> Read:
    """Read the one message of Kana's published webhook. An identify or a track without a user is refused.

    Raises:
        InvalidValue: it is not a message that can be stored.

    Source: docs.usekana.com/…/segment-integration/track-feature-usage-segment: "no userId: 400 Bad Request".
    """
    fields = parts.all_but()
    message = _read_message(fields, _type_of(fields))
    if message.type in _WITH_USER and message.user_id is None:
        raise InvalidValue(message.problem or "userId must be given", field="userId")
    return Read([message], [])


def read_single(kind: MessageType) -> Callable[[Parts], Read]:
    """Return the reader of the one message of an endpoint for a type."""
    return lambda parts: Read([_read_message(parts.all_but(), kind)], [])


def read_batch(parts: Parts) -> Read:
    """Read a batch. A message that cannot be stored never fails the others, unless none can be stored.

    Raises:
        InvalidValue: it is no batch, or none of its messages can be stored.
    """
    beside = parts.all_but("batch")
    batch = parts.value.get("batch")
    if not isinstance(batch, list) or not 1 <= len(batch) <= MESSAGES_MAX:
        raise InvalidValue(f"batch must be an array of 1 to {MESSAGES_MAX} messages", field="batch")
    read = Read([], [])
    for index, item in enumerate(batch):
        try:
            fields = _object(parts.taken(item, "message"), "message")
            read.messages.append(_read_message(fields, _type_of(fields), sent_at=beside.get("sentAt")))
        except KanaError as error:
            read.rejected.append((index, error.message))
    if not read.messages:
        raise InvalidValue(f"no message of the batch can be stored; the first: {read.rejected[0][1]}", field="batch")
    return read


def read_again(event: SegmentEvent) -> Message:
    """Return the message of a stored event, read again, because a failed event may be valid by now.

    Raises:
        InvalidValue: the message can no longer be stored.
    """
    return _read_message(read_parts(event.raw).all_but(), event.type)


def _read_message(fields: Mapping[str, Any], kind: MessageType, *, sent_at: object = None) -> Message:
    """Return a message. One that cannot be stored is refused; one that can be stored but not used has a problem.

    ``sent_at`` is the time of its batch, for a message without a time of its own.

    Raises:
        InvalidValue: it is too long or too deep, or its id is not valid.
    """
    raw = _raw(fields)
    message_id = textual(fields.get("messageId"))
    if message_id in (None, ""):  # Without an id, nobody can tell when the same message is sent again.
        message_id = f"kana-{secrets.token_hex(16)}"
    if not isinstance(message_id, str):
        raise InvalidValue(f"messageId must be a text, got {shown(message_id)}", field="messageId")
    problems = _Problems()
    user_id = problems.collect(_user_id, fields.get("userId"))
    event = problems.collect(_event, fields.get("event"))
    times = _times(problems, fields, sent_at)
    properties = problems.collect(_properties, fields.get("properties"))
    traits = problems.collect(_traits, fields.get("traits"))
    return Message(
        id=identifier(message_id, field="messageId"),
        type=kind,
        user_id=user_id,
        event=event,
        properties=properties or {},
        traits=traits or {},
        **times,
        raw=raw,
        problem=problems.first,
    )


class _Problems:
    """Reads fields one after the other, and remembers the error of the first wrong one."""

    def __init__(self) -> None:
        self.first: str | None = None

    def collect(self, read: Callable[[Any], Any], value: object) -> Any:
        """Return the result of ``read`` for a value; None if it refuses it."""
        try:
            return read(value)
        except InvalidValue as error:
            self.first = self.first or error.message
            return None


def _raw(fields: Mapping[str, Any]) -> str:
    _check_depth(fields)
    raw = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    size = len(raw.encode())
    if size > MESSAGE_BYTES_MAX:
        raise InvalidValue(f"a message must be at most {MESSAGE_BYTES_MAX} bytes, got {size}")
    return raw


def _check_depth(value: object) -> None:
    level = [value]
    for _ in range(MESSAGE_DEPTH_MAX):
        deeper = [item.values() if isinstance(item, dict) else item for item in level if isinstance(item, dict | list)]
        level = [item for items in deeper for item in items]
        if len(level) > MESSAGE_BYTES_MAX:  # Each takes at least one byte.
            raise InvalidValue(f"a message must be at most {MESSAGE_BYTES_MAX} bytes, got more")
    if any(isinstance(item, dict | list) for item in level):
        raise InvalidValue(f"a message must be at most {MESSAGE_DEPTH_MAX} levels deep")


def _type_of(fields: Mapping[str, Any]) -> MessageType:
    kind = fields.get("type")
    if kind in tuple(MessageType):
        return MessageType(kind)
    raise InvalidValue(f"type must be one of {', '.join(MessageType)}, got {shown(kind)}", field="type")


def _user_id(value: object) -> str | None:
    value = textual(value)  # Libraries send what they are given.
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise InvalidValue(f"userId must be a text, got {shown(value)}", field="userId")
    return identifier(value, field="userId")


def _event(value: object) -> str | None:
    value = textual(value)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise InvalidValue(f"event must be a text, got {shown(value)}", field="event")
    return identifier(value, field="event")


def _times(problems: _Problems, fields: Mapping[str, Any], sent_at: object) -> dict[str, datetime | None]:
    """Return the time of a message, or if it has none, the time of its sender's clock."""
    if fields.get("timestamp") not in (None, ""):
        return {"timestamp": problems.collect(_time_of("timestamp"), fields["timestamp"])}
    if fields.get("sentAt") is not None:
        sent_at = fields["sentAt"]
    return {
        "timestamp": None,
        "original_timestamp": problems.collect(_time_of("originalTimestamp"), fields.get("originalTimestamp")),
        "sent_at": problems.collect(_time_of("sentAt"), sent_at),
    }


def _time_of(field: str) -> Callable[[object], datetime | None]:
    def read(value: object) -> datetime | None:
        return None if value is None or value == "" else time_in(value, field=field)

    return read


def _object(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidValue(f"{what} must be a JSON object, got {shown(value)}")
    return value


def _properties(value: object) -> dict[str, Any]:
    return {} if value in _NOTHING else _object(value, "properties")


def _traits(value: object) -> dict[str, Any]:
    return {} if value in _NOTHING else _object(value, "traits")
