"""The limits of one GraphQL request, and how they are counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    ListValueNode,
    Node,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    StringValueNode,
    ValueNode,
    VariableNode,
)

from kana.api.graphql.overlaps import count_overlaps
from kana.api.parts import Parts
from kana.errors import KanaError, QueryTooComplex

INTROSPECTION_FIELDS = frozenset({"__schema", "__type"})

_CONTAINERS = (list, dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds of one endpoint. Each is the largest value that is allowed.

    ``depth`` counts fields from the root, through fragments of any name; under ``__schema`` and
    ``__type`` it is ``introspection_depth`` instead. ``fields``, ``aliases`` and ``root_fields`` are counted as
    executed: a fragment spread twice counts twice. ``overlaps`` are pairs of fields of one name in the answer.
    ``list_items`` bounds each list in variables and
    literals, and ``list_items_of`` lists the arguments that take more, as ``field.argument``; of those, the items
    in variables are answered one by one, by a resolver that gets errors in the place of some. ``list_items_in`` are the
    lists that take more within an input object in variables, as ``field.argument.key``: they are refused as a whole.
    ``variable_keys`` counts the keys of all objects together, but afresh for each item of such a longer list.
    ``bulk_body_bytes`` bounds the body of an operation with such a list, ``body_bytes`` that of any other.
    ``string_bytes`` is UTF-8. ``documents`` and ``document_characters`` bound the cache.
    """

    body_bytes: int = 102_400
    bulk_body_bytes: int = 1_048_576
    tokens: int = 1000
    operations: int = 20
    fields: int = 1000
    overlaps: int = 2500
    depth: int = 12
    introspection_depth: int = 20
    aliases: int = 15
    root_fields: int = 10
    directives: int = 10
    directives_per_field: int = 2
    fragments: int = 50
    list_items: int = 100
    list_items_of: Mapping[str, int] = field(default_factory=dict)
    list_items_in: Mapping[str, int] = field(default_factory=dict)
    variable_depth: int = 16
    variable_keys: int = 200
    string_bytes: int = 8192
    documents: int = 1000
    document_characters: int = 262_144


def too_complex(limit: str, *, value: object, allowed: int) -> QueryTooComplex:
    """Return the refusal that names a limit, the requested value and the allowed one."""
    return QueryTooComplex(f"{limit} is {value}, at most {allowed} allowed")


def _require(limit: str, value: int, allowed: int) -> None:
    if value > allowed:
        raise too_complex(limit, value=value, allowed=allowed)


def check_document(document: DocumentNode, limits: Limits) -> None:
    """Refuse a parsed document that exceeds a limit, before it is validated.

    Raises:
        QueryTooComplex: a limit is exceeded; the message names the first one.
    """
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    _require("fragments", len(fragments), limits.fragments)
    operations = sum(isinstance(node, OperationDefinitionNode) for node in document.definitions)
    _require("operations", operations, limits.operations)
    _check_nodes(document, limits)
    measure = _Measure(fragments)
    for operation in document.definitions:
        if isinstance(operation, OperationDefinitionNode):
            size = measure.of(operation.selection_set)
            _require("root fields", size.root_fields, limits.root_fields)
            _require("aliases", size.aliases, limits.aliases)
            _require("depth", size.depth, limits.depth)
            _require("introspection depth", size.introspection_depth, limits.introspection_depth)
            _require("fields", size.fields, limits.fields)
    if count_overlaps(document, fragments, most=limits.overlaps) > limits.overlaps:
        raise repeats_too_often()


def repeats_too_often() -> QueryTooComplex:
    """Return the refusal of a document with too many fields of the same name."""
    return QueryTooComplex("the document repeats its fields too often to be validated")


