"""Mapping rules by the Admin API: made, changed, deleted, and replayed by the server itself."""

from __future__ import annotations

import time
from typing import Any

from kana.model.environment import Environment
from tests.api.segment.calls import (
    CREATE_RULE,
    DELETE_RULE,
    RULES,
    UPDATE_RULE,
    events,
    key_of,
    post,
    statuses,
    used,
    webhook,
)
from tests.support.serving import Served

GIVEN: dict[str, Any] = {
    "name": "Add-ons",
    "eventName": "Package Created",
    "conditions": [{"path": "type", "value": "addon"}],
    "featureId": "messages",
}


def create(served: Served, **changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = served.ask(CREATE_RULE, {"input": {**GIVEN, **changes}})["createMappingRule"]
    return made


def wait_until_replayed(served: Served) -> None:
    """Wait for the server, which takes up events in its own time."""
    until = time.monotonic() + 20
    while not all(rule["isReplayed"] for rule in served.ask(RULES)["mappingRules"]):
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_rule_is_made_changed_and_deleted(served: Served) -> None:
    """Each answer is the rule; a field left out stays, and a null name matches any."""
    made = create(served)
    assert made == {
        **GIVEN, "id": made["id"], "isReplayed": False,
        "createdAt": "2026-03-10T12:00:00.000Z", "updatedAt": "2026-03-10T12:00:00.000Z",
    }  # fmt: skip
    served.clock.advance(seconds=1)
    for changes, expected in (
        ({"name": "Other"}, {"name": "Other"}),
        ({"eventName": None, "name": None, "conditions": None, "featureId": None}, {"eventName": None}),
        ({"conditions": [{"path": "a", "value": "b"}]}, {"conditions": [{"path": "a", "value": "b"}]}),
    ):
        changed = served.ask(UPDATE_RULE, {"id": made["id"], "input": changes})["updateMappingRule"]
        made = {**made, **expected, "updatedAt": "2026-03-10T12:00:01.000Z"}
        assert changed == made
    wait_until_replayed(served)
    assert served.ask(RULES)["mappingRules"] == [{**made, "isReplayed": True}]
    assert served.ask(DELETE_RULE, {"id": made["id"]})["deleteMappingRule"] == {**made, "isReplayed": True}
    assert served.ask(RULES)["mappingRules"] == []


def test_what_is_no_rule_is_refused(served: Served) -> None:
    """In words that name the field; nothing is written."""
    for changes, message in (
        ({"eventName": None, "conditions": []}, "a rule needs an eventName or at least one condition"),
        ({"name": ""}, "name must be 1 to 255 characters, got 0: ''"),
        ({"featureId": "unknown"}, "Feature not found: 'unknown'"),
        ({"conditions": [{"path": "a", "value": "b"}] * 21}, "conditions must be at most 20, got 21"),
        ({"conditions": [{"path": "", "value": "b"}]}, "path must be 1 to 255 characters, got 0: ''"),
    ):
        assert served.error(CREATE_RULE, {"input": {**GIVEN, **changes}})["message"] == message
    missing = served.error(UPDATE_RULE, {"id": "7", "input": {"name": "x"}})
    assert (missing["message"], missing["extensions"]["code"]) == ("Mapping rule not found: '7'", "BAD_USER_INPUT")
    assert served.ask(RULES)["mappingRules"] == []


def test_a_rule_of_the_other_environment_is_missing_in_the_same_words(served: Served) -> None:
    """Nothing tells it from one that never was, and it stays as it is."""
    made = create(served)
    live = key_of(served, Environment.LIVE)
    for query, variables in ((UPDATE_RULE, {"input": {"name": "x"}}), (DELETE_RULE, {})):
        for number in (made["id"], "7"):
            error = served.error(query, {"id": number, **variables}, key=live)
            assert error["message"] == f"Mapping rule not found: '{number}'"
    assert [rule["name"] for rule in served.ask(RULES)["mappingRules"]] == ["Add-ons"]


def test_two_rules_added_at_once_count_each_event_once(served: Served) -> None:
    """Whichever of them matches, and however many events there are: the older rule counts."""
    track = {"type": "track", "userId": "ada", "event": "Package Created", "properties": {"type": "addon"}}
    post(served, "/v1/batch", {"batch": [{**track, "messageId": f"m-{number}"} for number in range(1200)]})
    assert set(statuses(served).values()) == {"UNMAPPED"}
    query = "mutation($input: CreateMappingRuleInput!) { a: createMappingRule(input: $input) { id } b: createMappingRule(input: $input) { id } }"  # noqa: E501
    served.ask(query, {"input": GIVEN})
    wait_until_replayed(served)

    first, second = served.ask(RULES)["mappingRules"]
    found = events(served, first=1000)
    assert used(served) == 1200
    assert {(event["status"], event["ruleId"], event["delta"]) for event in found} == {("RECORDED", first["id"], 1)}
    assert second["isReplayed"]


def test_unmapped_events_are_shown_for_those_who_write_rules(served: Served) -> None:
    """Counts by name and by property, which a rule that is added takes away."""
    query = """{
      segmentEventCounts { total unmapped waiting failed lastReceivedAt }
      unmappedEventNames { event unmapped }
      unmappedEventProperties(first: 1) { path value unmapped }
    }"""
    webhook(served, type="track", userId="ada", event="Package Created", properties={"type": "addon", "by": {"id": 7}})
    webhook(served, type="track", userId="ada", event="Package Created", properties={"type": "addon"})
    webhook(served, type="track", userId="ada")
    webhook(served, type="track", userId="bob", properties={"featureId": "messages"})
    assert served.ask(query) == {
        "segmentEventCounts": {
            "total": 4, "unmapped": 3, "waiting": 1, "failed": 0, "lastReceivedAt": "2026-03-10T12:00:00.000Z",
        },
        "unmappedEventNames": [{"event": "Package Created", "unmapped": 2}, {"event": None, "unmapped": 1}],
        "unmappedEventProperties": [{"path": "type", "value": "addon", "unmapped": 2}],
    }  # fmt: skip
    create(served)
    wait_until_replayed(served)
    assert served.ask(query)["unmappedEventNames"] == [{"event": None, "unmapped": 1}]
    assert used(served) == 2


def test_events_are_listed_in_pages(served: Served) -> None:
    """The newest first, each page after the last event of the one before; what is no id is refused."""
    for number in range(3):
        webhook(served, type="page", userId="ada", messageId=f"m-{number}")
    first = events(served, first=2)
    rest = events(served, first=2, after=first[-1]["id"])
    assert [event["messageId"] for event in [*first, *rest]] == ["m-2", "m-1", "m-0"]
    assert events(served, status="FAILED") == []
    query = "query($first: Int, $after: String) { segmentEvents(first: $first, after: $after) { id } }"
    assert served.error(query, {"after": "x"})["message"] == "after must be the id of an event, got 'x'"
    assert served.error(query, {"first": 1001})["message"] == "first must be 1 to 1000, got 1001"
