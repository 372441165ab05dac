"""The outcome of checks and records, for programs: one word on every face, whatever the reason says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kana.model.key import KeyKind
from tests.support.serving import Served
from tests.support.stores import SqlitePlace
from tests.support.world import TEST

CHECK = """query($user: String!, $feature: String!, $delta: Int) {
  canUseFeature(userId: $user, featureId: $feature, delta: $delta) { access outcome }
  canUseFeatures(userIds: [$user], featureIds: [$feature], delta: $delta) { access outcome }
}"""
RECORD = "mutation($input: CreateUsageEventInput!) { recordUsage(input: $input) { recorded outcome } }"
BATCH = """mutation($inputs: [CreateUsageEventInput!]!) {
  recordUsageBatch(inputs: $inputs) { recorded outcome error { code } }
}"""
ENTITLEMENT = """query($id: String!, $user: String!) {
  feature(id: $id) { entitlement(userId: $user) { access outcome } }
}"""
HELD = '[{id: "sso"}, {id: "message", entitlement: {limit: 5, resetPeriod: MONTH}}]'
CURRENT = "{ currentUser { subscribedPackages { features { id entitlement { access outcome } } } } }"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """The application on an empty database."""
    with Served(SqlitePlace(tmp_path / "kana.db")) as served:
        yield served


def furnish(served: Served) -> None:
    """Make ada, who has 5 messages and one switch, and eve, who has nothing."""
    for mutation in (
        'createFeature(input: {id: "message", type: CONSUMABLE})',
        'createFeature(input: {id: "sso", type: BINARY})',
        f'createPackage(input: {{id: "basic", features: {HELD}}})',
        'publishPackage(id: "basic")',
        'createUser(input: {id: "ada"})',
        'createUser(input: {id: "eve"})',
    ):
        served.ask(f"mutation {{ {mutation} {{ id }} }}")
    served.ask('mutation { subscribe(userId: "ada", packageIds: ["basic"]) { id } }')


@pytest.mark.parametrize(
    ("user", "feature", "delta", "outcome"),
    [
        ("ada", "message", 5, "RECORDED"),
        ("ada", "message", 6, "LIMIT_EXCEEDED"),
        ("ada", "sso", 1, "RECORDED"),
        ("eve", "message", 1, "NO_SUBSCRIPTION"),
        ("eve", "sso", 1, "NO_SUBSCRIPTION"),
        ("ada", "message", -1, "BELOW_ZERO"),
    ],
)
def test_a_check_has_the_outcome_of_the_record(
    served: Served, user: str, feature: str, delta: int, outcome: str
) -> None:
    """Alone, among many and then recorded: the same word, which is RECORDED exactly where the answer is yes."""
    furnish(served)
    is_yes = outcome == "RECORDED"
    if delta > 0:
        checked = served.ask(CHECK, {"user": user, "feature": feature, "delta": delta})
        assert checked["canUseFeature"] == {"access": is_yes, "outcome": outcome}
        assert checked["canUseFeatures"] == [{"access": [is_yes], "outcome": [outcome]}]
    usage = {"userId": user, "featureId": feature, "delta": delta}
    assert served.ask(RECORD, {"input": usage})["recordUsage"] == {"recorded": is_yes, "outcome": outcome}


def test_an_item_of_a_batch_has_an_outcome_or_an_error(served: Served) -> None:
    """Null where nothing was decided; a repeated key brings the first outcome again."""
    furnish(served)
    usages: list[dict[str, Any]] = [
        {"userId": "ada", "featureId": "message", "delta": 6, "idempotencyKey": "k"},
        {"userId": "ada", "featureId": "message", "delta": 6, "idempotencyKey": "k"},
        {"userId": "ada", "featureId": "nothing"},
        {"userId": "ada", "featureId": "message"},
    ]
    refused = {"recorded": False, "outcome": "LIMIT_EXCEEDED", "error": None}
    assert served.ask(BATCH, {"inputs": usages})["recordUsageBatch"] == [
        refused,
        refused,
        {"recorded": False, "outcome": None, "error": {"code": "BAD_USER_INPUT"}},
        {"recorded": True, "outcome": "RECORDED", "error": None},
    ]


def test_an_entitlement_has_the_outcome_of_one_unit(served: Served) -> None:
    """On the Admin API and on the Client API."""
    furnish(served)
    served.ask(RECORD, {"input": {"userId": "ada", "featureId": "message", "delta": 5}})
    reached = {"access": False, "outcome": "LIMIT_EXCEEDED"}
    asked = served.ask(ENTITLEMENT, {"id": "message", "user": "ada"})
    assert asked["feature"]["entitlement"] == reached
    headers = {"Authorization": served.keys[TEST][KeyKind.PUBLIC], "X-User-ID": "ada"}
    answer = served.http.post("/client/graphql", json={"query": CURRENT}, headers=headers).json()
    (package,) = answer["data"]["currentUser"]["subscribedPackages"]
    assert {feature["id"]: feature["entitlement"] for feature in package["features"]} == {
        "sso": {"access": True, "outcome": "RECORDED"},
        "message": reached,
    }
