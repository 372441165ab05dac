"""From a CloudEvent to a usage: the meaning of its attributes is ours, their format that of the specification.

Source: CloudEvents 1.0.2, "JSON Event Format" and "HTTP Protocol Binding".
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import unquote_to_bytes

from kana.api.body import read_json
from kana.api.ingest.fields import a_text, an_object, make_usage
from kana.errors import InvalidValue
from kana.model.environment import Environment
from kana.model.text import shown
from kana.model.usage import Usage

AMOUNTS = ("delta", "value", "quantity")
"""The names of the amount: ours, and those of producers made for other meters."""

_KNOWN = frozenset({*AMOUNTS, "featureId", "action", "metadata"})
_NOT_IN_TEXT = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]").search
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL).fullmatch
_JSON = re.compile(r"(?:[!-~]+/)?(?:[^;\s]+\+)?json", re.IGNORECASE).fullmatch


def usage_of_event(event: object, environment: Environment) -> Usage:
    """Return the usage of an event: by ``subject``, of ``data.featureId`` or else ``type``.

    The amount is in its data, and is one unit if there are no data, or only fields that cannot be an amount.
    By CloudEvents, ``source`` and ``id`` together identify an event that is sent again.

    Raises:
        InvalidValue: it is not a valid event, or its amount is unclear.
    """
    event = an_object(event, "event")
    if event.get("specversion") != "1.0":
        raise InvalidValue(f"specversion must be '1.0', got {shown(event.get('specversion'))}", field="specversion")
    data = an_object(_data(event), "data")
    named = data.get("featureId") is not None
    return make_usage(
        environment,
        user_id=a_text(event, "subject"),
        feature_id=a_text(data, "featureId", "data.") if named else a_text(event, "type"),
        delta=_amount(data),
        action=data.get("action"),
        key=event_key(_attribute(event, "source"), _attribute(event, "id")),
        time=event.get("time"),
        metadata=data.get("metadata"),
    )


def event_key(source: str, number: str) -> str:
    """Return the idempotency key of an event: a digest, because both parts may have any length and characters.

    Neither contains a NUL, so two events never share a digest.
    """
    return "ce-" + sha256(f"{source}\0{number}".encode()).hexdigest()


def _attribute(event: Mapping[str, Any], name: str) -> str:
    """Return a text attribute, which by the specification has no control characters."""
    text = a_text(event, name)
    if _NOT_IN_TEXT(text):
        raise InvalidValue(
            f"{name} must not contain control characters or lone surrogates, got {shown(text)}", field=name
        )
    return text


def _data(event: Mapping[str, Any]) -> object:
    """Return the data of an event; data in base64 are JSON by default.

    Raises:
        InvalidValue: they are given twice, or cannot be read.
    """
    data, packed = event.get("data"), event.get("data_base64")
    if packed is None:
        return {} if data is None else data
    if data is not None:
        raise InvalidValue("an event must not have both data and data_base64", field="data_base64")
    content_type = event.get("datacontenttype")
    if content_type is not None and not is_json(content_type):
        raise InvalidValue(
            f"data_base64 must contain JSON, but datacontenttype is {shown(content_type)}", field="datacontenttype"
        )
    try:
        unpacked = base64.b64decode(packed, validate=True)
    except (TypeError, ValueError):
        raise InvalidValue(f"data_base64 must be base64, got {shown(packed)}", field="data_base64") from None
    return read_json(unpacked, what="data_base64") if unpacked else {}


def is_json(content_type: object) -> bool:
    """Whether a media type is JSON: its subtype is json or ends in +json."""
    return isinstance(content_type, str) and _JSON(content_type.partition(";")[0].strip()) is not None


def _amount(data: Mapping[str, Any]) -> object:
    """Return the amount, 1 if there is none and all fields are known.

    Raises:
        InvalidValue: there are two amounts, or none among fields that may be one: an amount is never guessed.
    """
    given = [name for name in AMOUNTS if name in data]
    if len(given) > 1:
        raise InvalidValue(f"data must have one amount, got {' and '.join(given)}", field="data")
    if given:
        return data[given[0]]
    unknown = sorted(set(data) - _KNOWN)
    if unknown:
        raise InvalidValue(
            f"data must have an amount as delta, value or quantity, 1 for one unit; got only {shown(unknown[0])}"
            + (f" and {len(unknown) - 1} more" if unknown[1:] else ""),
            field="data",
        )
    return 1


def event_in(headers: Mapping[bytes, bytes], body: bytes) -> dict[str, Any]:
    """Return an event whose attributes are in ``ce-`` headers and whose data are the body.

    Raises:
        InvalidValue: a header or the body cannot be read.
    """
    event: dict[str, Any] = {
        name[3:].decode("latin-1"): _unescaped(name, value) for name, value in headers.items() if name[:3] == b"ce-"
    }
    event.pop("data_base64", None)  # It is no attribute, and the data are in the body.
    event["data"] = read_json(body) if body else None
    return event


def _unescaped(name: bytes, value: bytes) -> str:
    """Return the text of a header: without quotes, and then percent-decoded once, as UTF-8."""
    try:
        text = value.decode("utf-8").strip()
        if quoted := _QUOTED(text):
            text = re.sub(r"\\(.)", r"\1", quoted[1])
        return unquote_to_bytes(text).decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidValue(f"{name.decode('latin-1')} must be UTF-8 in percent-encoding, got {shown(value)}") from None
