"""An outcome that is added to the model is missing by name on every face that has to know it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from graphql import EnumTypeDefinitionNode, parse

from kana.dashboard.outcomes import outcome_in_words
from kana.model.entitlement import Outcome
from kana.sdk import Outcome as SdkOutcome
from tests.support.tree import ROOT, SOURCE, text

GUIDE = ROOT / "docs" / "guide-record-usage.md"


def in_schema(api: str, enum: str) -> list[str]:
    """The values of an enumeration in an API's reviewed schema."""
    document = parse(text(SOURCE / "api" / api / "schema.graphql"), no_location=True)
    [found] = [
        definition
        for definition in document.definitions
        if isinstance(definition, EnumTypeDefinitionNode) and definition.name.value == enum
    ]
    return [value.name.value for value in found.values or ()]


def in_guide(guide: str) -> list[str]:
    """The outcomes of the guide's table, each with a meaning."""
    _, _, table = guide.partition("| `outcome` | means |\n|---|---|\n")
    return re.findall(r"^\| `(\w+)` \| [^|\n]+\|$", table.partition("\n\n")[0], re.MULTILINE)


FACES: dict[str, Callable[[], list[str]]] = {
    "Admin API": lambda: in_schema("admin", "Outcome"),
    "Admin API, refusals": lambda: ["RECORDED", *in_schema("admin", "RefusalReason")],
    "Client API": lambda: in_schema("client", "Outcome"),
    "SDK": lambda: [name for name in SdkOutcome.__members__ if name != "UNKNOWN"],
    "guide": lambda: in_guide(text(GUIDE)),
}


@pytest.mark.parametrize("face", FACES)
def test_every_outcome_is_on_every_face(face: str) -> None:
    """Each word once, and no word that nothing decides."""
    assert sorted(FACES[face]()) == sorted(Outcome)


def test_every_outcome_has_its_words_on_pages() -> None:
    """Words of its own, so that no refusal is mistaken for another."""
    words = [outcome_in_words(outcome) for outcome in Outcome]
    assert len(set(words)) == len(Outcome)


def test_a_row_without_a_meaning_is_none() -> None:
    """The control: the table ends where it ends, and a word needs its meaning."""
    table = "| `outcome` | means |\n|---|---|\n| `A` | it |\n| `B` | |\n\n| `C` | elsewhere |\n"
    assert in_guide(table) == ["A"]
