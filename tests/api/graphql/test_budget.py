"""What an answer may hold is bounded before and while it is made, and a large one is made while others are served."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from graphql import FragmentDefinitionNode, GraphQLSchema, OperationDefinitionNode, build_schema, parse

from kana.api.graphql import budget
from kana.api.graphql.budget import Turn, expected_objects, says_first
from kana.api.graphql.documents import Documents
from kana.api.graphql.endpoint import GraphQLEndpoint
from kana.api.graphql.execution import execute
from kana.api.graphql.limits import Limits
from tests.api.small import who

SDL = """
type Tree { name: String, wide(first: Int): [Tree!]!, plain: [Leaf!]!, slow: Int, sometimes: [Tree], maybe: Int! }
type Leaf { name: String, inner: Leaf }
type Query { tree: Tree!, trees(first: Int): [Tree!]! }
type Mutation { plant: Tree, count: Int }
"""


class Tree:
    """A node whose lists are as long as they are told to be."""

    def __init__(self, widths: tuple[int, ...], *, name: str = "tree") -> None:
        self.name = name
        self._widths = widths

    def wide(self, _info: object, first: int | None = None) -> list[Tree]:
        width, *below = self._widths or (0,)
        return [Tree(tuple(below), name=f"{self.name}-{n}") for n in range(width if first is None else first)]

    @property
    def plain(self) -> list[dict[str, object]]:
        return [{"name": f"leaf-{n}", "inner": {"name": "x"}} for n in range(self._widths[0])]

    def sometimes(self, info: Any) -> list[Tree | None]:
        return [tree if n % 3 else None for n, tree in enumerate(self.wide(info))]

    async def slow(self, _info: object) -> int:
        await asyncio.sleep(0)
        return 1

    def maybe(self, _info: object) -> int:
        if self.name.endswith("-7"):
            raise RuntimeError("seven")
        return 1


def schema_of(*widths: int) -> GraphQLSchema:
    """A schema over one tree, and as many as its first width."""
    schema = build_schema(SDL)
    tree = Tree(widths)
    assert schema.query_type is not None
    assert schema.mutation_type is not None
    schema.query_type.fields["tree"].resolve = lambda _root, _info: tree
    schema.query_type.fields["trees"].resolve = lambda _root, info, first=None: tree.wide(info, first)
    schema.mutation_type.fields["plant"].resolve = lambda _root, _info: tree
    schema.mutation_type.fields["count"].resolve = lambda _root, _info: 1
    return schema


async def ask(schema: GraphQLSchema, query: str, **variables: Any) -> Any:
    """The answer of an endpoint, as the wire has it."""
    endpoint = GraphQLEndpoint(schema, who, limits=Limits(overlaps=10**6, fields=10**6))
    body = json.dumps({"query": query, "variables": variables}).encode()
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [
        (b"x-request-id", b"one"),
        (b"content-type", b"application/json"),
        (b"authorization", b"prv_test_" + b"k" * 32),
    ]
    await endpoint({"type": "http", "method": "POST", "headers": headers}, receive, send)
    return json.loads(b"".join(message.get("body", b"") for message in sent))


def refusal(answer: Any) -> str:
    """The message of an answer that is the refusal of too large a one, and nothing else."""
    [error] = answer.pop("errors")
    assert answer == {}
    assert error["extensions"]["code"] == "QUERY_TOO_COMPLEX"
    assert error["extensions"]["exception"]["name"] == "QueryTooComplexError"
    return str(error["message"])


OBJECTS = "the answer has more than 1000 objects; page with first and after, or ask for fewer fields"
BYTES = "the answer is longer than 10000 bytes; page with first and after, or ask for fewer fields"


@pytest.fixture
def few_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer may hold a thousand objects."""
    for module in ("budget", "execution"):
        monkeypatch.setattr(f"kana.api.graphql.{module}.OBJECTS_MAX", 1000)


