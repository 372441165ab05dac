"""What the SDK asks for is what the published schemas have, and it reads what they may answer."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
    get_named_type,
    get_nullable_type,
    parse,
    validate,
)

from kana.api.admin import read_definitions
from kana.sdk import (
    UNSET,
    batch,
    browser,
    consuming,
    explanation,
    features,
    giving,
    packages,
    results,
    subscriptions,
    users,
)
from kana.sdk.results import LOCAL, ON_REQUEST
from kana.sdk.wire import Field, _camel, _inner, given, reader, selection
from tests.support.tree import ROOT, text

API = ROOT / "src" / "kana" / "api"
ADMIN = build_schema(read_definitions())
CLIENT = build_schema(text(API / "client" / "schema.graphql"))

ASKED = [
    (schema, item)
    for schema, modules in (
        (ADMIN, (batch, consuming, explanation, features, giving, packages, subscriptions, users)),
        (CLIENT, (browser,)),
    )
    for module in modules
    for item in vars(module).values()
    if isinstance(item, Field)
]


def name_of(value: Any) -> str:
    return value.name + ("+" if value.also else "") if isinstance(value, Field) else ""


@pytest.mark.parametrize(("schema", "asked"), ASKED, ids=name_of)
def test_a_document_is_valid(schema: GraphQLSchema, asked: Field[Any]) -> None:
    """Each document names existing fields, with arguments of the declared types."""
    assert validate(schema, parse(asked.document)) == []


@pytest.mark.parametrize(("schema", "asked"), ASKED, ids=name_of)
def test_a_result_is_none_only_where_the_schema_says_so(schema: GraphQLSchema, asked: Field[Any]) -> None:
    """A field that may be null is optional in Python, and no other is; enums have the same members."""
    root = schema.query_type if asked.operation == "query" else schema.mutation_type
    assert root is not None
    compare(_inner(asked.result), get_named_type(root.fields[asked.name].type))


def compare(kind: Any, published: Any) -> None:
    assert isinstance(published, GraphQLObjectType)
    hints = get_type_hints(kind)
    for item in fields(kind):
        if item.metadata == LOCAL:
            continue
        hint, theirs = hints[item.name], published.fields[_camel(item.name)].type
        label = f"{published.name}.{item.name}"
        if hint is not Any and item.metadata != ON_REQUEST and label != "GeneratedUserToken.token":
            assert (NoneType in get_args(hint)) is not isinstance(theirs, GraphQLNonNull), label
        many = next((get_origin(part) for part in (hint, *get_args(hint)) if get_origin(part) is tuple), None)
        assert (many is tuple) is str(get_nullable_type(theirs)).startswith("["), label
        inner, named = _inner(hint), get_named_type(theirs)
        if is_dataclass(inner):
            compare(inner, named)
        if isinstance(named, GraphQLEnumType):
            assert set(inner.__members__) - {"UNKNOWN"} == set(named.values), label


def test_everything_that_kana_published_has_its_method() -> None:
    """Each operation of the published Admin API is called by a method of the SDK."""
    called = {asked.name for schema, asked in ASKED if schema is ADMIN}
    published = """
        feature features canUseFeature showUsage package packages user users subscription subscriptions
        createFeature updateFeature createPackage updatePackage createUser updateUser subscribe recordUsage
        generateSubscriptionLink generateUserToken
    """
    assert set(published.split()) - called == set()


def test_a_document_is_what_one_would_write_by_hand() -> None:
    """The text of a document is pinned once, so that a change of the generator shows."""
    assert features.CAN_USE.document == (
        "query canUseFeature($userId: String!, $featureId: String!, $delta: Int)"
        " { canUseFeature(userId: $userId, featureId: $featureId, delta: $delta)"
        " { access reason outcome consumption { used budget overageEnabled } inGrace affords } }"
    )
    assert browser.CURRENT_USER.document.startswith("query currentUser { currentUser { id name email")
    assert selection(list[str]) == ""


def test_fields_of_a_newer_server_are_left_alone() -> None:
    """What the SDK did not ask for does no harm, and what it needs must be there."""
    read = reader(results.Consumption)
    assert read({"used": 1, "budget": None, "overageEnabled": True, "tomorrow": 1}) == results.Consumption(
        used=1, budget=None, overage_enabled=True
    )
    with pytest.raises(KeyError, match="overageEnabled"):
        read({"used": 1, "budget": None})


def test_what_is_left_out_is_not_sent() -> None:
    """None is a value that clears; UNSET is none."""
    assert given(name=None, metadata=results.LOCAL, id=UNSET) == {"name": None, "metadata": results.LOCAL}
