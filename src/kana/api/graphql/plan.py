"""The plan of a cached operation: what graphql-core would otherwise work out again for every request.

A plan has the collected fields of each selection set, and for each field its definition, its resolver
and the source of its arguments. It never decides anything: for an unusual field the plan says so, and
graphql-core's own code takes over.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import NoneType
from typing import Any, NamedTuple, TypeAlias

from graphql import (
    FieldNode,
    GraphQLError,
    GraphQLField,
    GraphQLInputType,
    GraphQLLeafType,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    GraphQLSchema,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    Undefined,
    VariableNode,
    coerce_input_value,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
    is_required_argument,
    is_scalar_type,
)
from graphql.execution.collect_fields import CollectedFields, FieldDetails
from graphql.execution.get_variable_signature import GraphQLVariableSignature, get_variable_signature
from graphql.execution.values import VariableValues, VariableValueSource, coerce_argument, get_argument_values
from graphql.utilities import validate_input_value

from kana.api.graphql.shapes import Branch, Leaf, Shape
from kana.errors import InvalidValue, KanaError

_EXACT: Mapping[str, type] = {"String": str, "Boolean": bool}


_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


@lru_cache(maxsize=1024)
def attribute_of(field_name: str) -> str:
    """Return the attribute of an object for a field: ``overageEnabled`` is ``overage_enabled``."""
    return _CAPITAL.sub("_", field_name).lower()


def read_field(source: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
    """Resolve a field without a resolver: from a key of the same name, or an attribute in snake case.

    A callable is called, as in graphql-core.
    """
    name = info.field_name
    value = source.get(name) if isinstance(source, dict) else getattr(source, attribute_of(name), None)
    return value(info, **arguments) if callable(value) else value


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """One field of an operation, as it is resolved for every request.

    ``constants`` are the arguments of every request: plain literals, and defaults unless a variable
    overrides them. ``variables`` are the others as (name for the resolver, variable, must not be null);
    ``None`` if one of them is neither.
    """

    definition: GraphQLField
    type: GraphQLOutputType
    resolve: Any
    nodes: list[FieldNode]
    details: FieldDetails
    constants: Mapping[str, Any]
    variables: tuple[tuple[str, str, bool], ...] | None

    def arguments(self, values: VariableValues, *, hide_suggestions: bool) -> dict[str, Any]:
        """Return the arguments for the resolver; graphql-core takes over if one of them is unusual."""
        if self.variables is not None:
            coerced = values.coerced
            arguments = dict(self.constants)
            for name, variable, required in self.variables:
                value = coerced.get(variable, Undefined)
                if value is not Undefined:
                    arguments[name] = value
                if required and arguments.get(name) is None:
                    break
            else:
                return arguments
        return get_argument_values(
            self.definition,
            self.nodes[0],
            values,
            self.details.fragment_variable_values,
            hide_suggestions,
        )


Collect: TypeAlias = Callable[[GraphQLObjectType, list[FieldDetails]], CollectedFields]
"""Collects the fields below a field, as graphql-core does."""


class Input(NamedTuple):
    """A variable of the operation; a value whose type is ``exact`` needs no coercion.

    ``each`` is the type of the items of a list that are answered one by one.
    """

    signature: GraphQLVariableSignature
    exact: type | None
    optional: bool
    each: GraphQLInputType | None


class Step(NamedTuple):
    """One response key of a selection set; ``shape`` is set if it can be read without a resolver."""

    response_name: str
    shape: Shape | None
    details: list[FieldDetails]


class Plan:
    """The plan of one operation, filled while it is first executed.

    Fields are identified by graphql-core's lists of them, which stay alive in ``sub_fields`` and ``root``,
    so that no identity is ever reused. Many tasks of one thread may use it: they all store the same values.
    """

    def __init__(
        self, schema: GraphQLSchema, operation: OperationDefinitionNode, *, one_by_one: Container[str] = ()
    ) -> None:
        self._schema = schema
        self._inputs = _inputs(schema, operation, one_by_one)
        self._fields: dict[int, Field | None] = {}
        self._steps: dict[int, list[Step]] = {}
        self._results: dict[int, Shape | None] = {}
        self.root: CollectedFields | None = None
        self.sub_fields: dict[Any, Any] = {}

    def variables(self, given: dict[str, Any]) -> VariableValues | None:
        """Return the variables; ``None`` if one is wrong or has a default, so that graphql-core has to read them.

        In a list whose items are answered one by one, the error of a wrong item takes its place.
        """
        sources: dict[str, VariableValueSource] = {}
        coerced: dict[str, Any] = {}
        for signature, exact, optional, each in self._inputs:
            name = signature.name
            value = given.get(name, Undefined)
            sources[name] = VariableValueSource(signature, value)
            if value is Undefined:
                if not optional:
                    return None
                continue
            if each is not None and isinstance(value, list):
                value = [_coerced_item(item, each) for item in value]
            elif type(value) is not exact:
                value = _coerced(value, signature)
                if value is Undefined:
                    return None
            coerced[name] = value
        return VariableValues(sources, coerced)

    def field(self, parent: GraphQLObjectType, details: list[FieldDetails]) -> Field | None:
        """Return the field that ``details`` name; ``None`` if ``parent`` has no such field."""
        try:
            return self._fields[id(details)]
        except KeyError:
            field = self._fields[id(details)] = _field(self._schema, parent, details)
            return field

    def steps(
        self, parent: GraphQLObjectType, grouped: Mapping[str, list[FieldDetails]], collect: Collect
    ) -> list[Step]:
        """Return the steps that answer one selection set of ``parent``."""
        try:
            return self._steps[id(grouped)]
        except KeyError:
            steps = self._steps[id(grouped)] = [
                Step(name, self._read_shape(self.field(parent, details), details, collect), details)
                for name, details in grouped.items()
            ]
            return steps

    def result(self, field: Field, details: list[FieldDetails], collect: Collect) -> Shape | None:
        """Return the shape of the value of ``field``; ``None`` if something below needs a resolver."""
        try:
            return self._results[id(details)]
        except KeyError:
            shape = self._results[id(details)] = self._shape(field, details, collect)
            return shape

    def _read_shape(self, field: Field | None, details: list[FieldDetails], collect: Collect) -> Shape | None:
        if field is None or field.resolve is not read_field or field.definition.args:
            return None
        shape = self._shape(field, details, collect)
        # Lists of objects are written when they are counted, which is when a field is completed.
        return None if isinstance(shape, Branch) and shape.is_list else shape

    def _shape(self, field: Field, details: list[FieldDetails], collect: Collect) -> Shape | None:
        inner = get_nullable_type(field.type)
        item = inner.of_type if is_list_type(inner) else None
        named = inner if item is None else get_nullable_type(item)
        if is_leaf_type(named):
            return _leaf(field, named, item)
        if not is_object_type(named) or named.is_type_of is not None:
            return None
        steps = []
        for name, below in collect(named, details).grouped_field_set.items():
            shape = self._read_shape(self.field(named, below), below, collect)
            if shape is None:
                return None
            steps.append((name, shape))
        key = field.nodes[0].name.value
        return Branch(
            key,
            attribute_of(key),
            nullable=not is_non_null_type(field.type),
            is_list=item is not None,
            item_nullable=item is not None and not is_non_null_type(item),
            steps=steps,
        )


def _field(schema: GraphQLSchema, parent: GraphQLObjectType, details: list[FieldDetails]) -> Field | None:
    first = details[0]
    definition = schema.get_field(parent, first.node.name.value)
    if definition is None:
        return None
    constants, variables = _arguments(definition, first)
    return Field(
        definition=definition,
        type=definition.type,
        resolve=definition.resolve or read_field,
        nodes=[one.node for one in details],
        details=first,
        constants=constants,
        variables=variables,
    )


def _inputs(schema: GraphQLSchema, operation: OperationDefinitionNode, one_by_one: Container[str]) -> list[Input]:
    inputs = []
    for node in operation.variable_definitions or ():
        signature = get_variable_signature(schema, node)
        if isinstance(signature, GraphQLError):
            raise signature
        optional = not is_non_null_type(signature.type) and signature.default is None
        listed = get_nullable_type(signature.type)
        each = listed.of_type if signature.name in one_by_one and is_list_type(listed) else None
        inputs.append(Input(signature, _exact(signature.type), optional, each))
    return inputs


def _exact(type_: GraphQLInputType) -> type | None:
    """Return the Python type whose values an input type accepts as they are: none for lists, objects, our scalars."""
    nullable = get_nullable_type(type_)
    return _EXACT.get(nullable.name) if is_scalar_type(nullable) else None


def _coerced(value: Any, signature: GraphQLVariableSignature) -> Any:
    """Return the value for the resolver. Its depth was checked before, so this cannot exhaust the stack."""
    try:
        return coerce_input_value(value, signature.type)
    except Exception:  # noqa: BLE001 - graphql-core reports it again, with its place
        return Undefined


def _coerced_item(item: Any, kind: GraphQLInputType) -> Any:
    """Return the item for the resolver, or its error: the first one of graphql-core."""
    if isinstance(item, KanaError):
        return item
    value = coerce_input_value(item, kind)
    if value is not Undefined:
        return value
    faults: list[tuple[str, list[str | int]]] = []
    validate_input_value(item, kind, lambda error, path: faults.append((error.message, list(path))))
    message, path = faults[0]
    place = ".".join(map(str, path))
    message = message if len(message) <= _MESSAGE_MAX else f"{message[:_MESSAGE_MAX]}…"
    return InvalidValue(f"{place}: {message}" if place else message, field=place or None)


_MESSAGE_MAX = 300

_PLAIN = (str, int, float, bool, NoneType)


def _arguments(
    definition: GraphQLField, details: FieldDetails
) -> tuple[dict[str, Any], tuple[tuple[str, str, bool], ...] | None]:
    """Return the arguments that are always the same, and those that are variables; see ``Field``."""
    constants: dict[str, Any] = {}
    variables = []
    nodes = {node.name.value: node for node in details.node.arguments or ()}
    for name, argument in definition.args.items():
        node = nodes.get(name)
        if node is not None and isinstance(node.value, VariableNode):
            variables.append((argument.out_name or name, node.value.name.value, is_non_null_type(argument.type)))
            node = None
            if is_required_argument(argument):
                continue
        if node is not None and isinstance(node.value, ListValueNode | ObjectValueNode):
            return {}, None
        coerce_argument(constants, details.node, name, argument, node, None, None)
    is_plain = details.fragment_variable_values is None and all(type(value) in _PLAIN for value in constants.values())
    return (constants, tuple(variables)) if is_plain else ({}, None)


def _leaf(field: Field, kind: GraphQLLeafType, item: GraphQLOutputType | None) -> Leaf:
    key = field.nodes[0].name.value
    exact = _EXACT.get(kind.name)
    kinds = None if item is None else _kinds(exact, nullable=not is_non_null_type(item))
    return Leaf(key, attribute_of(key), kind, exact, not is_non_null_type(field.type), kinds)


def _kinds(exact: type | None, *, nullable: bool) -> frozenset[type]:
    plain = {exact} if exact is not None else {bool, int, float, str}
    return frozenset(plain | {NoneType} if nullable else plain)
