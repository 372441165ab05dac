"""The documents and messages that the tests of Segment send."""

from __future__ import annotations

from typing import Any

import httpx

from kana.model.environment import Environment
from kana.model.key import KeyKind
from tests.support.serving import Served

RULE = "id name eventName conditions { path value } featureId isReplayed createdAt updatedAt"
EVENT = "id messageId type userId event status reason featureId ruleId delta timestamp receivedAt raw"

CREATE_RULE = f"mutation($input: CreateMappingRuleInput!) {{ createMappingRule(input: $input) {{ {RULE} }} }}"
UPDATE_RULE = (
    "mutation($id: String!, $input: UpdateMappingRuleInput!)"
    f" {{ updateMappingRule(id: $id, input: $input) {{ {RULE} }} }}"
)
DELETE_RULE = f"mutation($id: String!) {{ deleteMappingRule(id: $id) {{ {RULE} }} }}"
RULES = f"{{ mappingRules {{ {RULE} }} }}"
EVENTS = (
    "query($status: SegmentEventStatus, $first: Int, $after: String)"
    f" {{ segmentEvents(status: $status, first: $first, after: $after) {{ {EVENT} }} }}"
)
USED = """query($userId: String!, $featureId: String!) {
  showUsage(userId: $userId, featureId: $featureId) { current { consumption { used } } }
}"""
USERS = "{ users { id name email billingId } }"


def key_of(served: Served, environment: Environment = Environment.TEST) -> str:
    return served.keys[environment][KeyKind.PRIVATE]


def post(served: Served, path: str, body: Any, *, key: str | None = None, **more: Any) -> httpx.Response:
    """Post JSON with a private key, that of the test environment unless another is given."""
    return served.http.post(path, json=body, headers={"Authorization": key or key_of(served)}, **more)


def webhook(served: Served, **message: Any) -> None:
    """Post one message to the webhook, which takes it."""
    response = post(served, "/segment/events", message)
    assert (response.status_code, response.json()) == (200, {"success": True}), response.text


def events(served: Served, **variables: Any) -> list[dict[str, Any]]:
    """What was kept, the newest first."""
    found: list[dict[str, Any]] = served.ask(EVENTS, variables)["segmentEvents"]
    return found


def statuses(served: Served) -> dict[str, str]:
    """What became of each message."""
    return {event["messageId"]: event["status"] for event in events(served)}


def used(served: Served, user_id: str = "ada", feature_id: str = "messages") -> int:
    """What a user has used in the current period."""
    shown = served.ask(USED, {"userId": user_id, "featureId": feature_id})["showUsage"]
    return int(shown["current"]["consumption"]["used"])


def replay(served: Served) -> None:
    """Have the server look now for what is to be taken up."""
    served.run(served.engine.replayer.replay())