def _check_nodes(document: DocumentNode, limits: Limits) -> None:
    """Check directives and literals anywhere in the document."""
    directives = 0
    for node in walk(document):
        here = len(getattr(node, "directives", None) or ())
        _require("directives on one element", here, limits.directives_per_field)
        directives += here
        if isinstance(node, FieldNode):
            for argument in node.arguments or ():
                allowed = limits.list_items_of.get(f"{node.name.value}.{argument.name.value}", limits.list_items)
                _check_literal(argument.value, limits, argument.name.value, allowed=allowed)
    _require("directives", directives, limits.directives)


def walk(root: Node) -> Iterable[Node]:
    """Yield every node that can have directives or arguments; literals are left to ``_check_literal``."""
    todo: list[Node] = [root]
    while todo:
        node = todo.pop()
        yield node
        for key in ("definitions", "variable_definitions", "selections"):
            todo.extend(getattr(node, key, None) or ())
        selection_set = getattr(node, "selection_set", None)
        if selection_set is not None:
            todo.append(selection_set)


def _check_literal(value: ValueNode, limits: Limits, name: str, *, allowed: int) -> None:
    todo: list[tuple[ValueNode, int, int]] = [(value, 1, allowed)]
    while todo:
        node, depth, items = todo.pop()
        _require(f"depth of {name}", depth, limits.variable_depth)
        if isinstance(node, StringValueNode):
            _require(f"bytes of {name}", len(node.value.encode("utf-8", "replace")), limits.string_bytes)
        elif isinstance(node, ListValueNode):
            _require(f"items of {name}", len(node.values), items)
            todo.extend((item, depth + 1, limits.list_items) for item in node.values)
        elif isinstance(node, ObjectValueNode):
            todo.extend((item.value, depth + 1, limits.list_items) for item in node.fields)


class _Size(NamedTuple):
    root_fields: int = 0
    fields: int = 0
    aliases: int = 0
    depth: int = 0
    introspection_depth: int = 0

    def beside(self, other: _Size) -> _Size:
        return _Size(
            self.root_fields + other.root_fields,
            self.fields + other.fields,
            self.aliases + other.aliases,
            max(self.depth, other.depth),
            max(self.introspection_depth, other.introspection_depth),
        )