@pytest.mark.usefixtures("few_objects")
@pytest.mark.parametrize(
    ("widths", "within", "beyond"),
    [
        ((999,), "{ tree { wide { slow } } }", "{ tree { wide { slow } } again: tree { wide { slow } } }"),
        ((1000,), "{ tree { wide { name } } }", "{ tree { wide { name } wide2: wide { name } } }"),
        ((500,), "{ tree { plain { inner { name } } } }", "{ tree { plain { inner { name } } p: plain { name } } }"),
        ((30, 30), "{ tree { wide { wide { name } } } }", "{ tree { wide { wide { name } w: wide { name } } } }"),
        ((10, 10, 8), "{ tree { wide { wide { wide { name } } } } }", "{ tree { wide { wide { wide { name } w: wide"
         " { name } } } } }"),
        ((300,), "{ tree { wide { maybe } } }", "{ " + " ".join(f"a{n}: tree {{ wide {{ slow }} }}" for n in range(4))
         + "}"),
    ],
)  # fmt: skip
async def test_objects_are_counted_while_an_answer_is_made(widths: tuple[int, ...], within: str, beyond: str) -> None:
    """Those of all lists of a request together, wherever they stand; one too many refuses the whole answer."""
    schema = schema_of(*widths)
    answer = await ask(schema, within)
    assert "QUERY_TOO_COMPLEX" not in json.dumps(answer)
    assert "data" in answer
    assert refusal(await ask(schema, beyond)) == OBJECTS


@pytest.mark.usefixtures("few_objects")
async def test_objects_are_counted_before_anything_is_read() -> None:
    """Lists that say how long they are to be are refused before they are asked for, by literal and by variable."""
    schema = schema_of(3)
    asked: list[int] = []

    def trees(_root: object, _info: object, first: int | None = None) -> list[Tree]:
        asked.append(first or 0)
        return [Tree(())]

    assert schema.query_type is not None
    schema.query_type.fields["trees"].resolve = trees
    for query in ("{ trees(first: 1001) { name } }", "{ trees(first: 40) { wide(first: 25) { name } } }"):
        assert refusal(await ask(schema, query)) == OBJECTS
    assert refusal(await ask(schema, "query ($n: Int) { trees(first: $n) { name } }", n=1001)) == OBJECTS
    assert asked == []
    assert "errors" not in await ask(schema, "query ($n: Int) { trees(first: $n) { name } }", n=1000)
    assert asked == [1000]


@pytest.mark.parametrize(
    ("query", "objects"),
    [
        ("{ tree { name } }", 1),
        ("{ trees(first: 10) { name } }", 10),
        ("{ trees(first: 10) { wide(first: 5) { name } } }", 60),
        ("{ trees(first: 10) { ...f ... { plain { name } } } } fragment f on Tree { wide(first: 5) { name } }", 70),
        ("query ($n: Int) { trees(first: $n) { name } }", 7),
        ("query ($m: Int) { trees(first: $m) { name } }", 1),
        ("{ trees(first: -3) { name } trees(first: null) { name } }", 2),
        ("{ trees(first: 99999999999999999999) { name } }", 9_999_999_999),
    ],
)
def test_objects_are_expected_by_what_lists_say(query: str, objects: int) -> None:
    """A list without ``first`` is taken for one, and what is no number is left for others to refuse."""
    document = parse(query)
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    [operation] = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    assert expected_objects(operation.selection_set, fragments, {"n": 7}) == objects
    assert says_first(operation.selection_set, fragments) is ("first" in query)


@pytest.mark.parametrize(
    ("query", "is_within"),
    [
        ("{ tree { wide { name } } }", True),
        ("{ tree { wide { slow } } a: tree { wide { slow } } }", True),
        ("{ tree { wide { name } } a: tree { wide { name slow } } b: tree { wide { name slow } } }", False),
        ("{ tree { plain { name } } a: tree { plain { name } } b: tree { plain { name } } }", False),
        ("{ trees { name } a: trees { name } b: trees { name } }", False),
    ],
)
async def test_bytes_are_counted(monkeypatch: pytest.MonkeyPatch, query: str, is_within: bool) -> None:
    """Those of an answer, as they are written and when it is whole."""
    for module in ("budget", "lists", "endpoint"):
        monkeypatch.setattr(f"kana.api.graphql.{module}.BYTES_MAX", 10_000)
    answer = await ask(schema_of(250), query)
    if is_within:
        assert list(answer) == ["data"]
    else:
        assert refusal(answer) == BYTES


