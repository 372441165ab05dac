"""Validating a parsed document with graphql-core's rules, up to the first error, in turns and without garbage.

``graphql.validate`` cannot be interrupted, and it creates cycles, about 750 objects for the smallest
document, which only the collector frees.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from graphql import (
    ASTValidationRule,
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    ParallelVisitor,
    TypeInfo,
    TypeInfoVisitor,
    ValidationContext,
    specified_rules,
    visit,
)
from graphql.validation.validate import ValidationAbortedError, query_document_keys_to_validate
from graphql.validation.validation_context import NodeWithSelectionSet, VariableUsage, VariableUsageVisitor

from kana.api.graphql.limits import repeats_too_often

TOKENS_AT_ONCE = 250
"""The largest document that is validated in one go; for a larger one others get a turn after a few rules."""

_RULES_AT_ONCE = 6


async def first_fault(schema: GraphQLSchema, document: DocumentNode, *, hide_suggestions: bool) -> GraphQLError | None:
    """Return the first error of a document; None if it is valid.

    Raises:
        QueryTooComplex: validating it would take too long.
    """
    for rules in _turns(document):
        fault = _first_fault(schema, document, rules, hide_suggestions=hide_suggestions)
        if fault is not None:
            return fault
        if len(rules) < len(specified_rules):
            await asyncio.sleep(0)
    return None


def _turns(document: DocumentNode) -> Sequence[Sequence[type[ASTValidationRule]]]:
    if document.token_count <= TOKENS_AT_ONCE:
        return [specified_rules]
    return [specified_rules[at : at + _RULES_AT_ONCE] for at in range(0, len(specified_rules), _RULES_AT_ONCE)]


class _Stop(Exception):
    """The document has an error."""


class _Context(ValidationContext):
    """The context of the rules, with results that they share."""

    def get_variable_usages(self, node: NodeWithSelectionSet) -> list[VariableUsage]:
        """Return where an operation or a fragment uses variables, as the library does, but without garbage."""
        usages: list[VariableUsage] | None = self._variable_usages.get(node)
        if usages is None:
            fragment = node if isinstance(node, FragmentDefinitionNode) else None
            found = VariableUsageVisitor(self._type_info, fragment)
            walk = TypeInfoVisitor(self._type_info, found)
            visit(node, walk)
            usages = self._variable_usages[node] = found.usages
            _forget(walk, found)
        return usages


def _first_fault(
    schema: GraphQLSchema, document: DocumentNode, rules: Sequence[type[ASTValidationRule]], *, hide_suggestions: bool
) -> GraphQLError | None:
    faults: list[GraphQLError] = []

    def stop(fault: GraphQLError) -> None:
        faults.append(fault)
        raise _Stop

    type_info = TypeInfo(schema)
    context = _Context(schema, document, type_info, stop, hide_suggestions)
    visitors = [rule(context) for rule in rules]
    all_at_once = ParallelVisitor(visitors)
    walk = TypeInfoVisitor(type_info, all_at_once)
    try:
        visit(document, walk, query_document_keys_to_validate)
    except _Stop:
        return faults[0]
    except (ValidationAbortedError, RecursionError):
        raise repeats_too_often() from None
    finally:
        _forget(context, type_info, walk, all_at_once, *visitors)
    return None


def _forget(*held: object) -> None:
    """Take cycles apart: a visitor refers to its own methods, and a rule to its context."""
    for each in held:
        vars(each).clear()
