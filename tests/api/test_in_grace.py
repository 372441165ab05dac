"""Who passes a hard limit by its grace is told so, on every face that decides."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kana.model.key import KeyKind
from kana.sdk import KanaAdmin, KanaUserClient
from tests.api.ingest.events import LINES, lines, post, results
from tests.support.serving import Served
from tests.support.stores import SqlitePlace
from tests.support.world import TEST

HELD = '[{id: "message", entitlement: {limit: 5, resetPeriod: MONTH, gracePercent: 40}}]'
CHECK = """query($delta: Int) {
  canUseFeature(userId: "ada", featureId: "message", delta: $delta) { access inGrace }
  canUseFeatures(userIds: ["ada"], featureIds: ["message"], delta: $delta) { access inGrace }
  feature(id: "message") { entitlement(userId: "ada") { access inGrace } }
}"""
RECORD = "mutation($input: CreateUsageEventInput!) { recordUsage(input: $input) { recorded duplicate inGrace } }"
BATCH = "mutation($inputs: [CreateUsageEventInput!]!) { recordUsageBatch(inputs: $inputs) { recorded inGrace } }"
CURRENT = "{ currentUser { subscribedPackages { features { entitlement { access inGrace } } } } }"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """The application with ada, who has 5 messages and a grace of 2."""
    with Served(SqlitePlace(tmp_path / "kana.db")) as served:
        for mutation in (
            'createFeature(input: {id: "message", type: CONSUMABLE})',
            f'createPackage(input: {{id: "basic", features: {HELD}}})',
            'publishPackage(id: "basic")',
            'createUser(input: {id: "ada"})',
            'subscribe(userId: "ada", packageIds: ["basic"])',
        ):
            served.ask(f"mutation {{ {mutation} {{ id }} }}")
        yield served


def usage(**fields: Any) -> dict[str, Any]:
    return {"userId": "ada", "featureId": "message", **fields}


def recorded(served: Served, **fields: Any) -> tuple[bool, bool]:
    answer = served.ask(RECORD, {"input": usage(**fields)})["recordUsage"]
    return answer["recorded"], answer["inGrace"]


@pytest.mark.parametrize(
    ("used", "delta", "access", "in_grace"),
    [(0, 5, True, False), (0, 6, True, True), (6, 1, True, True), (6, 2, False, False), (7, 1, False, False)],
)
def test_a_check_is_in_grace_where_the_record_is(
    served: Served, used: int, delta: int, *, access: bool, in_grace: bool
) -> None:
    """Alone, among many and then recorded."""
    recorded(served, delta=used, action="SET")
    answer = served.ask(CHECK, {"delta": delta})
    assert answer["canUseFeature"] == {"access": access, "inGrace": in_grace}
    assert answer["canUseFeatures"] == [{"access": [access], "inGrace": [in_grace]}]
    assert recorded(served, delta=delta) == (access, in_grace)


def test_a_repeated_key_says_the_same_again(served: Served) -> None:
    """Even if units were given back since."""
    first = served.ask(RECORD, {"input": usage(delta=6, idempotencyKey="k")})["recordUsage"]
    assert recorded(served, delta=-6) == (True, False)
    again = served.ask(RECORD, {"input": usage(delta=6, idempotencyKey="k")})["recordUsage"]
    assert first == {"recorded": True, "duplicate": False, "inGrace": True}
    assert again == first | {"duplicate": True}


def test_many_say_it_one_by_one(served: Served) -> None:
    """In a batch and as events; an error is never in grace."""
    inputs = [usage(delta=5), usage(), usage(featureId="nothing")]
    assert [each["inGrace"] for each in served.ask(BATCH, {"inputs": inputs})["recordUsageBatch"]] == [
        False,
        True,
        False,
    ]
    answers = results(post(served, lines(usage(), usage()), LINES))
    assert [(each["recorded"], each["inGrace"]) for each in answers] == [(True, True), (False, False)]


def test_an_entitlement_is_in_grace_by_one_unit(served: Served) -> None:
    """On both APIs, and in the client for browsers, which takes the server's word for one unit."""
    recorded(served, delta=5)
    one = {"access": True, "inGrace": True}
    assert served.ask(CHECK, {"delta": 1})["feature"]["entitlement"] == one
    key = served.keys[TEST][KeyKind.PUBLIC]
    headers = {"Authorization": key, "X-User-ID": "ada"}
    answer = served.http.post("/client/graphql", json={"query": CURRENT}, headers=headers).json()
    (package,) = answer["data"]["currentUser"]["subscribedPackages"]
    assert package["features"] == [{"entitlement": one}]
    with KanaUserClient(api_key=key, user_id="ada", endpoint=served.url) as kana:
        decisions = [kana.can_use_feature("message", delta) for delta in (1, 2)]
    assert [(each.access, each.in_grace) for each in decisions] == [(True, True), (False, False)]


def test_the_sdk_says_it(served: Served) -> None:
    """Of checks and of what is recorded."""
    with KanaAdmin(api_key=served.keys[TEST][KeyKind.PRIVATE], endpoint=served.url) as kana:
        asked: dict[str, Any] = {"user_id": "ada", "feature_id": "message"}
        assert not kana.check(**asked).in_grace
        assert not kana.features.record_usage(**asked, delta=5).in_grace
        assert kana.check(**asked).in_grace
        assert kana.features.can_use(**asked).in_grace
        assert kana.features.can_use_many(user_ids=["ada"], feature_ids=["message"])["ada"]["message"].in_grace
        assert kana.features.record_usage(**asked).in_grace
