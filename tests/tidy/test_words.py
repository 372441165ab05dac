"""The words that the project uses: the glossary is complete, and stilted phrases do not come back."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

import pytest

from tests.support.tree import ROOT, SOURCE, modules, text, tracked

GLOSSARY = ROOT / "docs/glossary.md"


def public_classes(trees: Iterable[ast.Module]) -> set[str]:
    """The names of the classes at the top of modules that do not begin with an underscore."""
    return {
        node.name
        for tree in trees
        for node in tree.body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    }


def in_the_glossary(glossary: str) -> set[str]:
    """The classes that the last column of the glossary's tables names."""
    columns = re.findall(r"^\|.*\| ([^|]*)\|$", glossary, re.MULTILINE)
    return {name for column in columns for name in re.findall(r"`(\w+)`", column)}


def model() -> Iterator[ast.Module]:
    """The modules of the model."""
    return (tree for _, tree in modules(SOURCE / "model"))


def test_the_glossary_explains_every_class_of_the_model() -> None:
    """Every public class of ``kana.model`` stands in the glossary, and no class that is not there any longer."""
    assert in_the_glossary(text(GLOSSARY)) == public_classes(model())


def test_a_class_without_a_row_is_found() -> None:
    """The control: a class that the glossary lacks is named, a private one need not be there."""
    added = ast.parse("class Novelty:\n    class Inner: ...\n\n\nclass _Hidden: ...\n")
    missing = public_classes([*model(), added]) - in_the_glossary(text(GLOSSARY))
    assert missing == {"Novelty"}
    assert in_the_glossary("| **a** | `Described` | | `Listed`, `Too` |\n| **b** | | |  |\n") == {"Listed", "Too"}


STILTED = {
    r"(?:in|works?|opens?|invite) no more\b(?! than)": "can no longer sign in, no longer works",
    r"(?:nothing|nobody|in|works?|opens?) any more\b": "stops working, no longer",
    r"for good\b": "permanently, cannot be undone",
    r"(?:defect|error|fault|reason|form|cookie|page|script)s? of ours\b": "an error on our side, Kana's",
    r"(?:is|are|was|were) told (?:whole|as|of|so|apart|to wait)\b": "is never partial, is reported, gets an error",
    r"as they come\b": "unchanged, in that order",
    r"(?:holds?|held|hold) (?:nobody|no call|nobody else) up\b": "delays nobody",
    r"(?:is|are|was|were|be) held against\b": "is compared with",
    r"(?:read|reads|written|begins?|made) anew\b": "again, starts over",
    r"whoever (?:holds|has|sends|starts|comes|guesses)\b": "anybody who, a user who",
}
"""Phrases that nobody would say to a colleague, each with what to say instead."""

STILTED_AT_ALL = re.compile("|".join(rf"\b{phrase}" for phrase in STILTED), re.IGNORECASE)
PROSE = {".graphql", ".html", ".md", ".py"}
NOT_SEARCHED = (ROOT / "tests",)
"""Folders whose texts may have them still."""


def stilted(prose: str) -> list[str]:
    """The stilted phrases in a text, whichever way its lines are broken."""
    return [found[0] for found in STILTED_AT_ALL.finditer(" ".join(prose.split()))]


def test_nothing_is_said_in_a_stilted_phrase() -> None:
    """Documents, pages, docstrings and messages use none of the phrases above."""
    found = [
        (path.relative_to(ROOT).as_posix(), phrase)
        for path in tracked()
        if path.suffix in PROSE and not any(path.is_relative_to(folder) for folder in NOT_SEARCHED)
        for phrase in stilted(text(path))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("ada is let in no\n    more.", ["in no more"]),
        ("The link works no more.", ["works no more"]),
        ("This key opens nothing any more. This is for good.", ["nothing any more", "for good"]),
        ("It failed for a reason of ours.", ["reason of ours"]),
        ("Each step is told whole.", ["is told whole"]),
        ("Empty: as they come.", ["as they come"]),
        ("Events are held against the rules, and the file is read anew.", ["are held against", "read anew"]),
        ("Whoever holds a key may ask.", ["Whoever holds"]),
        ("Ada can no longer sign in, in no more than a second; there is no more time.", []),
        ("A service for goods; an error that ours is not; nobody is told the password.", []),
    ],
)
def test_stilted_phrases_are_found(sentence: str, expected: list[str]) -> None:
    """The control: each phrase is found across a line break too, and its plain neighbours are not."""
    assert stilted(sentence) == expected
