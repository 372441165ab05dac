"""Every documented line about Segment, over HTTP, has the documented effect.

``examples.jsonl`` holds the facts: calls, a rule, and six of the ten cases of the published diagram. Those
numbered 03, 05, 07 and 09 were not handed down: four of our own stand for them, which follow from the rule
that the six show. Whoever has the id is meant, whatever their e-mail and whoever else has the one that is
said; else the import that has the e-mail, who then gets the id; else it is somebody new.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.api.admin.calls import CREATE_FEATURE, CREATE_USER, RECORD, SUBSCRIBE
from tests.api.segment.calls import CREATE_RULE, USERS, events, post, replay, statuses, used, webhook
from tests.support.serving import Served

EXAMPLES: dict[str, dict[str, Any]] = {
    example["id"]: example
    for example in map(json.loads, Path(__file__).with_name("examples.jsonl").read_text("utf-8").splitlines())
}
MERGES = sorted(name for name in EXAMPLES if name.startswith("segment-merge-"))
OTHERS = {"segment-identify", "segment-track", "segment-rule-example"}

IMPORTED = "(Stripe import)"
IMPORT_ID = "x@gmail.com"
"""What an import has for an id: their e-mail."""

A_WITHOUT = {"label": "A", "userId": "1", "email": None}
A_ANOTHER = {"label": "A", "userId": "1", "email": "z@gmail.com"}
A_THE_SAME = {"label": "A", "userId": "1", "email": "x@gmail.com"}
B_NAMED = {"label": "B", "userId": "2", "email": "x@gmail.com"}
B_IMPORT = {"label": "B", "userId": IMPORTED, "email": "x@gmail.com"}
C_NAMED = {"label": "C", "userId": "2", "email": "x@gmail.com"}

OURS: dict[str, tuple[list[dict[str, Any]], str]] = {
    "segment-merge-03: A without an e-mail, B an import": ([A_WITHOUT, B_IMPORT], "User A updated"),
    "segment-merge-05: A with another e-mail": ([A_ANOTHER], "User A updated"),
    "segment-merge-07: B whom the customer named": ([B_NAMED], "created"),
    "segment-merge-09: B an import, C whom the customer named": ([B_IMPORT, C_NAMED], "User B userId overwritten"),
}
"""The four that stand for those that were not handed down."""

BEYOND: dict[str, tuple[list[dict[str, Any]], str]] = {
    "nobody": ([], "created"),
    "A as it is": ([A_THE_SAME], "User A updated"),
    "A as it is, B an import": ([A_THE_SAME, B_IMPORT], "User A updated"),
    "A with another e-mail, B an import": ([A_ANOTHER, B_IMPORT], "User A updated"),
}
"""What is left of who may have the id, and who the e-mail."""


def test_every_line_is_run() -> None:
    """No documented line is left out, and of the ten cases each is either documented or ours."""
    assert set(EXAMPLES) == OTHERS | set(MERGES)
    ours = {name.partition(":")[0] for name in OURS}
    assert sorted({*MERGES, *ours}) == [f"segment-merge-{number:02}" for number in range(1, 11)]
    assert ours.isdisjoint(MERGES)


def identify_into(served: Served, existing: list[dict[str, Any]], payload: dict[str, str], outcome: str) -> None:
    """Make the users of a case with usage of their own, send the identify, and check who is there then."""
    before: dict[str, dict[str, Any]] = {}
    for user in existing:
        user_id = IMPORT_ID if user["userId"] == IMPORTED else user["userId"]
        billing = f"cus_{user['label']}" if user["userId"] == IMPORTED else None
        given = {"id": user_id, "email": user["email"], "name": user["label"], "billingId": billing}
        served.ask(CREATE_USER, {"input": given})
        served.ask(SUBSCRIBE, {"userId": user_id, "packageIds": ["basic"]})
        served.ask(RECORD, {"input": {"userId": user_id, "featureId": "messages", "delta": len(before) + 2}})
        before[user["label"]] = given
    webhook(served, type="identify", messageId="m", userId=payload["userId"], traits={"email": payload["email"]})

    after = {user["id"]: user for user in served.ask(USERS)["users"] if user["id"] != "ada"}
    said = {"id": payload["userId"], "email": payload["email"]}
    if outcome.startswith("User "):
        before[outcome.split()[1]] |= said
    else:
        before["new"] = {"name": None, "billingId": None, **said}
    assert after == {user["id"]: user for user in before.values()}
    for number, user in enumerate(existing):
        assert used(served, before[user["label"]]["id"]) == number + 2
    assert statuses(served) == {"m": "IDENTIFIED"}


@pytest.mark.parametrize("name", MERGES)
def test_documented_merge(served: Served, name: str) -> None:
    """The user of the diagram gets what was said; every other stays as they were, and nobody loses any usage."""
    example = EXAMPLES[name]
    identify_into(served, example["existing"], example["payload"], example["outcome"])


@pytest.mark.parametrize("name", [*OURS, *BEYOND])
def test_other_merge(served: Served, name: str) -> None:
    """Our own cases 03, 05, 07 and 09, which no source tells, and what else can be, follow from the same rule."""
    existing, outcome = (OURS | BEYOND)[name]
    identify_into(served, existing, {"userId": "1", "email": "x@gmail.com"}, outcome)


def test_documented_identify(served: Served) -> None:
    """A user is made with name, e-mail and billing id; all other traits are dropped."""
    wanted = EXAMPLES["segment-identify"]["effect"]["user"]
    traits = {"name": "John Doe", "email": "john.doe@example.com", "billingUserId": "cus_Lp1bSKob4laHDD", "plan": "pro"}
    webhook(served, type="identify", userId="userId123", traits=traits)
    assert wanted in served.ask(USERS)["users"]


def test_documented_track(served: Served) -> None:
    """Feature and amount of the properties are recorded."""
    wanted = EXAMPLES["segment-track"]["effect"]["recordUsage"]
    webhook(served, type="track", userId="ada", event="Message Sent", properties={"featureId": "messages", "delta": 1})
    [event] = events(served)
    assert {"featureId": event["featureId"], "delta": event["delta"]} == wanted
    assert (event["status"], used(served)) == ("RECORDED", 1)


def test_documented_rule(served: Served) -> None:
    """An event that came before its rule is recorded when the rule is made, and one that comes after it at once."""
    example = EXAMPLES["segment-rule-example"]
    feature_id = example["effect"]["recordUsage"]["feature"]
    served.ask(CREATE_FEATURE, {"input": {"id": feature_id, "type": "CONSUMABLE"}})
    webhook(served, **example["event"], userId="ada", messageId="before")
    name, *properties = example["rule"]["conditions"]
    conditions = [{"path": each["property path"], "value": each["value"]} for each in properties]
    given = {"name": example["rule"]["name"], "eventName": name["event name"], "conditions": conditions}
    served.ask(CREATE_RULE, {"input": {**given, "featureId": feature_id}})
    replay(served)
    webhook(served, **example["event"], userId="ada", messageId="after")

    found = events(served)
    assert [(event["messageId"], event["featureId"], event["delta"]) for event in found] == [
        ("after", feature_id, 1), ("before", feature_id, 1),
    ]  # fmt: skip
    assert {event["status"] for event in found} == {"REFUSED"}  # ada's package does not hold it


@pytest.mark.parametrize("kind", ["track", "identify"])
def test_a_message_without_a_user_is_dropped(served: Served, kind: str) -> None:
    """400, and nothing is kept."""
    for user in ({}, {"userId": None}, {"userId": ""}):
        response = post(served, "/segment/events", {"type": kind, "event": "e", "messageId": "m", **user})
        assert (response.status_code, response.json()["detail"]) == (400, "userId must be given")
    assert events(served) == []


def test_only_a_user_id_makes_a_user(served: Served) -> None:
    """Who is unknown is created; who is known stays as they are."""
    for _ in range(2):
        webhook(served, type="identify", userId="new")
    assert {"id": "new", "name": None, "email": None, "billingId": None} in served.ask(USERS)["users"]
    assert len(served.ask(USERS)["users"]) == 2
