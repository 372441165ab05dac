"""How often a document repeats the names of its fields, which takes the most time to validate.

Validation compares every two fields of the same name to see whether they can be merged. So the
pairs are counted before anything is validated, in one pass over the fields.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

Fragments = Mapping[str, FragmentDefinitionNode]

_VISITS_MAX = 5_000


def count_overlaps(document: DocumentNode, fragments: Fragments, *, most: int) -> int:
    """Return how many pairs of fields would be compared, and no more than ``most`` + 1.

    Fields are compared if they have the same name in the answer below fields that are compared, through
    fragments. A fragment that spreads itself ends the count: validation refuses it next.
    """
    pairs, visits = 0, 0
    for definition in document.definitions:
        if not isinstance(definition, OperationDefinitionNode | FragmentDefinitionNode):
            continue
        todo = [[definition.selection_set]]
        while todo:
            for fields in _by_name(todo.pop(), fragments).values():
                visits += len(fields)
                pairs += len(fields) * (len(fields) - 1) // 2
                todo.append([field.selection_set for field in fields if field.selection_set is not None])
            if pairs > most or visits > _VISITS_MAX:
                return min(pairs, most + 1)
    return pairs


def _by_name(merged: list[SelectionSetNode], fragments: Fragments) -> Mapping[str, list[FieldNode]]:
    found = defaultdict(list)
    for field in _fields(merged, fragments):
        found[(field.alias or field.name).value].append(field)
    return found


def _fields(merged: list[SelectionSetNode], fragments: Fragments) -> Iterator[FieldNode]:
    """Return the fields of selection sets that are merged; each fragment is read once."""
    todo, spread = list(merged), set()
    while todo:
        for selection in todo.pop().selections:
            if isinstance(selection, FieldNode):
                yield selection
            elif isinstance(selection, InlineFragmentNode):
                todo.append(selection.selection_set)
            elif isinstance(selection, FragmentSpreadNode) and selection.name.value not in spread:
                spread.add(selection.name.value)
                fragment = fragments.get(selection.name.value)
                if fragment is not None:
                    todo.append(fragment.selection_set)
