"""The words that the project uses: the glossary is complete."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

from tests.support.tree import ROOT, SOURCE, modules, text

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
