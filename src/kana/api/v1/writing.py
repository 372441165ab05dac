"""From what a resolver returns to what ``/v1`` answers: plain values along the structure, for JSON."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from functools import cache
from operator import attrgetter
from types import SimpleNamespace
from typing import Any, NamedTuple

from graphql import GraphQLEnumType, GraphQLLeafType, GraphQLObjectType, get_named_type, get_nullable_type, is_list_type

from kana.api.admin import build_schema
from kana.api.admin.context import AdminContext
from kana.api.graphql.plan import attribute_of
from kana.api.v1.structures import PACKAGE, fields_without_arguments, name_of

_AS_IT_IS = frozenset({"String", "Boolean", "Float", "JSON", "Units"})


class Call(NamedTuple):
    """What the resolvers of the Admin API read of their ``info``: the context; None for values without a resolver."""

    context: AdminContext | None


Write = Callable[[Any, Call], Any]
"""Returns a value for JSON."""


class Waiting(NamedTuple):
    """A field of an answer that its resolver has to wait for."""

    name: str
    resolve: Callable[[Any, Any], Awaitable[Any]]
    write: Write


def writer(kind: Any) -> Write | None:
    """Return what writes a field of the schema's ``kind`` that is not None; None if it is written as it is.

    A package within something else is written as its id.
    """
    inner = get_nullable_type(kind)
    if is_list_type(inner):
        return _list_writer(writer(inner.of_type))
    if isinstance(inner, GraphQLObjectType):
        return _write_package_id if inner.name == PACKAGE else object_writer(inner.name)
    return _leaf_writer(inner)


def _write_package_id(value: Any, _call: Call) -> Any:
    return value.id


def _list_writer(write: Write | None) -> Write | None:
    if write is None:
        return None
    return lambda values, call: [None if value is None else write(value, call) for value in values]


def _leaf_writer(kind: GraphQLLeafType) -> Write | None:
    if kind.name in _AS_IT_IS:
        return None
    if isinstance(kind, GraphQLEnumType):
        names = {value.value: name for name, value in kind.values.items()}
        return lambda value, _call: names[value]
    coerce = kind.coerce_output_value
    return lambda value, _call: coerce(value)


@cache
def object_writer(name: str) -> Write:
    """Return what writes an object of the schema without the fields that it has to wait for.

    All attributes are read in one step, and what is not written as it is, is then replaced.
    """
    fields = _fields(name)
    plain = [
        (called, attribute_of(each), writer(field.type)) for each, called, field in fields if field.resolve is None
    ]
    names, read = [called for called, _, _ in plain], _getter(tuple(attribute for _, attribute, _ in plain))
    changed = [(called, change) for called, _, change in plain if change is not None]
    resolved = [
        (called, field.resolve, writer(field.type) or as_it_is)
        for _, called, field in fields
        if field.resolve is not None and not inspect.iscoroutinefunction(field.resolve)
    ]

    def write(source: Any, call: Call) -> dict[str, Any]:
        if isinstance(source, dict):
            source = SimpleNamespace(**source)
        answer = dict(zip(names, read(source), strict=True))
        for called, change in changed:
            value = answer[called]
            if value is not None:
                answer[called] = change(value, call)
        for called, resolve, change in resolved:
            answer[called] = change(resolve(source, call), call)
        return answer

    return write


def _getter(attributes: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    """Return what reads attributes of an object."""
    if len(attributes) > 1:
        return attrgetter(*attributes)
    return lambda source: tuple(getattr(source, each) for each in attributes)


def as_it_is(value: Any, _call: Call) -> Any:
    """Write a number or a text."""
    return value


@cache
def waiting_fields(name: str) -> tuple[Waiting, ...]:
    """Return the fields that an object has to wait for; they are written only of what an address itself answers."""
    return tuple(
        Waiting(called, field.resolve, object_writer(get_named_type(field.type).name))
        for _, called, field in _fields(name)
        if inspect.iscoroutinefunction(field.resolve)
    )


def _fields(name: str) -> list[tuple[str, str, Any]]:
    kind = build_schema().type_map[name]
    assert isinstance(kind, GraphQLObjectType)
    return [(each, name_of(each, field), field) for each, field in fields_without_arguments(kind).items()]
