"""What the resolvers of one request share: a catalogue read once, decisions read at once, answers in order."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.api.admin.calls import CREATE_FEATURE, CREATE_PACKAGE, CREATE_USER, SUBSCRIBE, name_of
from tests.support.serving import Served


@pytest.fixture
def readings(served: Served, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often the store is asked for catalogues and snapshots."""
    counted: Counter[str] = Counter()

    def count(part: object, name: str) -> None:
        method = getattr(part, name)

        def counting(*args: Any, **kwargs: Any) -> Any:
            counted[name] += 1
            return method(*args, **kwargs)

        monkeypatch.setattr(part, name, counting)

    count(served.store.catalogs, "catalog")
    count(served.store.ledger, "snapshot")
    return counted


def test_a_request_reads_the_catalogue_once(served: Served, readings: Counter[str]) -> None:
    """However many fields show packages and features, however deep."""
    served.ask("""{
      features { id packages { id features { id name } } }
      packages(status: "ALL") { id features { id } }
      subscriptions { id package { id features { id } } }
      package(id: "basic") { features { id } }
    }""")
    assert readings == {"catalog": 1}


def test_entitlements_of_many_features_are_read_at_once(served: Served, readings: Counter[str]) -> None:
    """One reading for each user, not one for each feature."""
    data = served.ask("""{ features {
      id
      ada: entitlement(userId: "ada") { access }
      bob: entitlement(userId: "bob") { access }
    } }""")
    assert data["features"] == [
        {"id": "message", "ada": {"access": True}, "bob": {"access": False}},
        {"id": "support", "ada": {"access": True}, "bob": {"access": False}},
    ]
    assert readings == {"catalog": 1, "snapshot": 2}


def test_a_mutation_sees_what_the_one_before_it_did(served: Served) -> None:
    """Mutations of one document run in order, and each answers from the catalogue after it."""
    data = served.ask("""mutation {
      createFeature(input: {id: "seat", type: CONSUMABLE, name: "Seats"}) { id packages { id } }
      createPackage(input: {id: "team", features: {id: "seat"}}) { features { id name } }
      updateFeature(id: "seat", input: {name: "Places"}) { packages { id features { name } } }
      publishPackage(id: "team") { status features { name } }
      subscribe(userId: "bob", packageIds: ["team"]) { package { id features { name } } }
    }""")
    assert data == {
        "createFeature": {"id": "seat", "packages": []},
        "createPackage": {"features": [{"id": "seat", "name": "Seats"}]},
        "updateFeature": {"packages": [{"id": "team", "features": [{"name": "Places"}]}]},
        "publishPackage": {"status": "PUBLISHED", "features": [{"name": "Places"}]},
        "subscribe": [{"package": {"id": "team", "features": [{"name": "Places"}]}}],
    }


def test_one_mutation_that_fails_leaves_the_others_alone(served: Served) -> None:
    """Each reports its own result; what worked stays, before and after the one that failed."""
    body = served.post("""mutation {
      a: createUser(input: {id: "new"}) { id }
      b: createUser(input: {id: "ada"}) { id }
      c: createUser(input: {id: "newer"}) { id }
    }""").json()
    assert body["data"] == {"a": {"id": "new"}, "b": None, "c": {"id": "newer"}}
    [error] = body["errors"]
    assert (error["path"], name_of(error)) == (["b"], ("BAD_USER_INPUT", "ConflictError"))
    assert [user["id"] for user in served.ask("{ users { id } }")["users"]] == ["ada", "bob", "eve", "new", "newer"]


def test_a_hundred_features_in_one_package(empty: Served) -> None:
    """A request is wide enough for a package of a hundred features with their limits, and answers for them."""
    for start in range(0, 100, 10):
        fields = " ".join(
            f'f{i}: createFeature(input: {{id: "f{i}", type: CONSUMABLE}}) {{ id }}' for i in range(start, start + 10)
        )
        empty.ask(f"mutation {{ {fields} }}")
    ten = {"limit": 10, "resetPeriod": "DAY", "overageEnabled": True}
    features = [{"id": f"f{i}", "name": f"F{i}", "entitlement": ten} for i in range(100)]
    created = empty.ask(CREATE_PACKAGE, {"input": {"id": "all", "features": features}})["createPackage"]
    assert len(created["features"]) == 100
    empty.ask('mutation { publishPackage(id: "all") { id } }')
    empty.ask(CREATE_USER, {"input": {"id": "ada"}})
    empty.ask(SUBSCRIBE, {"userId": "ada", "packageIds": ["all"]})
    rows = empty.ask('{ features { entitlement(userId: "ada") { access } } }')["features"]
    assert rows == [{"entitlement": {"access": True}}] * 100


def test_metadata_may_be_any_json_in_literals_too(empty: Served) -> None:
    """Written into the document or sent as a variable, and with variables inside literals."""
    query = """mutation($part: JSON) {
      createFeature(input: {
        id: "a", type: BINARY, metadata: {n: null, b: true, i: -3, f: 1.5, s: "é", l: [1, $part]}
      }) { metadata }
    }"""
    created = empty.ask(query, {"part": {"deep": [{}]}})["createFeature"]
    assert created["metadata"] == {"n": None, "b": True, "i": -3, "f": 1.5, "s": "é", "l": [1, {"deep": [{}]}]}
    for number, value in enumerate(["text", 0, False, [], [None], 2**63 - 1, 0.1]):
        given = {"id": f"f{number}", "type": "BINARY", "metadata": value}
        assert empty.ask(CREATE_FEATURE, {"input": given})["createFeature"]["metadata"] == value