@pytest.mark.usefixtures("few_objects")
async def test_a_mutation_whose_answer_is_too_large_has_its_own_error() -> None:
    """What was done is done: the others are answered, and this one says why it is not."""
    answer = await ask(schema_of(600), "mutation { count plant { a: wide { name } b: wide { name } } again: count }")
    assert answer["data"] == {"count": 1, "plant": None, "again": 1}
    [error] = answer["errors"]
    assert (error["message"], error["path"]) == (OBJECTS, ["plant"])
    assert error["extensions"]["code"] == "QUERY_TOO_COMPLEX"


QUERIES = [
    "{ tree { wide { name wide { name wide { name } } } } }",
    "{ tree { wide { slow wide { slow name } } plain { name inner { name } } } }",
    "{ a: tree { wide { slow } } b: trees { name wide { name slow } } c: tree { plain { name } } }",
    "{ tree { sometimes { name slow sometimes { name } } } }",
    "{ tree { sometimes { maybe } wide { name } } }",
    "{ tree { sometimes { name wide { maybe } } } }",
]


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("at_once", [1, 7, 10**9])
async def test_parts_change_no_answer(monkeypatch: pytest.MonkeyPatch, query: str, at_once: int) -> None:
    """However small the parts are that lists are written in, the answer is the same to the letter, errors included."""
    schema = schema_of(20, 9, 3)

    async def answer(most: int) -> Any:
        for module in ("budget", "execution"):
            monkeypatch.setattr(f"kana.api.graphql.{module}.OBJECTS_AT_ONCE", most)
        answer = await ask(schema, query)
        answer.get("errors", []).sort(key=str)
        return answer

    assert await answer(at_once) == await answer(10**9)


async def longest_turn(work: Callable[[], Any]) -> int:
    """The most objects that are written between two turns of another task."""
    longest = written = 0
    done = False

    class Counted(Turn):
        def take(self, objects: int) -> None:
            nonlocal written
            written += objects
            super().take(objects)

    async def watch() -> None:
        nonlocal longest, written
        while not done:
            longest, written = max(longest, written), 0
            await asyncio.sleep(0)

    turn = Counted()
    watching = asyncio.create_task(watch())
    await work()(turn)
    done = True
    longest = max(longest, written)
    await watching
    return longest


@pytest.mark.parametrize(
    "query",
    [
        "{ tree { wide { wide { name wide { name } } } } }",
        "{" + " ".join(f"a{n}: tree {{ wide {{ slow wide {{ name }} }} }}" for n in range(10)) + "}",
        "{" + " ".join(f"a{n}: trees {{ wide {{ name slow }} }}" for n in range(10)) + "}",
    ],
)
async def test_others_have_their_turn(query: str) -> None:
    """Ten thousand objects in one answer, under aliases too, are written some hundred at a time."""
    schema = schema_of(40, 25, 5)
    operation = (await Documents(schema, Limits()).get(query)).operation(None)

    def at_once() -> Any:
        async def work(turn: Turn) -> None:
            answers = (execute(schema, operation, {}, context=None, turn=turn) for _ in range(4))
            await asyncio.gather(*answers)

        return work

    assert await longest_turn(at_once) < 3 * budget.OBJECTS_AT_ONCE


async def test_without_turns_nobody_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: with parts of any size the same answer is written in one go."""
    monkeypatch.setattr("kana.api.graphql.budget.OBJECTS_AT_ONCE", 10**9)
    schema = schema_of(40, 25, 5)
    operation = (await Documents(schema, Limits()).get(QUERIES[0])).operation(None)
    written = await longest_turn(lambda: lambda turn: execute(schema, operation, {}, context=None, turn=turn))
    assert written > 5_000
