"""The cache of validated documents."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
from graphql import GraphQLError, SourceLocation, build_schema, parse, validate

from kana.api.graphql.documents import Documents, NotExecutable
from kana.api.graphql.limits import Limits
from kana.errors import QueryTooComplex, RateLimited

SCHEMA = build_schema("type Query { ping: Boolean, other: Boolean } type Mutation { add: Int }")


async def test_a_text_is_validated_once() -> None:
    """The same text gives the very same document."""
    documents = Documents(SCHEMA, Limits())
    assert (await documents.get("{ ping }")) is await documents.get("{ ping }")
    assert (await documents.get("{ ping }")) is not await documents.get("{ ping  }")


async def test_the_least_recently_used_is_forgotten() -> None:
    """Never more documents than allowed are kept, and those in use stay."""
    documents = Documents(SCHEMA, Limits(documents=2))
    kept = await documents.get("{ ping }")
    await documents.get("{ other }")
    await documents.get("{ ping }")
    await documents.get("{ ping other }")
    assert len(documents) == 2
    assert await documents.get("{ ping }") is kept


async def test_all_texts_together_are_bounded() -> None:
    """Long texts push others out; one longer than all is executed and not kept."""
    documents = Documents(SCHEMA, Limits(document_characters=40))
    await documents.get("{ ping }")
    await documents.get("{ ping }" + " " * 30)
    assert len(documents) == 1
    assert (await documents.get("{ ping }" + " " * 50)).only is not None
    assert len(documents) == 0


@pytest.mark.parametrize("text", ["{", "{ nope }", "subscription { ping }", ""])
async def test_what_is_invalid_is_found_out_once(text: str) -> None:
    """A mistake that is sent again costs nothing, gets the same words and places, and pushes out nothing in use."""
    documents = Documents(SCHEMA, Limits(documents=1))
    kept = await documents.get("{ ping }")
    looked_at: list[str] = []
    told = []
    for _ in range(2):
        with pytest.raises(NotExecutable) as raised:
            await documents.get(text, admit=lambda: looked_at.append("once"))
        told += [(error.message, error.locations) for error in raised.value.errors]
    assert looked_at == ["once"]
    assert told == [told[0]] * 2
    assert (documents.refused, len(documents)) == (1, 1)
    assert (await documents.get("{ ping }")) is kept
    with pytest.raises(NotExecutable):
        await documents.get("{ another }")
    assert documents.refused == 1


async def test_what_is_too_complex_is_found_out_once() -> None:
    """What is refused too."""
    documents = Documents(SCHEMA, Limits(root_fields=1))
    told: list[str] = []
    for _ in range(2):
        with pytest.raises(QueryTooComplex) as raised:
            await documents.get("{ ping other }", admit=lambda: told.append("looked at"))
        told.append(raised.value.message)
    assert told == ["looked at", *["root fields is 2, at most 1 allowed"] * 2]
    assert (documents.refused, len(documents)) == (1, 0)


async def test_suggestions_are_kept_from_whom_they_are_not_for() -> None:
    """What one caller may be told is not told to another out of the cache."""
    documents = Documents(SCHEMA, Limits())
    for hide in (False, True, False):
        with pytest.raises(NotExecutable) as raised:
            await documents.get("{ pin }", hide_suggestions=hide)
        assert ("Did you mean" in raised.value.errors[0].message) is not hide


async def test_the_first_fault_is_named_and_no_other() -> None:
    """Of a hundred faults one is told, with its place."""
    documents = Documents(SCHEMA, Limits())
    with pytest.raises(NotExecutable) as raised:
        await documents.get("{" + " ".join(f"x{n}" for n in range(10)) + "}")
    [error] = raised.value.errors
    assert error.message == "Cannot query field 'x0' on type 'Query'."
    assert error.locations == [SourceLocation(1, 2)]


async def test_who_is_not_admitted_is_not_looked_at() -> None:
    """What is known needs nobody's leave; what is not is refused as the caller says, and may come later."""
    documents = Documents(SCHEMA, Limits())

    def refuse() -> None:
        raise RateLimited("later", retry_after_s=1)

    await documents.get("{ ping }")
    await documents.get("{ ping }", admit=refuse)
    for text in ("{ other }", "{ nope }"):
        with pytest.raises(RateLimited):
            await documents.get(text, admit=refuse)
    assert (documents.refused, len(documents)) == (0, 1)
    await documents.get("{ other }")


