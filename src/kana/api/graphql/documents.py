"""A cache of parsed and validated documents: validating one takes thirty times as long as executing it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

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
    Token,
)
from graphql.execution.collect_fields import FragmentDetails
from graphql.language.parser import Parser

from kana.api.graphql.budget import says_first
from kana.api.graphql.limits import (
    INTROSPECTION_FIELDS,
    Limits,
    Wider,
    check_document,
    longer_lists,
    walk,
    wider_inputs,
)
from kana.api.graphql.plan import Plan
from kana.api.graphql.validation import first_fault
from kana.errors import QueryTooComplex

_SEVERAL = "several"


CHARACTERS_AT_ONCE = 1_000
"""The longest new text that is read at once; longer ones wait for each other."""

REST_S = 0.06
"""The time between two long documents, in seconds: a few times as long as one of them takes."""


class NotExecutable(Exception):
    """The document, or its variables, cannot be executed; ``errors`` say why, each with its position."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__(errors[0].message)
        self.errors = errors


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Operation:
    """One operation of a validated document, with everything that is known before it is executed.

    ``label`` is its root field, or "several": a name in the schema, never one from the client.
    ``plan`` is None if a directive may choose other fields each time. ``says_first`` says that a list has
    a ``first`` argument.
    """

    node: OperationDefinitionNode
    fragments: dict[str, FragmentDetails]
    fragment_definitions: dict[str, FragmentDefinitionNode]
    label: str
    introspects: bool
    longer_lists: Mapping[str, int]
    wider_inputs: Wider
    plan: Plan | None
    says_first: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Document:
    """A validated document: its operations by name, and the one to use if none is named."""

    operations: Mapping[str | None, Operation]
    only: Operation | None

    def operation(self, name: str | None) -> Operation:
        """Return the operation called ``name``; an empty name means none.

        Raises:
            NotExecutable: there is no such operation, or there are several and none is named.
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


_Value = TypeVar("_Value")


class _Kept(Generic[_Value]):
    """Results by text; the least recently used one goes first.

    It is bounded by number and by the characters of all texts together, because a parsed text takes
    a multiple of its length.
    """

    def __init__(self, *, number: int, characters: int) -> None:
        self._number, self._most = number, characters
        self._values: OrderedDict[str, _Value] = OrderedDict()
        self._characters = 0

    def __len__(self) -> int:
        return len(self._values)

    def get(self, text: str) -> _Value | None:
        value = self._values.get(text)
        if value is not None:
            self._values.move_to_end(text)
        return value

    def put(self, text: str, value: _Value) -> None:
        if text not in self._values:
            self._characters += len(text)
        self._values[text] = value
        while len(self._values) > self._number or self._characters > self._most:
            forgotten, _ = self._values.popitem(last=False)
            self._characters -= len(forgotten)


class Documents:
    """The documents of one schema, and the errors of texts that are no documents, so that none is read twice.

    The two are stored separately, so that no number of mistakes evicts the documents in use.
    """

    def __init__(self, schema: GraphQLSchema, limits: Limits) -> None:
        self._schema = schema
        self._limits = limits
        self._kept = _Kept[Document](number=limits.documents, characters=limits.document_characters)
        self._resting = asyncio.Lock()
        self._refused = _Kept[_Refusal](number=limits.documents, characters=limits.document_characters)

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def refused(self) -> int:
        """How many texts are known to be no documents."""
        return len(self._refused)

    async def get(
        self, text: str, *, hide_suggestions: bool = False, admit: Callable[[], object] = lambda: None
    ) -> Document:
        """Return the document of ``text``, parsed and validated now or before.

        ``admit`` is called before a new text is read; its errors are passed on.

        Raises:
            QueryTooComplex: it asks for more than the limits allow.
            NotExecutable: it is not GraphQL, or not for this schema: the first error, without
                "Did you mean" if ``hide_suggestions``.
        """
        document = self._kept.get(text)
        if document is not None:
            return document
        known = self._refused.get(_key(text, hide_suggestions=hide_suggestions))
        if known is not None:
            raise known.again()
        admit()
        if len(text) > CHARACTERS_AT_ONCE:
            await self._wait_for_rest()
        try:
            document = await self._prepare(text, hide_suggestions=hide_suggestions)
        except (QueryTooComplex, NotExecutable) as error:
            refusal = _Refusal.of(error)
            self._refused.put(_key(text, hide_suggestions=hide_suggestions), refusal)
            raise refusal.again() from None
        self._kept.put(text, document)
        return document

    async def _wait_for_rest(self) -> None:
        """Read one long document at a time, with a pause after it, so that only those who send many of them wait."""
        await self._resting.acquire()
        asyncio.get_running_loop().call_later(REST_S, self._resting.release)

    async def _prepare(self, text: str, *, hide_suggestions: bool) -> Document:
        parsed = _parse(text, self._limits)
        check_document(parsed, self._limits)
        fault = await first_fault(self._schema, parsed, hide_suggestions=hide_suggestions)
        if fault is not None:
            raise NotExecutable([fault])
        return _document(parsed, self._schema, self._limits)


def _key(text: str, *, hide_suggestions: bool) -> str:
    return f"{hide_suggestions:d}{text}"


@dataclass(frozen=True, slots=True)
class _Refusal:
    """The errors of a text that is no document: messages and places, without any of its parsed form."""

    errors: tuple[GraphQLError, ...]
    too_complex: str

    @classmethod
    def of(cls, error: QueryTooComplex | NotExecutable) -> _Refusal:
        if isinstance(error, QueryTooComplex):
            return cls((), error.message)
        return cls(tuple(map(_bare, error.errors)), "")

    def again(self) -> QueryTooComplex | NotExecutable:
        return QueryTooComplex(self.too_complex) if self.too_complex else NotExecutable(list(self.errors))


def _bare(error: GraphQLError) -> GraphQLError:
    bare = GraphQLError(error.message)
    bare.locations = error.locations
    return bare


def _parse(text: str, limits: Limits) -> DocumentNode:
    parser = Parser(text, max_lexical_tokens=limits.tokens, max_comments=limits.tokens)
    first = parser._lexer.token  # noqa: SLF001 - the only way to the tokens of a text that cannot be parsed
    try:
        return parser.parse_document()
    except GraphQLError as error:
        # The parser has no error class for its bounds, but their message ends like this.
        if error.message.endswith("Parsing aborted."):
            raise QueryTooComplex(f"tokens are more than {limits.tokens}, at most {limits.tokens} allowed") from None
        raise NotExecutable([_bare(error)]) from None
    except RecursionError:
        raise QueryTooComplex("the document is nested too deeply to be read") from None
    finally:
        _unlink(first)


def _unlink(token: Token | None) -> None:
    """Take apart a chain of tokens, each of which refers to the next and the previous one.

    Cycles are left to the collector, which runs so rarely that documents used once would fill the memory.
    """
    while token is not None:
        following, token.next, token.prev = token.next, None, None
        token = following


def _document(parsed: DocumentNode, schema: GraphQLSchema, limits: Limits) -> Document:
    definitions = {node.name.value: node for node in parsed.definitions if isinstance(node, FragmentDefinitionNode)}
    fragments = {name: FragmentDetails(node) for name, node in definitions.items()}
    operations: dict[str | None, Operation] = {}
    varies = _varies(parsed)
    longer_in_fragments: dict[str, int] = {}
    wider_in_fragments: dict[str, dict[str, int]] = {}
    for definition in definitions.values():
        longer_in_fragments |= longer_lists(definition, limits)
        wider_in_fragments |= wider_inputs(definition, limits)
    for node in parsed.definitions:
        if isinstance(node, OperationDefinitionNode):
            roots = set(_root_fields(node.selection_set, definitions))
            longer = longer_lists(node, limits) | longer_in_fragments
            operations[node.name.value if node.name else None] = Operation(
                node=node,
                fragments=fragments,
                fragment_definitions=definitions,
                label=next(iter(roots)) if len(roots) == 1 else _SEVERAL,
                introspects=not roots.isdisjoint(INTROSPECTION_FIELDS),
                longer_lists=longer,
                wider_inputs=wider_inputs(node, limits) | wider_in_fragments,
                plan=None if varies else Plan(schema, node, one_by_one=longer),
                says_first=says_first(node.selection_set, definitions),
            )
    only = next(iter(operations.values())) if len(operations) == 1 else None
    return Document(operations=operations, only=only)


def _varies(parsed: DocumentNode) -> bool:
    """Whether @skip or @include may choose other fields for other variables."""
    return any(getattr(node, "directives", None) for node in walk(parsed))


def _root_fields(selection_set: SelectionSetNode, fragments: Mapping[str, FragmentDefinitionNode]) -> Iterable[str]:
    """Return the names of the root fields, through fragments, which have no cycle in a valid document."""
    for selection in selection_set.selections:
        if isinstance(selection, FieldNode):
            yield selection.name.value
        elif isinstance(selection, InlineFragmentNode):
            yield from _root_fields(selection.selection_set, fragments)
        elif isinstance(selection, FragmentSpreadNode):
            yield from _root_fields(fragments[selection.name.value].selection_set, fragments)
