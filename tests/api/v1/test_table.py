"""The table of addresses has everything that the Admin API can do, once."""

from __future__ import annotations

from collections import Counter

import pytest

from kana.api.admin import build_schema
from kana.api.v1.addresses import ADDRESSES, ENTITLEMENTS
from tests.support.serving import Served
from tests.support.v1 import OPERATIONS, Caller


def test_each_has_one_obvious_address() -> None:
    """No operation is at two addresses, and no address has two operations."""
    whole = [each for each in ADDRESSES if not each.part]
    assert max(Counter(each.operation for each in whole).values()) == 1
    assert max(Counter((each.method, each.path) for each in ADDRESSES).values()) == 1
    assert len(OPERATIONS) == len(ADDRESSES)


def test_every_argument_has_one_place() -> None:
    """In the path, the query, the header or the body; the input object is the body itself."""
    schema = build_schema()
    assert schema.query_type is not None
    assert schema.mutation_type is not None
    for operation in OPERATIONS.values():
        if operation.address.operation == ENTITLEMENTS or operation.address.part:
            continue
        name, arguments = operation.address.operation, operation.arguments
        field = schema.query_type.fields.get(name) or schema.mutation_type.fields[name]
        given = {each for each, of in field.args.items() if "Has no effect" not in (of.description or "")}
        if "input" in given:
            given = given - {"input"} | set(field.args["input"].type.of_type.fields)
        places = [
            *({each if each in given else "id" for each in arguments.path}),
            *arguments.query,
            *arguments.body,
            *(["idempotencyKey"] if arguments.takes_key else []),
        ]
        assert sorted(set(places)) == sorted(given), name


def test_an_id_is_percent_encoded_in_a_path(v1: Caller) -> None:
    """So it may hold anything that an id may, a slash too; a word of the table is no id."""
    for user_id in ("a/b", "ä ö?&#%2F", "entitlements", "../ada", "a.b"):
        v1("createUser", input={"id": user_id})
        assert v1("user", id=user_id)["id"] == user_id
        assert v1("entitlements", userId=user_id) == {"userId": user_id, "features": []}


@pytest.mark.parametrize("path", ["/v1/", "/v1/nothing", "/v1/check/", "/v1/users/ada/nothing", "/v1/users/%FF", "/v1"])
def test_nothing_is_anywhere_else(served: Served, v1: Caller, path: str) -> None:
    """It says where all that there is is described, and repeats nothing of what was asked."""
    answer = v1.raw("GET", path, headers={"Accept": "application/json"})
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert "nothing at this address" in answer.json()["detail"]


def test_answers_are_counted_by_operation(served: Served, v1: Caller) -> None:
    """Under names of the table, with ok or the code of the error."""
    v1("recordUsage", input={"userId": "ada", "featureId": "message"})
    v1.refused("POST", "/v1/record", content=b"{}")
    v1.refused("GET", "/v1/users/nobody")

    metrics = served.http.get("/metrics").text

    for line in (
        'kana_requests_total{operation="v1.recordUsage",outcome="ok"} 1.0',
        'kana_requests_total{operation="v1.recordUsage",outcome="BAD_USER_INPUT"} 1.0',
        'kana_requests_total{operation="v1.user",outcome="BAD_USER_INPUT"} 1.0',
    ):
        assert line in metrics
