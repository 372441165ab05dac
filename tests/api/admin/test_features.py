"""Features over HTTP: create, read, change, page; and what each mistake is called."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.admin.calls import CREATE_FEATURE, FEATURE, UPDATE_FEATURE, name_of, state
from tests.support.serving import Served


def test_name_is_the_id_and_metadata_empty_unless_given(empty: Served) -> None:
    """A feature needs an id and a type; the rest has a default."""
    created = empty.ask(CREATE_FEATURE, {"input": {"id": "/Measures", "type": "CONSUMABLE"}})["createFeature"]
    assert created == {
        "id": "/Measures",
        "name": "/Measures",
        "type": "CONSUMABLE",
        "unitLabel": None,
        "unitLabelPlural": None,
        "metadata": {},
    }
    assert empty.ask(f'{{ feature(id: "/Measures") {{ {FEATURE} }} }}')["feature"] == created


def test_a_field_left_out_stays_and_null_goes_back_to_the_default(empty: Served) -> None:
    """An update replaces what it names, metadata as a whole, and nothing else."""
    given = {"id": "a", "type": "CONSUMABLE", "name": "A", "unitLabel": "x", "metadata": {"k": [1, None, {"é": 1.5}]}}
    created = empty.ask(CREATE_FEATURE, {"input": given})["createFeature"]
    same = empty.ask(UPDATE_FEATURE, {"id": "a", "input": {}})["updateFeature"]
    assert same == created
    changed = empty.ask(UPDATE_FEATURE, {"id": "a", "input": {"metadata": {"other": 1}, "unitLabelPlural": "xs"}})
    assert changed["updateFeature"] == {**created, "metadata": {"other": 1}, "unitLabelPlural": "xs"}
    cleared = {"name": None, "unitLabel": None, "unitLabelPlural": None, "metadata": None}
    assert empty.ask(UPDATE_FEATURE, {"id": "a", "input": cleared})["updateFeature"] == {
        **created,
        "name": "a",
        "unitLabel": None,
        "metadata": {},
    }


@pytest.mark.parametrize(
    ("query", "variables", "name", "message"),
    [
        (
            CREATE_FEATURE,
            {"input": {"id": "message", "type": "BINARY"}},
            "ConflictError",
            "Feature 'message' already exists; a feature's id is unique",
        ),
        (
            CREATE_FEATURE,
            {"input": {"id": "x", "type": "BINARY", "unitLabel": "call"}},
            "InvalidValueError",
            "unitLabel is for CONSUMABLE features only, and 'x' is BINARY",
        ),
        (
            CREATE_FEATURE,
            {"input": {"id": "x", "type": "BINARY", "name": ""}},
            "InvalidValueError",
            "name must be 1 to 255 characters, got 0: ''",
        ),
        (UPDATE_FEATURE, {"id": "x", "input": {"name": "X"}}, "FeatureNotFoundError", "Feature not found: 'x'"),
        (
            UPDATE_FEATURE,
            {"id": "support", "input": {"unitLabelPlural": "calls"}},
            "InvalidValueError",
            "unitLabelPlural is for CONSUMABLE features only, and 'support' is BINARY",
        ),
        ('{ feature(id: "x") { id } }', None, "FeatureNotFoundError", "Feature not found: 'x'"),
        ("{ features(first: 0) { id } }", None, "InvalidValueError", "first must be 1 to 10000, got 0"),
        ('{ features(after: "x") { id } }', None, "InvalidValueError", "after must be the id of a feature, got 'x'"),
    ],
)
def test_mistakes(shared: Served, query: str, variables: Any, name: str, message: str) -> None:
    """Each mistake has its name, says what is wrong, and changes nothing."""
    before = state(shared)
    error = shared.error(query, variables)
    assert (*name_of(error), error["message"]) == ("BAD_USER_INPUT", name, message)
    assert state(shared) == before


def test_the_type_never_changes(shared: Served) -> None:
    """There is no input for it."""
    error = shared.error(UPDATE_FEATURE, {"id": "message", "input": {"type": "BINARY"}})
    assert "not to include unknown field 'type'" in error["message"]


def test_pages_follow_the_order_of_creation(empty: Served) -> None:
    """``first`` and ``after`` walk the list without gap or overlap; without them it is whole."""
    ids = ["c", "a", "B", "é"]
    for feature_id in ids:
        empty.ask(CREATE_FEATURE, {"input": {"id": feature_id, "type": "BINARY"}})
        empty.clock.advance(milliseconds=1)
    page = "query($after: String) { features(first: 3, after: $after) { id } }"
    assert empty.ask("{ features { id } }")["features"] == [{"id": feature_id} for feature_id in ids]
    assert empty.ask(page)["features"] == [{"id": "c"}, {"id": "a"}, {"id": "B"}]
    assert empty.ask(page, {"after": "B"})["features"] == [{"id": "é"}]
    assert empty.ask(page, {"after": "é"})["features"] == []


def test_entitlement_asks_for_one_unit(served: Served) -> None:
    """A feature's entitlement is what canUseFeature answers for delta 1, for each user asked."""
    query = """{ feature(id: "message") {
      ada: entitlement(userId: "ada") { access reason consumption { used budget overageEnabled } }
      bob: entitlement(userId: "bob") { access reason consumption { used } }
    } }"""
    assert served.ask(query)["feature"] == {
        "ada": {
            "access": True,
            "reason": "The user has a subcription to a package with this consumable feature"
            " and either has an allowance remaining or overage is enabled.",
            "consumption": {"used": 0, "budget": 10, "overageEnabled": False},
        },
        "bob": {
            "access": False,
            "reason": "The user has no active subscription to a package with this feature.",
            "consumption": None,
        },
    }


def test_entitlement_of_an_unknown_user_fails_alone(shared: Served) -> None:
    """Its field is null with its error; the fields beside it are answered."""
    query = """{ feature(id: "message") {
      ada: entitlement(userId: "ada") { access }
      x: entitlement(userId: "x") { access }
    } }"""
    body = shared.post(query).json()
    assert body["data"] == {"feature": {"ada": {"access": True}, "x": None}}
    [error] = body["errors"]
    assert (name_of(error), error["path"]) == (("BAD_USER_INPUT", "UserNotFoundError"), ["feature", "x"])
