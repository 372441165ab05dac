"""Events as producers send them, and how much is used after them."""

from __future__ import annotations

import json
from typing import Any

import httpx

from kana.model.environment import Environment
from kana.model.key import KeyKind
from tests.api.admin.calls import SHOW
from tests.support.serving import Served

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
LINES = "application/x-ndjson"


def event(number: str = "1", **attributes: Any) -> dict[str, Any]:
    """A CloudEvent that says one message by eve, who may use as many as she likes; None leaves an attribute out."""
    given = {"specversion": "1.0", "id": number, "source": "shop", "type": "message", "subject": "eve", **attributes}
    return {name: value for name, value in given.items() if value is not None}


def line(**fields: Any) -> dict[str, Any]:
    """The same in our own fields."""
    return {"userId": "eve", "featureId": "message", **fields}


def lines(*given: Any) -> bytes:
    """Lines of JSON; what is bytes stands as it is."""
    return b"\n".join(each if isinstance(each, bytes) else json.dumps(each).encode() for each in given)


def post(
    served: Served, body: Any, content_type: str | None, *, path: str = "/v1/events", **headers: str
) -> httpx.Response:
    """Send a body; what is not bytes is sent as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"Authorization": served.keys[Environment.TEST][KeyKind.PRIVATE], **headers}
    if content_type is not None:
        sent["Content-Type"] = content_type
    return served.http.post(path, content=content, headers=sent)


def results(response: httpx.Response) -> list[dict[str, Any]]:
    """The answers to the events of one request."""
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["results"]
    return found


def used(served: Served, user_id: str = "eve") -> int:
    """How many messages a user has used."""
    current = served.ask(SHOW, {"userId": user_id, "featureId": "message"})["showUsage"]["current"]
    return int(current["consumption"]["used"])


def said(result: dict[str, Any]) -> str:
    """What was wrong with one event, as code and message; "" where it was decided."""
    error = result["error"]
    return "" if error is None else f"{error['code']}: {error['message']}"