class _Measure:
    """Sizes of selection sets through fragments; each fragment is measured once.

    A fragment that spreads itself counts as empty where it does so: validation refuses it next.
    """

    def __init__(self, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        self._fragments = fragments
        self._known: dict[str, _Size] = {}

    def of(self, selection_set: SelectionSetNode | None) -> _Size:
        size = _Size()
        for selection in selection_set.selections if selection_set is not None else ():
            if isinstance(selection, FieldNode):
                size = size.beside(self._field(selection))
            elif isinstance(selection, InlineFragmentNode):
                size = size.beside(self.of(selection.selection_set))
            elif isinstance(selection, FragmentSpreadNode):
                size = size.beside(self._fragment(selection.name.value))
        return size

    def _field(self, node: FieldNode) -> _Size:
        below = self.of(node.selection_set)
        aliases = below.aliases + (node.alias is not None)
        depth = 1 + max(below.depth, below.introspection_depth)
        size = _Size(root_fields=1, fields=1 + below.fields, aliases=aliases)
        if node.name.value in INTROSPECTION_FIELDS:
            return size._replace(introspection_depth=depth)
        return size._replace(depth=depth)

    def _fragment(self, name: str) -> _Size:
        known = self._known.get(name)
        if known is None:
            self._known[name] = _Size()
            fragment = self._fragments.get(name)
            known = self._known[name] = self.of(fragment.selection_set if fragment else None)
        return known


def longer_lists(operation: Node, limits: Limits) -> dict[str, int]:
    """Return the variables used for an argument of ``list_items_of``, and how many items each may have."""
    longer: dict[str, int] = {}
    for node in walk(operation):
        if isinstance(node, FieldNode):
            for argument in node.arguments or ():
                allowed = limits.list_items_of.get(f"{node.name.value}.{argument.name.value}")
                if allowed is not None and isinstance(argument.value, VariableNode):
                    longer[argument.value.name.value] = allowed
    return longer


Wider: TypeAlias = Mapping[str, Mapping[str, int]]
"""The variables that are objects with a longer list: how many items each of their keys may have."""


def wider_inputs(operation: Node, limits: Limits) -> dict[str, dict[str, int]]:
    """Return the variables used for an argument of ``list_items_in``, and how many items the lists in each may have."""
    wider: dict[str, dict[str, int]] = {}
    for node in walk(operation):
        if isinstance(node, FieldNode):
            for argument in node.arguments or ():
                for key, allowed in limits.list_items_in.items():
                    path, _, name = key.rpartition(".")
                    if path == f"{node.name.value}.{argument.name.value}" and isinstance(argument.value, VariableNode):
                        wider.setdefault(argument.value.name.value, {})[name] = allowed
    return wider


def take_variables(
    parts: Parts, limits: Limits, longer: Mapping[str, int], wider: Wider = MappingProxyType({})
) -> dict[str, Any]:
    """Return the variables, none of which is too deep, has too many items or is too long.

    Items of a ``longer`` list are answered separately: the error of a refused item takes its place. ``wider`` ones
    may have longer lists in them.

    Raises:
        InvalidValue: another variable contains a value that is refused.
        QueryTooComplex: a limit is exceeded; the message names it and the variable.
    """
    taken: dict[str, Any] = parts.all_but(*longer)
    keys = len(parts.value)
    for name, value in taken.items():
        keys += _count_keys(value, limits, name, wider.get(name))
    _require("variable keys", keys, limits.variable_keys)
    for name, most in longer.items():
        if name in parts.value:
            taken[name] = _take_items(parts, name, limits, most=most)
    return taken


def _take_items(parts: Parts, name: str, limits: Limits, *, most: int) -> list[Any] | None:
    """Return the items of a list. As in GraphQL, any other value but null is a list of one item."""
    given = parts.value[name]
    if given is None:
        return None
    items = given if isinstance(given, list) else [given]
    _require(f"items of ${name}", len(items), most)
    return [_take_item(parts, item, limits, f"{name}[{place}]") for place, item in enumerate(items)]


def _take_item(parts: Parts, item: Any, limits: Limits, name: str) -> Any:
    try:
        _require("variable keys", _count_keys(parts.taken(item, name), limits, name), limits.variable_keys)
    except KanaError as error:
        return error
    return item


def _count_keys(value: Any, limits: Limits, name: str, wider: Mapping[str, int] | None = None) -> int:
    """Return how many keys ``value`` has in all; its strings, lists and depth are checked."""
    if wider and isinstance(value, dict):
        value = {key: _checked_list(item, limits, name, key, wider) for key, item in value.items()}
    if isinstance(value, str):
        _check_string(value, limits, name)
    keys = 0
    todo: list[tuple[Any, int]] = [(value, 1)] if isinstance(value, _CONTAINERS) else []
    while todo:
        container, depth = todo.pop()
        if depth > limits.variable_depth:
            raise too_complex(f"depth of ${name}", value=depth, allowed=limits.variable_depth)
        items: Iterable[Any] = container
        if isinstance(container, dict):
            keys += len(container)
            items = container.values()
        elif len(container) > limits.list_items:
            raise too_complex(f"items of ${name}", value=len(container), allowed=limits.list_items)
        for item in items:
            if isinstance(item, str):
                _check_string(item, limits, name)
            elif isinstance(item, _CONTAINERS):
                todo.append((item, depth + 1))
    return keys


def _checked_list(value: Any, limits: Limits, name: str, key: str, wider: Mapping[str, int]) -> Any:
    """Return a value of an object; in place of a longer list of strings, which is checked, its first one."""
    if key not in wider or not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        return value
    _require(f"items of ${name}.{key}", len(value), wider[key])
    for each in value:
        _check_string(each, limits, name)
    return value[:1]


def _check_string(value: str, limits: Limits, name: str) -> None:
    if len(value) * 4 > limits.string_bytes:
        _require(f"bytes of ${name}", len(value.encode("utf-8", "replace")), limits.string_bytes)
