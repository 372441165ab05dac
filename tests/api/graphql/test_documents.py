"""The cache of validated documents."""

from __future__ import annotations

import pytest
from graphql import build_schema

from kana.api.graphql.documents import Documents, NotExecutable
from kana.api.graphql.limits import Limits
from kana.errors import QueryTooComplex

SCHEMA = build_schema("type Query { ping: Boolean, other: Boolean } type Mutation { add: Int }")


def test_a_text_is_validated_once() -> None:
    """The same text gives the very same document."""
    documents = Documents(SCHEMA, Limits())
    assert documents.get("{ ping }") is documents.get("{ ping }")
    assert documents.get("{ ping }") is not documents.get("{ ping  }")


def test_the_least_recently_used_is_forgotten() -> None:
    """Never more documents than allowed are kept, and those in use stay."""
    documents = Documents(SCHEMA, Limits(documents=2))
    kept = documents.get("{ ping }")
    documents.get("{ other }")
    documents.get("{ ping }")
    documents.get("{ ping other }")
    assert len(documents) == 2
    assert documents.get("{ ping }") is kept


def test_all_texts_together_are_bounded() -> None:
    """Long texts push others out; one longer than all is executed and not kept."""
    documents = Documents(SCHEMA, Limits(document_characters=40))
    documents.get("{ ping }")
    documents.get("{ ping }" + " " * 30)
    assert len(documents) == 1
    assert documents.get("{ ping }" + " " * 50).only is not None
    assert len(documents) == 0


@pytest.mark.parametrize("text", ["{", "{ nope }", "subscription { ping }", ""])
def test_what_is_invalid_is_not_kept(text: str) -> None:
    """A client's mistakes take no memory."""
    documents = Documents(SCHEMA, Limits())
    with pytest.raises(NotExecutable):
        documents.get(text)
    assert len(documents) == 0


def test_what_is_too_complex_is_not_kept() -> None:
    """Nor does what is refused."""
    documents = Documents(SCHEMA, Limits(root_fields=1))
    with pytest.raises(QueryTooComplex):
        documents.get("{ ping other }")
    assert len(documents) == 0


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
def test_the_label_is_a_name_of_the_schema(text: str, label: str) -> None:
    """What is counted goes by root field, never by a name that a client made up."""
    operation = Documents(SCHEMA, Limits()).get(text).only
    assert operation is not None
    assert operation.label == label


def test_an_operation_is_chosen_by_name() -> None:
    """One operation needs no name, several do, and a name must be one of the document's."""
    documents = Documents(SCHEMA, Limits())
    single = documents.get("query A { ping }")
    assert single.operation(None) is single.operation("A") is single.operation("")
    several = documents.get("query A { ping } query B { other }")
    assert several.operation("B").label == "other"
    for document, name, message in [
        (single, "B", "Unknown operation named 'B'."),
        (several, None, "Must provide operation name if query contains multiple operations."),
        (several, "C", "Unknown operation named 'C'."),
    ]:
        with pytest.raises(NotExecutable, match=message):
            document.operation(name)
    with pytest.raises(NotExecutable):
        documents.get("fragment f on Query { ping }").operation(None)
