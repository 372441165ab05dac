"""The description of /v1 is a reviewed file, and no change of it breaks a client that was made before."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from kana.api.admin import build_schema
from kana.api.v1 import document
from kana.api.v1.addresses import ADDRESSES, ENTITLEMENTS
from tests.support.breaking import RELEASED, WRITTEN, bare, breaks

Document = dict[str, Any]


def test_the_file_is_what_is_served() -> None:
    """`make openapi` writes it; its change is then read like any other."""
    assert json.loads(WRITTEN.read_text()) == json.loads(json.dumps(document())), "make openapi"


def test_no_client_of_the_last_release_is_broken() -> None:
    """The same is a part of `make check`."""
    assert breaks(json.loads(RELEASED.read_text()), document()) == []


def test_every_query_and_mutation_has_an_address() -> None:
    """One that is added to the Admin API is added to the table too, and nothing is there that it does not have."""
    schema = build_schema()
    assert schema.query_type is not None
    assert schema.mutation_type is not None

    operations = {each.operation for each in ADDRESSES} - {ENTITLEMENTS}

    assert operations == set(schema.query_type.fields) | set(schema.mutation_type.fields)


def changed(change: Callable[[Document], object]) -> Document:
    """The document with a change."""
    new = copy.deepcopy(json.loads(json.dumps(document())))
    change(new)
    return new  # type: ignore[no-any-return]


def schema_of(new: Document, name: str) -> Document:
    found: Document = new["components"]["schemas"][name]
    return found


def fields_of(new: Document, name: str) -> Document:
    found: Document = schema_of(new, name)["properties"]
    return found


def record(new: Document) -> Document:
    found: Document = new["paths"]["/v1/record"]["post"]
    return found


NULLABLE = {"anyOf": [{"type": "string"}, {"type": "null"}]}

BREAKING: dict[str, tuple[Callable[[Document], object], str]] = {
    "an address is gone": (lambda new: new["paths"].pop("/v1/record"), "POST /v1/record: is gone"),
    "a method is gone": (lambda new: new["paths"]["/v1/users"].pop("get"), "GET /v1/users: is gone"),
    "an operation is renamed": (
        lambda new: record(new).update(operationId="use"),
        "POST /v1/record: is called use and no longer recordUsage",
    ),
    "a token opens no more": (
        lambda new: new["paths"]["/v1/users/{userId}/entitlements"]["get"].pop("security"),
        "GET /v1/users/{userId}/entitlements: is no longer open with userToken",
    ),
    "an argument is gone": (
        lambda new: new["paths"]["/v1/users"]["get"]["parameters"].pop(0),
        "GET /v1/users: first is gone",
    ),
    "an argument is required": (
        lambda new: new["paths"]["/v1/users"]["get"]["parameters"][0].update(required=True),
        "GET /v1/users: first is required now",
    ),
    "a header is required": (
        lambda new: record(new)["parameters"].append(
            {"name": "X", "in": "header", "required": True, "schema": {"type": "string"}}
        ),
        "POST /v1/record: X is required now",
    ),
    "a field of a body is gone": (
        lambda new: fields_of(new, "RecordUsageRequest").pop("metadata"),
        "POST /v1/record.metadata: is gone",
    ),
    "a field of a body is renamed": (
        lambda new: fields_of(new, "LineInput").update(count=fields_of(new, "LineInput").pop("units")),
        "POST /v1/consume.lines[].units: is gone",
    ),
    "a field of a body is required": (
        lambda new: schema_of(new, "RecordUsageRequest")["required"].append("delta"),
        "POST /v1/record.delta: is required now",
    ),
    "a body takes less": (
        lambda new: fields_of(new, "RecordUsageRequest")["delta"].update(maximum=5),
        "POST /v1/record.delta: maximum is not what it was",
    ),
    "a body takes another kind": (
        lambda new: fields_of(new, "RecordUsageRequest")["delta"].update(type="string"),
        "POST /v1/record.delta: integer is not taken now",
    ),
    "a body takes null no more": (
        lambda new: fields_of(new, "UpdateUserRequest").update(name={"type": "string"}),
        "PATCH /v1/users/{userId}.name: null is not taken now",
    ),
    "a word is taken no more": (
        lambda new: schema_of(new, "RecordUsageAction")["enum"].remove("SET"),
        "POST /v1/record.action: SET is not taken any more",
    ),
    "a body has a pattern": (
        lambda new: fields_of(new, "CreateUserRequest")["id"].update(pattern="^a"),
        "POST /v1/users.id: pattern is not what it was",
    ),
    "a field of an answer is gone": (
        lambda new: fields_of(new, "RecordedUsage").pop("duplicate"),
        "POST /v1/record: 200.duplicate: is gone",
    ),
    "a field of an answer may be left out": (
        lambda new: schema_of(new, "RecordedUsage")["required"].remove("duplicate"),
        "POST /v1/record: 200.duplicate: may be left out now",
    ),
    "a field of an answer may be null": (
        lambda new: fields_of(new, "RecordedUsage").update(id=NULLABLE),
        "POST /v1/record: 200.id: null is answered now",
    ),
    "a field of an answer is another kind": (
        lambda new: fields_of(new, "Consumption").update(used={"type": "number"}),
        "POST /v1/record: 200.consumption.used: number is answered now",
    ),
    "a field of an error is gone": (
        lambda new: fields_of(new, "Problem").pop("code"),
        "POST /v1/record: 4XX.code: is gone",
    ),
}


@pytest.mark.parametrize("case", BREAKING)
def test_what_breaks_a_client_is_seen(case: str) -> None:
    """The control: each is named with its place."""
    change, words = BREAKING[case]
    assert words in breaks(document(), changed(change))


HARMLESS: dict[str, Callable[[Document], object]] = {
    "nothing": lambda _new: None,
    "an address": lambda new: new["paths"].update({"/v1/more": {"get": record(new)}}),
    "an argument": lambda new: new["paths"]["/v1/users"]["get"]["parameters"].append(
        {"name": "x", "in": "query", "schema": {"type": "string"}}
    ),
    "a field of a body": lambda new: fields_of(new, "RecordUsageRequest").update(x={"type": "string"}),
    "a body that takes more": lambda new: fields_of(new, "CreateUserRequest").update(id={}),
    "a word that is taken": lambda new: schema_of(new, "RecordUsageAction")["enum"].append("NEW"),
    "an optional field of an answer": lambda new: fields_of(new, "RecordedUsage").update(x={"type": "string"}),
    "a field of an answer": lambda new: (
        fields_of(new, "RecordedUsage").update(x={"type": "string"}),
        schema_of(new, "RecordedUsage")["required"].append("x"),
    ),
    "an outcome": lambda new: schema_of(new, "Outcome")["enum"].append("NEW"),
    "words": lambda new: record(new).update(description="Other words."),
}


@pytest.mark.parametrize("case", HARMLESS)
def test_what_is_added_breaks_nobody(case: str) -> None:
    """Clients ignore what they do not know, as the documentation asks."""
    assert breaks(document(), changed(HARMLESS[case])) == []


def test_what_is_kept_of_a_release_is_all_that_programs_read() -> None:
    """Words are left out, and nothing breaks for it; a field that is called like them stays."""
    assert breaks(bare(document()), document()) == breaks(document(), bare(document())) == []
    assert "description" not in json.dumps(bare({"description": "x", "a": [{"summary": "y"}]}))
    assert bare({"properties": {"title": {"type": "string"}}}) == {"properties": {"title": {"type": "string"}}}
