"""The size of an answer, and how much of it is written before other requests get a turn."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    IntValueNode,
    SelectionSetNode,
    VariableNode,
)

from kana.errors import QueryTooComplex

OBJECTS_MAX = 100_000
"""The most objects of one answer, most of which are items of lists."""

BYTES_MAX = 16 * 1024 * 1024
"""The longest answer, in bytes of JSON: 16 MB."""

OBJECTS_AT_ONCE = 100
"""How many objects are written before other requests get a turn: a few milliseconds of work."""

_PAGE = "page with first and after, or ask for fewer fields"


class OverBudget(QueryTooComplex):
    """An answer is or would be too large: it is refused as a whole, and no field becomes null instead."""


def too_many_objects() -> OverBudget:
    """Return the refusal of an answer with too many objects."""
    return OverBudget(f"the answer has more than {OBJECTS_MAX} objects; {_PAGE}")


def too_many_bytes() -> OverBudget:
    """Return the refusal of an answer that is too long."""
    return OverBudget(f"the answer is longer than {BYTES_MAX} bytes; {_PAGE}")


class Turn:
    """How much was written since other requests had a turn, by all requests of one endpoint together.

    Without it, ten answers at the same time would each write their part before anybody else is served.
    """

    def __init__(self) -> None:
        self._written = 0
        self._ends = False

    @property
    def is_over(self) -> bool:
        """Whether it is time for other requests."""
        return self._written >= OBJECTS_AT_ONCE

    def take(self, objects: int) -> None:
        """Count objects that are written."""
        self._written += objects

    async def wait(self) -> None:
        """Wait while other requests have a turn."""
        while self.is_over:
            if not self._ends:
                self._ends = True
                asyncio.get_running_loop().call_soon(self._begin)
            await asyncio.sleep(0)

    def _begin(self) -> None:
        self._written, self._ends = 0, False


class Budget:
    """The rest of an answer's objects and bytes."""

    def __init__(self) -> None:
        self._objects = OBJECTS_MAX
        self._bytes = BYTES_MAX

    def take_objects(self, count: int) -> None:
        """Count objects before they are written.

        Raises:
            OverBudget: there are too many.
        """
        self._objects -= count
        if self._objects < 0:
            raise too_many_objects()

    def take_bytes(self, count: int) -> None:
        """Count the bytes of a list that is not inside another list.

        Raises:
            OverBudget: there are too many.
        """
        self._bytes -= count
        if self._bytes < 0:
            raise too_many_bytes()


def expected_objects(
    selections: SelectionSetNode, fragments: Mapping[str, FragmentDefinitionNode], variables: Mapping[str, Any]
) -> int:
    """Return how many objects an answer has if each list has ``first`` items, or one item if it has no ``first``."""
    count = 0
    for selection in selections.selections:
        if isinstance(selection, InlineFragmentNode):
            count += expected_objects(selection.selection_set, fragments, variables)
        elif isinstance(selection, FragmentSpreadNode):
            count += expected_objects(fragments[selection.name.value].selection_set, fragments, variables)
        elif isinstance(selection, FieldNode) and selection.selection_set is not None:
            below = expected_objects(selection.selection_set, fragments, variables)
            count += _items(selection, variables) * (1 + below)
    return count


def _items(field: FieldNode, variables: Mapping[str, Any]) -> int:
    for argument in field.arguments or ():
        if argument.name.value == "first":
            return _number(argument.value, variables)
    return 1


def _number(value: object, variables: Mapping[str, Any]) -> int:
    if isinstance(value, IntValueNode):
        return max(1, int(value.value[:10]))
    given = variables.get(value.name.value) if isinstance(value, VariableNode) else None
    return given if type(given) is int and given > 0 else 1


def says_first(selections: SelectionSetNode, fragments: Mapping[str, FragmentDefinitionNode]) -> bool:
    """Whether any list of an operation has a ``first`` argument."""
    todo, seen = [selections], set()
    while todo:
        for selection in todo.pop().selections:
            if isinstance(selection, FragmentSpreadNode):
                if selection.name.value in seen:
                    continue
                seen.add(selection.name.value)
                todo.append(fragments[selection.name.value].selection_set)
            elif isinstance(selection, FieldNode | InlineFragmentNode):
                if any(argument.name.value == "first" for argument in getattr(selection, "arguments", None) or ()):
                    return True
                if selection.selection_set is not None:
                    todo.append(selection.selection_set)
    return False
