"""Nothing crosses: no call with one environment's key shows or changes anything of the other, whatever the ids."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from graphql import GraphQLObjectType, GraphQLSchema, TypeInfo, TypeInfoVisitor, Visitor, parse, visit

from kana.api.admin import build_schema
from kana.api.client.schema import build_schema as build_client_schema
from kana.api.http import Router
from kana.app import create_app
from kana.settings import Settings
from tests.api.admin.calls import RECORD
from tests.isolation.matrix import ADMIN, BY_ID, CLIENT, ROUTES, WITHOUT_ENVIRONMENT, Call, usage
from tests.isolation.sides import Pair, Side, check_apart, leaves_mark, rows_of


def with_key(call: Call) -> Callable[[Side], httpx.Response]:
    """A call of the Admin API, as whichever side."""
    return lambda side: side.graphql(call.query, call.variables(side))


@pytest.mark.parametrize("field", ADMIN)
def test_no_field_of_the_admin_api_crosses(pair: Pair, field: str) -> None:
    """With the key of test, each query and mutation works on test alone; with that of live it would be seen."""
    call = ADMIN[field]

    body = check_apart(pair, with_key(call)).json()

    refused = field == "Mutation.generateSubscriptionLink"
    assert ("errors" in body) is refused, body
    if call.leaves_mark:
        assert leaves_mark(pair, with_key(call))


@pytest.mark.parametrize("path", ROUTES)
def test_no_address_crosses(pair: Pair, path: str) -> None:
    """The same for each address and each way to show who one is."""
    for call in ROUTES[path]:
        answer = check_apart(pair, call)
        assert answer.status_code in (200, 204), answer.text
        assert leaves_mark(pair, call)


@pytest.mark.parametrize("path", sorted(WITHOUT_ENVIRONMENT))
def test_addresses_without_a_key_show_nobody(pair: Pair, path: str) -> None:
    """What anybody may read holds nothing of either environment."""
    answer = check_apart(pair, lambda side: side.served.http.get(path))

    assert answer.status_code == 200
    assert pair.test.word not in answer.text


@pytest.mark.parametrize("field", BY_ID)
def test_what_has_an_id_in_the_other_environment_does_not_exist(pair: Pair, field: str) -> None:
    """An id that Kana made is looked up in the caller's environment only, and missing in the same words as any."""
    query, of = BY_ID[field]
    foreign, unknown = of(pair.live), "4611686018427387904"

    def missing(number: str) -> str:
        before = rows_of(pair.live, pair.path)
        [error] = pair.test.graphql(query, {"id": number}).json()["errors"]
        assert rows_of(pair.live, pair.path) == before
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
        return str(error["message"]).replace(number, "…")

    assert missing(foreign) == missing(unknown)


def test_the_same_idempotency_key_counts_once_in_each(pair: Pair) -> None:
    """A key is a user's own, and users of the same id in both environments are two."""
    answers = [side.ask(RECORD, input=usage(side, "shared"))["recordUsage"] for side in (pair.test, pair.live) * 2]

    assert [answer["duplicate"] for answer in answers] == [False, False, True, True]
    assert answers[0] | {"duplicate": True} == answers[2]
    assert answers[0]["consumption"]["budget"] == 310
    assert answers[1]["consumption"]["budget"] == 74_770


def root_fields(schema: GraphQLSchema) -> set[str]:
    """Every field that a request can begin with."""
    roots = filter(None, (schema.query_type, schema.mutation_type, schema.subscription_type))
    return {f"{root.name}.{name}" for root in roots for name in root.fields}


@pytest.mark.parametrize(("schema", "matrix"), [(build_schema(), ADMIN), (build_client_schema(), CLIENT)])
def test_every_field_has_its_entry(schema: GraphQLSchema, matrix: dict[str, Call]) -> None:
    """A field that is added cannot escape: without an entry this fails, and so does one that no entry selects."""
    assert root_fields(schema) == set(matrix)
    fields = {
        f"{named.name}.{name}"
        for named in schema.type_map.values()
        if isinstance(named, GraphQLObjectType) and not named.name.startswith("__")
        for name in named.fields
    }
    assert fields - selected(schema, matrix) == set()


def selected(schema: GraphQLSchema, matrix: dict[str, Call]) -> set[str]:
    """Every field of every type that some entry asks for."""
    info = TypeInfo(schema)
    found: set[str] = set()

    class Collector(Visitor):
        def enter_field(self, node: object, *_: object) -> None:
            parent, field = info.get_parent_type(), getattr(node, "name", None)
            found.add(f"{parent.name}.{field.value}" if parent and field else "")

    for call in matrix.values():
        visit(parse(call.query), TypeInfoVisitor(info, Collector()))
    return found


def test_every_address_has_its_entry(pair: Pair) -> None:
    """The same for addresses: one that is added says here what it is asked, or that it knows no environment."""
    app = create_app(Settings(), pair.test.served.store)
    assert isinstance(app, Router)

    assert set(app._routes) == set(ROUTES) | WITHOUT_ENVIRONMENT


def test_the_digest_sees_a_single_change(pair: Pair) -> None:
    """The control: one unit recorded by live, and nothing by test, is another digest of live's rows."""
    before = rows_of(pair.live, pair.path)

    pair.test.ask(RECORD, input=usage(pair.test, "control"))
    assert rows_of(pair.live, pair.path) == before

    pair.live.ask(RECORD, input=usage(pair.live, "control"))
    assert rows_of(pair.live, pair.path) != before