def distinct(number: int) -> str:
    """A document: a third of them valid, a third with a field that is not there, a third no GraphQL."""
    return [f"query a{number} {{ ping other }}", f"{{ a{number} }}", f"query a{number} {{ ping"][number % 3]


async def left_behind(get: Callable[[str], Awaitable[object]], *, count: int) -> int:
    """How many objects so many distinct documents leave behind for the collector, which does not run meanwhile."""
    for number in range(300):
        with suppress(NotExecutable, GraphQLError):
            await get(distinct(number))
    gc.collect()
    gc.disable()
    try:
        for number in range(300, 300 + count):
            with suppress(NotExecutable, GraphQLError):
                await get(distinct(number))
        return gc.collect()
    finally:
        gc.enable()


async def test_documents_seen_once_leave_no_garbage() -> None:
    """What is forgotten is gone at once, without the collector; the control parses and validates alone."""
    documents = Documents(SCHEMA, Limits(documents=10))

    async def alone(text: str) -> None:
        validate(SCHEMA, parse(text))

    assert await left_behind(documents.get, count=300) < 100
    assert await left_behind(alone, count=300) > 3_000


async def test_validating_a_long_document_lets_others_have_their_turn() -> None:
    """Of a long document a few rules are asked at a time; the control is a short one, which is done in one go."""
    documents = Documents(SCHEMA, Limits(root_fields=300, overlaps=100_000))
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    counting = asyncio.create_task(count())
    await documents.get("{ ping }")
    assert turns == 0
    await documents.get("{" + " ping other" * 130 + "}")
    assert turns >= 4
    counting.cancel()


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("query Mine { ping }", "ping"),
        ("{ x: ping }", "ping"),
        ("{ ...f } fragment f on Query { ... { ping } }", "ping"),
        ("{ ping other }", "several"),
        ("{ __typename }", "__typename"),
        ("mutation Secret { add }", "add"),
    ],
)
async def test_the_label_is_a_name_of_the_schema(text: str, label: str) -> None:
    """What is counted goes by root field, never by a name that a client made up."""
    operation = (await Documents(SCHEMA, Limits()).get(text)).only
    assert operation is not None
    assert operation.label == label


async def test_an_operation_is_chosen_by_name() -> None:
    """One operation needs no name, several do, and a name must be one of the document's."""
    documents = Documents(SCHEMA, Limits())
    single = await documents.get("query A { ping }")
    assert single.operation(None) is single.operation("A") is single.operation("")
    several = await documents.get("query A { ping } query B { other }")
    assert several.operation("B").label == "other"
    for document, name, message in [
        (single, "B", "Unknown operation named 'B'."),
        (several, None, "Must provide operation name if query contains multiple operations."),
        (several, "C", "Unknown operation named 'C'."),
    ]:
        with pytest.raises(NotExecutable, match=message):
            document.operation(name)
    with pytest.raises(NotExecutable):
        (await documents.get("fragment f on Query { ping }")).operation(None)


async def test_long_documents_wait_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many long texts one is looked at, and the next a moment later; short ones and known ones wait for nobody."""
    monkeypatch.setattr("kana.api.graphql.documents.REST_S", 3600)
    documents = Documents(SCHEMA, Limits())
    long = [f"query a{number} {{ ping }} #" + "x" * 1_000 for number in range(2)]
    await documents.get(long[0])
    waiting = asyncio.create_task(documents.get(long[1]))
    await asyncio.sleep(0)
    await documents.get("{ ping }")
    await documents.get(long[0])
    assert not waiting.done()
    waiting.cancel()
