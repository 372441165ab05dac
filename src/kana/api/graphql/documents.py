"""Parsed and validated documents, kept: validating one costs thirty times what executing it does."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    parse,
    validate,
)
from graphql.execution.collect_fields import FragmentDetails

from kana.api.graphql.limits import INTROSPECTION_FIELDS, Limits, check_document, longer_lists, walk
from kana.api.graphql.plan import Plan
from kana.errors import QueryTooComplex

_ERRORS_MAX = 20
_SEVERAL = "several"


class NotExecutable(Exception):
    """The document, or with these variables, cannot be executed; ``errors`` say why, each with its position."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__(errors[0].message)
        self.errors = errors


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Operation:
    """One operation of a validated document, with all that can be known before it is executed.

    ``label`` is its root field, or "several": a name of the schema's, never of the client's.
    ``plan`` is None where a directive may choose other fields each time.
    """

    node: OperationDefinitionNode
    fragments: dict[str, FragmentDetails]
    fragment_definitions: dict[str, FragmentDefinitionNode]
    label: str
    introspects: bool
    longer_lists: Mapping[str, int]
    plan: Plan | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Document:
    """A validated document: its operations by name, and the one to take where none is named."""

    operations: Mapping[str | None, Operation]
    only: Operation | None

    def operation(self, name: str | None) -> Operation:
        """The operation called ``name``; an empty name is none.

        Raises:
            NotExecutable: there is none of that name, or there are several and none is named.
        """
        operation = self.operations.get(name) if name else self.only
        if operation is None:
            raise NotExecutable([GraphQLError(self._missing(name))])
        return operation

    def _missing(self, name: str | None) -> str:
        if name:
            return f"Unknown operation named {name!r}."
        if self.operations:
            return "Must provide operation name if query contains multiple operations."
        return "Must provide an operation."


class Documents:
    """The documents of one schema, the least recently used forgotten first. Only valid ones are kept.

    Bounded by number and by the characters of all texts together, since what a text is
    parsed into takes a multiple of its length.
    """

    def __init__(self, schema: GraphQLSchema, limits: Limits) -> None:
        self._schema = schema
        self._limits = limits
        self._kept: OrderedDict[str, Document] = OrderedDict()
        self._characters = 0

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, text: str, *, hide_suggestions: bool = False) -> Document:
        """The document of ``text``, parsed and validated now or before.

        Raises:
            QueryTooComplex: it asks for more than the limits allow.
            NotExecutable: it is not GraphQL, or not for this schema; without "Did you mean"
                where ``hide_suggestions``.
        """
        document = self._kept.get(text)
        if document is not None:
            self._kept.move_to_end(text)
            return document
        document = self._prepare(text, hide_suggestions=hide_suggestions)
        self._keep(text, document)
        return document

    def _prepare(self, text: str, *, hide_suggestions: bool) -> Document:
        parsed = _parse(text, self._limits)
        check_document(parsed, self._limits)
        errors = validate(self._schema, parsed, max_errors=_ERRORS_MAX, hide_suggestions=hide_suggestions)
        if errors and errors[-1].message == "Validation aborted.":
            raise QueryTooComplex("the document repeats its fields too often to be validated")
        if errors:
            raise NotExecutable(errors)
        return _document(parsed, self._schema, self._limits)

    def _keep(self, text: str, document: Document) -> None:
        self._kept[text] = document
        self._characters += len(text)
        while len(self._kept) > self._limits.documents or self._characters > self._limits.document_characters:
            forgotten, _ = self._kept.popitem(last=False)
            self._characters -= len(forgotten)


def _parse(text: str, limits: Limits) -> DocumentNode:
    try:
        return parse(text, max_lexical_tokens=limits.tokens, max_comments=limits.tokens)
    except GraphQLError as error:
        # The parser has no error class of its own for its bounds; it ends their message so.
        if error.message.endswith("Parsing aborted."):
            raise QueryTooComplex(f"tokens are more than {limits.tokens}, at most {limits.tokens} allowed") from None
        raise NotExecutable([error]) from None


def _document(parsed: DocumentNode, schema: GraphQLSchema, limits: Limits) -> Document:
    definitions = {node.name.value: node for node in parsed.definitions if isinstance(node, FragmentDefinitionNode)}
    fragments = {name: FragmentDetails(node) for name, node in definitions.items()}
    operations: dict[str | None, Operation] = {}
    for node in parsed.definitions:
        if isinstance(node, OperationDefinitionNode):
            roots = set(_root_fields(node.selection_set, definitions))
            longer: dict[str, int] = {}
            for part in (node, *definitions.values()):
                longer.update(longer_lists(part, limits))
            operations[node.name.value if node.name else None] = Operation(
                node=node,
                fragments=fragments,
                fragment_definitions=definitions,
                label=next(iter(roots)) if len(roots) == 1 else _SEVERAL,
                introspects=not roots.isdisjoint(INTROSPECTION_FIELDS),
                longer_lists=longer,
                plan=None if _varies(parsed) else Plan(schema, node),
            )
    only = next(iter(operations.values())) if len(operations) == 1 else None
    return Document(operations=operations, only=only)


def _varies(parsed: DocumentNode) -> bool:
    """Whether @skip or @include may choose other fields with other variables."""
    return any(getattr(node, "directives", None) for node in walk(parsed))


def _root_fields(selection_set: SelectionSetNode, fragments: Mapping[str, FragmentDefinitionNode]) -> Iterable[str]:
    """The names of the fields at the root, through fragments, which have no cycle in a valid document."""
    for selection in selection_set.selections:
        if isinstance(selection, FieldNode):
            yield selection.name.value
        elif isinstance(selection, InlineFragmentNode):
            yield from _root_fields(selection.selection_set, fragments)
        elif isinstance(selection, FragmentSpreadNode):
            yield from _root_fields(fragments[selection.name.value].selection_set, fragments)
