"""A check says for how many units the credit suffices that they cost, on every face that checks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kana.model.key import KeyKind
from kana.sdk import KanaAdmin, KanaUserClient, Outcome
from tests.support.serving import Served
from tests.support.stores import SqlitePlace
from tests.support.world import TEST

HELD = """[
  {id: "credit", entitlement: {limit: 100, resetPeriod: MONTH}},
  {id: "image", entitlement: {resetPeriod: MONTH, cost: {featureId: "credit", units: 30}}},
  {id: "reply", entitlement: {limit: 2, resetPeriod: MONTH, cost: {featureId: "spare", units: 1}}},
  {id: "spare", entitlement: {limit: 5, overageEnabled: true, resetPeriod: MONTH}}
]"""
CHECK = """query($feature: String!, $features: [String!]!, $delta: Int) {
  canUseFeature(userId: "ada", featureId: $feature, delta: $delta) { access outcome affords }
  canUseFeatures(userIds: ["ada"], featureIds: $features, delta: $delta) { affords }
  feature(id: $feature) { entitlement(userId: "ada") { affords } }
  explain(userId: "ada", featureId: $feature, delta: $delta) { affords }
}"""
CURRENT = "{ currentUser { subscribedPackages { features { id entitlement { affords } } } } }"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """The application with ada: 100 credits, images for 30 of them, and replies of a credit with overage."""
    with Served(SqlitePlace(tmp_path / "kana.db")) as served:
        for mutation in (
            *(f'createFeature(input: {{id: "{each}", type: CONSUMABLE}})' for each in ("credit", "image", "reply")),
            'createFeature(input: {id: "spare", type: CONSUMABLE})',
            f'createPackage(input: {{id: "basic", features: {HELD}}})',
            'publishPackage(id: "basic")',
            'createUser(input: {id: "ada"})',
            'subscribe(userId: "ada", packageIds: ["basic"])',
        ):
            served.ask(f"mutation {{ {mutation} {{ id }} }}")
        yield served


def use(served: Served, feature: str, delta: int) -> None:
    served.ask(
        "mutation($input: CreateUsageEventInput!) { recordUsage(input: $input) { recorded } }",
        {"input": {"userId": "ada", "featureId": feature, "delta": delta}},
    )


@pytest.mark.parametrize(("used", "affords"), [(0, 3), (10, 3), (11, 2), (71, 0), (100, 0)])
def test_every_check_says_it(served: Served, used: int, affords: int) -> None:
    """So many units are admitted and not one more; refused or not, alone, among many and explained."""
    if used:
        use(served, "credit", used)
    names = ["image", "credit", "reply"]
    for delta, outcome in ((max(affords, 1), "RECORDED" if affords else "CREDIT_EXCEEDED"), (affords + 1, "")):
        answer = served.ask(CHECK, {"feature": "image", "features": names, "delta": delta})
        assert answer["canUseFeature"] == {
            "access": delta <= affords,
            "outcome": outcome or "CREDIT_EXCEEDED",
            "affords": affords,
        }
        assert answer["canUseFeatures"] == [{"affords": [affords, None, None]}]
        assert answer["feature"]["entitlement"] == answer["explain"] == {"affords": affords}


@pytest.mark.parametrize("feature", ["credit", "reply"])
def test_it_is_null_where_nothing_prevents_more(served: Served, feature: str) -> None:
    """A credit costs nothing itself, and one with overage never runs out; that is not a limit of the feature."""
    use(served, "reply", 2)
    answer = served.ask(CHECK, {"feature": feature, "features": [feature], "delta": 1})
    assert answer["canUseFeature"]["affords"] is None
    assert answer["canUseFeature"]["access"] is (feature == "credit")


def test_what_is_set_aside_is_not_left(served: Served) -> None:
    """Nobody else can use it."""
    served.ask('mutation { reserve(input: {userId: "ada", lines: [{featureId: "image", units: 2}]}) { granted } }')
    assert served.ask(CHECK, {"feature": "image", "features": [], "delta": 1} | {"features": ["image"]})[
        "canUseFeature"
    ] == {"access": True, "outcome": "RECORDED", "affords": 1}


def test_browsers_are_told_and_do_not_promise_more(served: Served) -> None:
    """The client for browsers knows with it how far the credit goes, though it has asked about one unit."""
    key = served.keys[TEST][KeyKind.PUBLIC]
    headers = {"Authorization": key, "X-User-ID": "ada"}
    answer = served.http.post("/client/graphql", json={"query": CURRENT}, headers=headers).json()
    (package,) = answer["data"]["currentUser"]["subscribedPackages"]
    found = {each["id"]: each["entitlement"]["affords"] for each in package["features"]}
    assert found == {"credit": None, "image": 3, "reply": None, "spare": None}
    with KanaUserClient(api_key=key, user_id="ada", endpoint=served.url) as kana:
        decisions = [kana.can_use_feature("image", delta) for delta in (1, 3, 4)]
        assert [(each.access, each.affords) for each in decisions] == [(True, 3), (True, 3), (False, 3)]
        assert (decisions[-1].outcome, decisions[-1].reason) == (
            Outcome.CREDIT_EXCEEDED,
            "4 more would exceed the credit, which suffices for 3.",
        )
        assert kana.can_use_feature("reply", 3).outcome is Outcome.LIMIT_EXCEEDED


def test_the_sdk_says_it(served: Served) -> None:
    """Of every check, a cached one included."""
    with KanaAdmin(api_key=served.keys[TEST][KeyKind.PRIVATE], endpoint=served.url) as kana:
        asked: dict[str, Any] = {"user_id": "ada", "feature_id": "image"}
        assert kana.features.can_use(**asked).affords == 3
        assert [kana.check(**asked, cache_ttl_s=60).affords for _ in range(2)] == [3, 3]
        many = kana.features.can_use_many(user_ids=["ada"], feature_ids=["image", "credit"])["ada"]
        assert {feature: decision.affords for feature, decision in many.items()} == {"image": 3, "credit": None}
        assert kana.explain(**asked).affords == 3
