"""What an answer may hold, and how much of one is written before others have their turn."""

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
"""Most objects of one answer, the items of lists above all."""

BYTES_MAX = 16 * 1024 * 1024
"""Longest answer, in bytes of JSON: 16 MB."""

OBJECTS_AT_ONCE = 100
"""How many objects are written before others have their turn: some milliseconds of work."""

_PAGE = "page with first and after, or ask for fewer fields"


class OverBudget(QueryTooComplex):
    """An answer is, or would be, larger than it may be: no field is null instead, it is refused as a whole."""


def too_many_objects() -> OverBudget:
    """The refusal of an answer of too many objects."""
    return OverBudget(f"the answer holds more than {OBJECTS_MAX} objects; {_PAGE}")


def too_many_bytes() -> OverBudget:
    """The refusal of an answer that is too long."""
    return OverBudget(f"the answer is longer than {BYTES_MAX} bytes; {_PAGE}")


class Turn:
    """How much was written since others had their turn, by all requests of one endpoint together.

    Without it ten answers that are written side by side would each write their part before anybody else is served.
    """

    def __init__(self) -> None:
        self._written = 0
        self._ends = False

    @property
    def is_over(self) -> bool:
        """Whether it is others' turn."""
        return self._written >= OBJECTS_AT_ONCE

    def take(self, objects: int) -> None:
        """Count objects that are written."""
        self._written += objects

    async def wait(self) -> None:
        """Let others have their turn, until there is one again."""
        while self.is_over:
            if not self._ends:
                self._ends = True
                asyncio.get_running_loop().call_soon(self._begin)
            await asyncio.sleep(0)

    def _begin(self) -> None:
        self._written, self._ends = 0, False


class Budget:
    """What is left of an answer's objects and bytes."""

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
        """Count bytes of a list that stands in no other.

        Raises:
            OverBudget: there are too many.
        """
        self._bytes -= count
        if self._bytes < 0:
            raise too_many_bytes()


def expected_objects(
    selections: SelectionSetNode, fragments: Mapping[str, FragmentDefinitionNode], variables: Mapping[str, Any]
) -> int:
    """Return how many objects an answer holds when each list that says ``first`` has so many items, and others one."""
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
    """Whether any list of an operation says how many items it is to have."""
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
