"""Webhooks by the Admin API and by `/v1`: what is answered, and what is in the log."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.admin.webhook_calls import CREATE, LIST, UPDATE
from tests.support.serving import Served

URL = "https://8.8.8.8/hooks"
GIVEN = {"url": URL, "types": ["top_up.used_up"]}
LOG = "{ adminLog { action actorKind subjectKind subjectId before after } }"


def test_a_secret_is_told_once(served: Served) -> None:
    """When it is made; neither a list nor the log has it."""
    made: dict[str, Any] = served.ask(CREATE, {"input": GIVEN})["createWebhookEndpoint"]
    assert made["secret"].startswith("whsec_")
    assert served.ask(LIST)["webhookEndpoints"] == [{**made, "secret": None}]
    assert made["secret"] not in served.post(LOG).text


def test_changes_are_in_the_log(served: Served) -> None:
    """Who made them, and what was before and after; nulls and what is left out change nothing."""
    made = served.ask(CREATE, {"input": GIVEN})["createWebhookEndpoint"]
    nothing = {"url": None, "types": None, "isEnabled": None}
    assert served.ask(UPDATE, {"id": made["id"], "input": nothing})["updateWebhookEndpoint"] == {**made, "secret": None}
    served.ask(UPDATE, {"id": made["id"], "input": {"isEnabled": False}})
    lines = [line for line in served.ask(LOG)["adminLog"] if line["subjectId"] == made["id"]]
    said = {**GIVEN, "enabled": True, "disabledBecause": None}
    off = {**said, "enabled": False, "disabledBecause": "Somebody disabled it."}
    assert lines == [
        {"action": "updated", "actorKind": "key", "subjectKind": "webhook endpoint", "subjectId": made["id"],
         "before": said, "after": off},
        {"action": "created", "actorKind": "key", "subjectKind": "webhook endpoint", "subjectId": made["id"],
         "before": None, "after": said},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"url": "https://10.0.0.1/"}, "url must lead to a public address, got 'https://10.0.0.1/', which leads to"),
        ({"url": "https://localhost/"}, "url must lead to a public address, got 'https://localhost/', which leads to"),
        ({"url": "http://8.8.8.8/"}, "url must begin with https://, have a host"),
        ({"url": URL, "types": ["nothing"]}, "types must be of usage.threshold_reached, "),
    ],
)
def test_what_is_refused(served: Served, given: dict[str, Any], message: str) -> None:
    """It names the field, the value and what is allowed, and changes nothing."""
    [error] = served.post(CREATE, {"input": given}).json()["errors"]
    assert error["message"].startswith(message)
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert served.ask(LIST)["webhookEndpoints"] == []
