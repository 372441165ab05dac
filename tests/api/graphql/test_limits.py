"""How much a document and its variables may ask for (items 15 to 19 of the list of bad inputs)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from graphql import FragmentDefinitionNode, get_introspection_query, parse

from kana.api.graphql.limits import Limits, check_document
from kana.api.graphql.overlaps import count_overlaps
from kana.errors import QueryTooComplex
from tests.api.small import GUEST, World, small_app
from tests.support.growth import GROWTH_MAX, growth


def fields(depth: int) -> str:
    """A query of leafs whose deepest field lies at ``depth``."""
    return "{ leafs " + "{ self " * (depth - 2) + "{ aFlag }" + " }" * (depth - 2) + " }"


async def too_complex(ask: Any, query: str, **parameters: Any) -> str:
    answer = await ask(query, **parameters)
    assert "data" not in answer
    [error] = answer["errors"]
    assert error["extensions"]["code"] == "QUERY_TOO_COMPLEX"
    assert error["extensions"]["exception"]["name"] == "QueryTooComplexError"
    return str(error["message"])


ALIASES = " ".join(f"a{n}: aFlag" for n in range(5))
FRAGMENTS = " ".join(f"fragment f{n} on Query {{ ping }}" for n in range(51))

WITHIN_AND_BEYOND = [
    (fields(12), fields(13), "depth is 13, at most 12 allowed"),
    (
        "{ ...__schema } fragment __schema on Query " + fields(12),
        "{ ...__schema } fragment __schema on Query " + fields(13),
        "depth is 13, at most 12 allowed",
    ),
    (
        "{ leafs { " + " ".join(f"a{n}: aFlag" for n in range(15)) + " } }",
        "{ leafs { " + " ".join(f"a{n}: aFlag" for n in range(16)) + " } }",
        "aliases is 16, at most 15 allowed",
    ),
    (
        f"{{ leafs {{ ...f self {{ ...f self {{ ...f }} }} }} }} fragment f on Leafs {{ {ALIASES} }}",
        f"{{ leafs {{ ...f self {{ ...f self {{ ...f self {{ ...f }} }} }} }} }} fragment f on Leafs {{ {ALIASES} }}",
        "aliases is 20, at most 15 allowed",
    ),
    (
        " ".join(f"query a{n} {{ ping }}" for n in range(1)),
        " ".join(f"query a{n} {{ ping }}" for n in range(21)),
        "operations is 21, at most 20 allowed",
    ),
    (
        "{" + "...f" * 9 + "} fragment f on Query { leafs {" + "...g" * 9 + "} }"
        " fragment g on Leafs { self {" + " aFlag aText" * 5 + "} }",
        "{" + " ...f" * 9 + "} fragment f on Query { leafs {" + " ...g" * 11 + "} }"
        " fragment g on Leafs { self {" + " aFlag aText" * 5 + "} }",
        "fields is 1098, at most 1000 allowed",
    ),
    ("{" + " ping" * 10 + "}", "{" + " ping" * 11 + "}", "root fields is 11, at most 10 allowed"),
    (
        "{ leafs " + "{ self @skip(if: false) " * 10 + "{ aFlag }" + " }" * 11,
        "{ leafs " + "{ self @skip(if: false) " * 10 + "{ aFlag @skip(if: false) }" + " }" * 11,
        "directives is 11, at most 10 allowed",
    ),
    (
        "{ ping @skip(if: false) @include(if: true) }",
        "{ ping @a @b @c }",
        "directives on one element is 3, at most 2 allowed",
    ),
    (
        "{ echo(ids: [" + '"a" ' * 100 + "]) }",
        "{ echo(ids: [" + '"a" ' * 101 + "]) }",
        "items of ids is 101, at most 100 allowed",
    ),
    (
        '{ echo(text: "' + "x" * 8192 + '") }',
        '{ echo(text: "' + "x" * 8193 + '") }',
        "bytes of text is 8193, at most 8192 allowed",
    ),
    (
        "{ echo(value: " + "[" * 15 + "1" + "]" * 15 + ") }",
        "{ echo(value: " + "[" * 16 + "1" + "]" * 16 + ") }",
        "depth of value is 17, at most 16 allowed",
    ),
    ("{" + " ping" * 9 + "}" + "#\n" * 1000, "{ ping }" + "#\n" * 1001, "tokens are more than 1000"),
    (
        "{" + " ".join(f"a{n}: echo(value: [{'1 ' * 90}])" for n in range(10)) + "}",
        "{" + " ".join(f"a{n}: echo(value: [{'1 ' * 91}])" for n in range(10)) + "}",
        "tokens are more than 1000, at most 1000 allowed",
    ),
]


@pytest.mark.parametrize(("within", "beyond", "message"), WITHIN_AND_BEYOND)
async def test_a_document_within_the_limit_is_executed_and_one_beyond_it_named(
    ask: Any, within: str, beyond: str, message: str
) -> None:
    """The largest allowed value passes; one more is refused and names the limit, the value, what is allowed."""
    assert "errors" not in await ask(within)
    assert (await too_complex(ask, beyond)).startswith(message)


async def test_validation_that_would_take_long_is_refused(ask: Any) -> None:
    """The same field hundreds of times is given up on, and said to be too much rather than wrong."""
    message = await too_complex(ask, "{ leafs {" + " aFlag" * 900 + "} }")
    assert message == "the document repeats its fields too often to be validated"


@pytest.mark.parametrize(
    ("query", "pairs"),
    [
        ("{ ping ping }", 1),
        ("{ ping ping ping ping }", 6),
        ("{ x: ping ping }", 0),
        ("{ x: ping x: ping }", 1),
        ("{ ping ... { ping } ... on Query { ping } }", 3),
        ("{ ping ...f ...f } fragment f on Query { ping }", 1),
        ("{ leafs { aFlag } leafs { aFlag } }", 2),
        ("{ leafs { aFlag aText } leafs { aFlag aText } }", 3),
        ("{ ...f } fragment f on Query { ping ping }", 2),
        ("{ leafs { ...f } } fragment f on Leafs { self { ...f } }", 0),
        ("{ ...nowhere ping ping }", 1),
    ],
)
def test_pairs_of_fields_of_one_name_are_counted(query: str, pairs: int) -> None:
    """Fields meet that have one name in the answer, through fragments, and under fields that meet."""
    document = parse(query)
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    assert count_overlaps(document, fragments, most=100) == pairs


@pytest.mark.parametrize(
    "make",
    [
        lambda size: "{ leafs {" + " aFlag" * size + "} }",
        lambda size: "{ leafs {" + " self { self { aFlag } }" * (size // 4) + "} }",
        lambda size: "{" + " leafs { self { aFlag aText } self { aNumber } }" * (size // 10) + "}",
        lambda size: "{ leafs {" + " ...f" * 40 + "} } fragment f on Leafs {" + " aFlag" * size + "}",
        lambda size: "".join(f"fragment f{n} on Leafs {{ self {{ ...f{n} }} }} " for n in range(40)) + "{ ping }",
    ],
)
def test_counting_takes_time_in_proportion_to_the_document(make: Callable[[int], str]) -> None:
    """Whatever it repeats, and wherever: what is counted are groups, never pairs."""

    def work(size: int) -> Callable[[], object]:
        document = parse(make(size))
        fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
        return lambda: count_overlaps(document, fragments, most=10**9)

    assert growth(work, size=200) < GROWTH_MAX


async def test_fragments_are_counted(ask: Any) -> None:
    """Fifty-one fragments are too many, used or not."""
    assert await too_complex(ask, "{ ping } " + FRAGMENTS) == "fragments is 51, at most 50 allowed"


async def test_circular_fragments_are_a_validation_error(ask: Any) -> None:
    """Counting survives a fragment that spreads itself; validation says what is wrong with it."""
    answer = await ask("{ leafs { ...f } } fragment f on Leafs { self { ...f } }")
    assert answer["errors"][0]["message"] == "Cannot spread fragment 'f' within itself."
    assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


def test_fragments_that_double_are_counted_once_each() -> None:
    """A tower of fragments that each spread the one below twice is counted without walking it 2^40 times."""
    tower = "".join(f"fragment f{n} on Leafs {{ ...f{n + 1} ...f{n + 1} }} " for n in range(40))
    document = parse("{ leafs { ...f0 } } " + tower + "fragment f40 on Leafs { x: aFlag }")
    with pytest.raises(QueryTooComplex, match=f"aliases is {2**40}, at most 15 allowed"):
        check_document(document, Limits())


async def test_the_standard_introspection_query_is_answered(ask: Any) -> None:
    """What GraphiQL and code generators send is deeper than other queries may be, and is answered."""
    query = get_introspection_query(descriptions=True, specified_by_url=True, input_value_deprecation=True)
    answer = await ask(query)
    assert answer["data"]["__schema"]["queryType"]["name"] == "Query"


async def test_introspection_beyond_its_own_limit_is_refused(ask: Any) -> None:
    """The exemption is a larger limit, not none."""
    deep = '{ __type(name: "Query") ' + "{ ofType " * 20 + "{ name }" + " }" * 21
    assert await too_complex(ask, deep) == "introspection depth is 22, at most 20 allowed"


@pytest.mark.parametrize("query", ["{ __schema { queryType { name } } }", '{ x: __type(name: "Query") { name } }'])
async def test_introspection_is_refused_to_whom_it_is_not_for(client: httpx.AsyncClient, query: str) -> None:
    """A caller without the right gets FORBIDDEN, even for a document that another may execute; a type name is free."""
    headers = {"Authorization": GUEST}
    assert "errors" not in (await client.post("/graphql", json={"query": query})).json()
    answer = await client.post("/graphql", json={"query": query}, headers=headers)
    assert answer.json()["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    answer = await client.post("/graphql", json={"query": "{ __typename }"}, headers=headers)
    assert answer.json() == {"data": {"__typename": "Query"}}


async def test_suggestions_are_hidden_from_whom_they_are_not_for(client: httpx.AsyncClient) -> None:
    """The words "Did you mean" help those who may see the schema, and nobody else."""
    for headers, hint in [({}, True), ({"Authorization": GUEST}, False), ({}, True)]:
        answer = await client.post("/graphql", json={"query": "{ pin }"}, headers=headers)
        assert ("Did you mean" in answer.text) is hint


VALUE = "query ($value: JSON) { echo(value: $value) }"


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("within", "beyond", "message"),
    [
        ("x" * 8192, "x" * 8193, "bytes of $value is 8193, at most 8192 allowed"),
        ("é" * 4096, "é" * 4097, "bytes of $value is 8194, at most 8192 allowed"),
        (["a"] * 100, ["a"] * 101, "items of $value is 101, at most 100 allowed"),
        (nested(16), nested(17), "depth of $value is 17, at most 16 allowed"),
        (
            {f"k{n}": n for n in range(199)},
            {f"k{n}": n for n in range(200)},
            "variable keys is 201, at most 200 allowed",
        ),
    ],
)
async def test_variables_have_limits_too(ask: Any, world: World, within: Any, beyond: Any, message: str) -> None:
    """Size and depth of variables are bounded before anything of them is understood."""
    assert "errors" not in await ask(VALUE, variables={"value": within})
    world.seen.clear()
    assert await too_complex(ask, VALUE, variables={"value": beyond}) == message
    assert world.seen == []


async def test_an_input_may_have_a_longer_list() -> None:
    """A list of strings in an object is longer than others, and refused whole; all else is bounded as before."""
    limits = Limits(list_items_in={"echo.item.tags": 300}, string_bytes=20, body_bytes=500)
    transport = httpx.ASGITransport(app=small_app(limits=limits))

    async def ask(item: Any, query: str = "query ($item: Item!) { echo(item: $item) }") -> Any:
        async with httpx.AsyncClient(transport=transport, base_url="http://kana") as client:
            body = {"query": query, "variables": {"item": item}}
            return (await client.post("/graphql", json=body, headers={"Authorization": GUEST})).json()

    in_fragment = "query ($item: Item!) { ...all } fragment all on Query { echo(item: $item) }"
    for query in ("query ($item: Item!) { echo(item: $item) }", in_fragment):
        answer = await ask({"name": "n", "tags": ["t"] * 300}, query)
        assert answer["data"]["echo"].count('"t"') == 300
    for item, message in (
        ({"name": "n", "tags": ["t"] * 301}, "items of $item.tags is 301, at most 300 allowed"),
        ({"name": "n", "tags": ["t", "t" * 21]}, "bytes of $item is 21, at most 20 allowed"),
        ({"name": "n", "tags": [["t"]] * 101}, "items of $item is 101, at most 100 allowed"),
        ({"name": "n", "more": {"name": "n", "tags": ["t"] * 101}}, "items of $item is 101, at most 100 allowed"),
    ):
        assert (await ask(item))["errors"][0]["message"] == message
    elsewhere = await ask({"name": "n", "tags": ["t"] * 101}, "query ($item: JSON) { echo(value: $item) }")
    assert elsewhere["errors"][0]["message"] == "body must be at most 500 bytes"


async def test_an_argument_may_take_a_longer_list() -> None:
    """The list of a batch is longer than others, each of its items bounded as any other value; others stay.

    An item beyond its bounds, of a wrong shape or that no JSON carries is left out, and its neighbours are not.
    """
    limits = Limits(list_items_of={"addMany.items": 300}, variable_keys=4)
    transport = httpx.ASGITransport(app=small_app(limits=limits))
    headers = {"Authorization": GUEST}
    query = "mutation ($items: [Item!]!) { addMany(items: $items) }"

    async def ask(**body: Any) -> Any:
        async with httpx.AsyncClient(transport=transport, base_url="http://kana", headers=headers) as client:
            content = json.dumps(body).encode()  # httpx would send half a surrogate pair as it is.
            return (await client.post("/graphql", content=content, headers={"Content-Type": "application/json"})).json()

    item = {"name": "n", "tags": ["t"]}
    assert await ask(query=query, variables={"items": [item] * 300}) == {"data": {"addMany": 300}}
    answer = await ask(query=query, variables={"items": [item] * 301})
    assert answer["errors"][0]["message"] == "items of $items is 301, at most 300 allowed"
    wrong = [
        {"name": "n", "tags": ["t"] * 101},
        {"name": "n", "more": {"name": "n", "more": {"name": "n"}}},
        {"name": 5},
        {},
        {"name": "n", "none": 1},
        {"name": "\ud800"},
        None,
        5,
        [],
    ]
    for each in wrong:
        assert await ask(query=query, variables={"items": [item, each, item]}) == {"data": {"addMany": 2}}
    assert await ask(query=query, variables={"items": item}) == {"data": {"addMany": 1}}
    for none in ({}, {"items": None}):
        assert "data" not in await ask(query=query, variables=none)
    answer = await ask(query="mutation { addMany(items: [" + '{name: "n"} ' * 101 + "]) }")
    assert answer == {"data": {"addMany": 101}}
