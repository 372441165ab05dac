"""What the Client API says of itself is what Kana published, and what it answers is that and a little more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from graphql import GraphQLObjectType, build_schema, get_introspection_query

from kana.api.client.schema import build_published_schema
from kana.api.client.schema import build_schema as build_executed_schema
from tests.api.client.calls import post, public_key, refusal, token_of
from tests.support.serving import Served

PUBLISHED: dict[str, Any] = json.loads(Path(__file__).with_name("published.json").read_text("utf-8"))
"""What the schema shipped with Kana's own client 0.2.2 holds, written down apart from our files."""

STANDARD = {"String", "Boolean", "Int"}
DIRECTIVES = {"authenticatedUser", "skip", "include", "deprecated", "specifiedBy"}


def ask(served: Served, query: str) -> Any:
    """Send a document as ada in secure mode, return its data."""
    body = post(served, {"Authorization": f"Bearer {token_of(served, 'ada')}"}, query).json()
    assert "errors" not in body, body
    return body["data"]


def as_text(kind: dict[str, Any]) -> str:
    """A type of an introspection result as a schema writes it."""
    if kind["kind"] == "NON_NULL":
        return f"{as_text(kind['ofType'])}!"
    return f"[{as_text(kind['ofType'])}]" if kind["kind"] == "LIST" else str(kind["name"])


def shape(answered: dict[str, Any]) -> dict[str, Any]:
    """The types of an introspection result, as in ``published.json``."""
    found: dict[str, Any] = {}
    for named in answered["types"]:
        if named["kind"] == "OBJECT" and not named["name"].startswith("__"):
            assert all(field["args"] == [] for field in named["fields"])
            found[named["name"]] = {field["name"]: as_text(field["type"]) for field in named["fields"]}
        elif named["kind"] == "ENUM" and not named["name"].startswith("__"):
            found[named["name"]] = sorted(value["name"] for value in named["enumValues"])
        elif not named["name"].startswith("__"):
            assert named["name"] in STANDARD
    return found


def test_introspection_answers_exactly_what_was_published(shared: Served) -> None:
    """Every published type, field and nullability, and nothing of ours."""
    answered = ask(shared, get_introspection_query())["__schema"]

    assert shape(answered) == PUBLISHED
    assert (answered["queryType"]["name"], answered["mutationType"], answered["subscriptionType"]) == (
        "Query",
        None,
        None,
    )
    directives = {directive["name"]: directive["locations"] for directive in answered["directives"]}
    assert set(directives) >= DIRECTIVES
    assert directives["authenticatedUser"] == ["FIELD_DEFINITION"]


def test_a_type_can_be_asked_for_by_name(shared: Served) -> None:
    """``__type`` sees the published shape too, and nothing of a type that is ours."""
    answered = ask(
        shared, '{ package: __type(name: "Package") { fields { name } } units: __type(name: "Units") { name } }'
    )

    assert sorted(field["name"] for field in answered["package"]["fields"]) == ["features", "id", "isAddon", "name"]
    assert answered["units"] is None


def test_the_public_key_may_introspect_too(shared: Served) -> None:
    """The published shape is no secret: it came with a package that anyone can install."""
    headers: dict[str, str | bytes] = {"Authorization": public_key(shared), "X-User-ID": "ada"}

    body = post(shared, headers, "{ __schema { queryType { fields { name } } } }").json()

    assert body == {"data": {"__schema": {"queryType": {"fields": [{"name": "currentUser"}]}}}}


def test_what_is_executed_holds_all_that_was_published() -> None:
    """Each published field is there under its type; what differs is listed here and takes no document away."""
    executed = build_executed_schema()
    differing = {}
    for name, fields in PUBLISHED.items():
        named = executed.type_map[name]
        if isinstance(named, GraphQLObjectType):
            ours = {field: str(named.fields[field].type) for field in fields}
            differing.update({f"{name}.{field}": kind for field, kind in ours.items() if kind != fields[field]})
    assert differing == {"Consumption.budget": "Units", "Consumption.used": "Units!"}
    assert executed.mutation_type is None
    assert executed.subscription_type is None


def test_the_published_file_is_what_was_published() -> None:
    """The file that introspection is built from has no type, field or enum value beside the published ones."""
    assert set(build_published_schema().type_map) == {
        *PUBLISHED, *STANDARD, *(name for name in build_schema("type Query { a: Int }").type_map if name[:2] == "__"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ('mutation { createUser(input: {id: "x"}) { id } }', "The mutation operation is not supported by the schema."),
        ("{ users { id } }", "Cannot query field 'users' on type 'Query'."),
        ("{ currentUsr { id } }", "Cannot query field 'currentUsr' on type 'Query'."),
        ("{ currentUser { emial } }", "Cannot query field 'emial' on type 'User'."),
        (
            "{ currentUser { subscribedPackages { feature { id } } } }",
            "Cannot query field 'feature' on type 'Package'.",
        ),
        ("subscription { currentUser { id } }", "The subscription operation is not supported by the schema."),
    ],
)
def test_there_is_nothing_but_the_current_user(shared: Served, query: str, message: str) -> None:
    """Whatever else is asked is an error that suggests nothing."""
    headers: dict[str, str | bytes] = {"Authorization": public_key(shared), "X-User-ID": "ada"}

    assert refusal(post(shared, headers, query)) == ("BAD_USER_INPUT", message)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (f"{{ currentUser {{ {'id ' * 240} }} }}", "tokens are more than 240, at most 240 allowed"),
        (f"{{ currentUser {{ {'id ' * 12} }} }}", "the document repeats its fields too often to be validated"),
        ("{ currentUser { " + " ".join(f"a{n}: id" for n in range(11)) + " } }", "aliases is 11, at most 10 allowed"),
        ("{ " + " ".join(["currentUser { id }"] * 6) + " }", "root fields is 6, at most 5 allowed"),
        (
            "{ a { a { a { a { a { a { a { a { a } } } } } } } } }",
            "depth is 9, at most 8 allowed",
        ),
    ],
)
def test_the_limits_are_those_of_a_small_schema(shared: Served, query: str, message: str) -> None:
    """Whoever has the public key can ask, so little more than the whole schema once is allowed."""
    headers: dict[str, str | bytes] = {"Authorization": public_key(shared), "X-User-ID": "ada"}

    assert refusal(post(shared, headers, query)) == ("QUERY_TOO_COMPLEX", message)
