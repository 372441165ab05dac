"""The fields of an event or a line, and the usage made from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kana.errors import InvalidValue
from kana.model.environment import Environment
from kana.model.period import time_in
from kana.model.text import identifier, shown, whole_number
from kana.model.usage import Action, Usage


def make_usage(
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
    """Return the usage made from the fields.

    Raises:
        InvalidValue: one of them is not allowed; the message names it.
    """
    if action is not None and action not in ("ADD", "SET"):
        raise InvalidValue(f"action must be ADD or SET, got {shown(action)}", field="action")
    return Usage(
        environment=environment,
        user_id=identifier(user_id, field="userId"),
        feature_id=identifier(feature_id, field="featureId"),
        delta=whole_number(delta, field="delta"),
        action=Action.ADD if action is None else Action(action),
        key=key,
        timestamp=None if time is None else time_in(time, field="timestamp"),
        metadata=metadata,
    )


def a_text(fields: Mapping[str, Any], name: str, path: str = "") -> str:
    """Return a field that must be a text.

    Raises:
        InvalidValue: it is missing, empty or something else.
    """
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidValue(f"{path}{name} must be a non-empty text, got {shown(value)}", field=name)
    return value


def an_object(value: object, what: str) -> dict[str, Any]:
    """Return a value that must be an object; PHP writes an empty one as an empty array.

    Raises:
        InvalidValue: it is something else.
    """
    if value == []:
        return {}
    if not isinstance(value, dict):
        raise InvalidValue(f"{what} must be a JSON object, got {shown(value)}")
    return value
