"""Some events of Segment for the desk."""

from __future__ import annotations

from typing import Any

from kana.model.environment import Environment
from kana.model.key import KeyKind
from tests.dashboard.desk import HOSTILE, Desk

TRACKS: tuple[dict[str, Any], ...] = (
    {"userId": "user-0", "event": "Message sent", "properties": {"object": {"name": "message"}, "size": 3}},
    {"userId": "user-1", "event": "Message sent", "properties": {"object": {"name": "message"}}},
    {"userId": "user-0", "event": HOSTILE, "properties": {HOSTILE: HOSTILE}},
    {"userId": "nobody-yet", "event": "Named", "properties": {"featureId": "message"}},
    {"userId": "user-2", "event": "Named", "properties": {"featureId": "message", "delta": "many"}},
)


def send(desk: Desk, environment: Environment) -> None:
    """Post the tracks to the webhook."""
    for number, track in enumerate(TRACKS):
        answer = desk.served.http.post(
            "/segment/events",
            json={"type": "track", "messageId": f"message-{number}", **track},
            headers={"Authorization": desk.served.keys[environment][KeyKind.PRIVATE]},
        )
        assert answer.json() == {"success": True}, answer.text
