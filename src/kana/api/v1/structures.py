"""The inputs and outputs of ``/v1`` as typed structures: those of the Admin API's schema, so nothing is named twice.

Two things differ. A package within something else is named by its id (``packageId``), since it has an address of its
own. A field that takes arguments is no field of its object: it has an address, or is what another address answers.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Annotated, Any, Union

import msgspec
from graphql import (
    GraphQLArgument,
    GraphQLDefaultInput,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLObjectType,
    get_named_type,
    get_nullable_type,
    is_list_type,
    is_non_null_type,
    value_from_ast_untyped,
)
from msgspec import UNSET, Meta, Struct, UnsetType

from kana.api.admin import LIMITS, build_schema
from kana.api.graphql.plan import attribute_of
from kana.model.text import UNITS_MAX

PACKAGE = "Package"
"""The type that is named by its id within others."""

_WHOLE = Meta(ge=-UNITS_MAX, le=UNITS_MAX)
_SCALARS: Mapping[str, Any] = {
    "String": str,
    "Boolean": bool,
    "Float": float,
    "JSON": Any,
    "DateTime": Annotated[str, Meta(extra_json_schema={"format": "date-time"})],
    "Int": Annotated[int, _WHOLE],
    "UnitsChange": Annotated[int, _WHOLE],
    "Units": Annotated[int, Meta(ge=0, le=UNITS_MAX)],
}
_ABOUT_OTHER_FACES = re.compile(r"\s*In Kana: [^.]*\.|Ours: |, ours,")
_WITHOUT_EFFECT = "Has no effect"

Given = GraphQLArgument | GraphQLInputField
"""What an input has: an argument of a field, or a field of an input object."""

AnswerField = tuple[str, Any, str]
"""A field of an answer: its name, its type and its description."""


def described(text: str | None) -> str:
    """Return a description of the schema without what only matters there: what Kana published, and what is ours."""
    plain = " ".join(_ABOUT_OTHER_FACES.sub("", text or "").split())
    return plain[:1].upper() + plain[1:]


def arguments(field: GraphQLField) -> dict[str, GraphQLArgument]:
    """Return the arguments of a field that have an effect."""
    return {
        name: given for name, given in field.args.items() if not (given.description or "").startswith(_WITHOUT_EFFECT)
    }


def input_structure(
    name: str, given: Mapping[str, Given], *, description: str = "", query: bool = False
) -> type[Struct]:
    """Return the structure that reads ``given``; what is not known is refused.

    Left out is another thing than null, which resets; what has a default is never null. In a ``query`` nothing is null.
    """
    fields = [(attribute_of(each), *_input_field(f"{name}.{each}", of, query=query)) for each, of in given.items()]
    return msgspec.defstruct(
        name,
        fields,
        rename={attribute_of(each): each for each in given},
        namespace={"__doc__": description or None},
        kw_only=True,
        frozen=True,
        forbid_unknown_fields=True,
    )


def _input_field(place: str, given: Given, *, query: bool) -> tuple[Any, ...]:
    kind = _input_type(given.type, items_max=LONG_LISTS.get(place, LIMITS.list_items))
    about = Meta(description=described(given.description)) if given.description else Meta()
    if is_non_null_type(given.type):
        return (Annotated[kind, about],)
    if isinstance(given.default, GraphQLDefaultInput):
        return Annotated[kind, about], value_from_ast_untyped(given.default.literal)  # type: ignore[arg-type]
    if kind is Any:
        return Annotated[Any, about], UNSET
    optional = Union[kind, UnsetType] if query else Union[kind, None, UnsetType]  # noqa: UP007 - made, not written
    return Annotated[optional, about], UNSET


def _input_type(kind: Any, *, items_max: int) -> Any:
    kind = get_nullable_type(kind)
    if is_list_type(kind):
        return Annotated[each_of(_input_type(kind.of_type, items_max=items_max)), Meta(max_length=items_max)]
    if isinstance(kind, GraphQLInputObjectType):
        return input_object(kind.name)
    return _enumeration(kind.name) if isinstance(kind, GraphQLEnumType) else _SCALARS[kind.name]


LONG_LISTS = {
    "RecordUsageBatchRequest.inputs": LIMITS.list_items_of["recordUsageBatch.inputs"],
    "ChangeSubscriptionsRequest.userIds": LIMITS.list_items_in["changeSubscriptions.input.userIds"],
    "PreviewSubscriptionChangesRequest.userIds": LIMITS.list_items_in["previewSubscriptionChanges.input.userIds"],
    "PreviewSubscriptionChangesUsersRequest.userIds": LIMITS.list_items_in["previewSubscriptionChanges.input.userIds"],
}
"""The lists of inputs that take more items than others."""


@cache
def input_object(name: str) -> type[Struct]:
    """Return the structure of an input object of the schema."""
    kind = build_schema().type_map[name]
    return input_structure(name, fields_of_input(name), description=described(kind.description))


def fields_of_input(name: str) -> Mapping[str, GraphQLInputField]:
    """Return the fields of an input object of the schema."""
    kind = build_schema().type_map[name]
    assert isinstance(kind, GraphQLInputObjectType)
    fields: Mapping[str, GraphQLInputField] = kind.fields
    return fields


@cache
def _enumeration(name: str) -> type[enum.Enum]:
    kind = build_schema().type_map[name]
    assert isinstance(kind, GraphQLEnumType)
    made = enum.Enum(name, {each: each for each in kind.values})  # type: ignore[misc]
    made.__doc__ = described(kind.description)
    return made


@cache
def enumerations() -> dict[str, dict[str, str]]:
    """Return the meaning of each value of each enumeration of the schema."""
    kinds = build_schema().type_map.items()
    return {
        name: {each: described(value.description) for each, value in kind.values.items()}
        for name, kind in kinds
        if isinstance(kind, GraphQLEnumType) and not name.startswith("__")
    }


def fields_without_arguments(kind: GraphQLObjectType) -> dict[str, GraphQLField]:
    """Return the fields that an object has in ``/v1``, by their names in the schema."""
    return {name: field for name, field in kind.fields.items() if not field.args}


def name_of(name: str, field: GraphQLField) -> str:
    """Return what a field is called in ``/v1``: ``packageId`` where the schema has a ``package``."""
    if get_named_type(field.type).name != PACKAGE:
        return name
    return f"{name.removesuffix('s')}Ids" if is_list_type(get_nullable_type(field.type)) else f"{name}Id"


def output_type(kind: Any) -> Any:
    """Return the type of a field of the schema's ``kind``: every field is there, and null only where it may be."""
    inner = get_nullable_type(kind)
    made: Any
    if is_list_type(inner):
        made = each_of(output_type(inner.of_type))
    elif isinstance(inner, GraphQLObjectType):
        made = str if inner.name == PACKAGE else output_object(inner.name)
    else:
        made = _enumeration(inner.name) if isinstance(inner, GraphQLEnumType) else _SCALARS[inner.name]
    return made if is_non_null_type(kind) or made is Any else Union[made, None]  # noqa: UP007 - made, not written


def each_of(kind: Any) -> Any:
    """Return the type of a list of ``kind``; its schema says of any items that they may be anything."""
    return Annotated[list[Any], Meta(extra_json_schema={"items": {}})] if kind is Any else list[kind]


@cache
def output_object(name: str) -> type[Struct]:
    """Return the structure of an object of the schema."""
    return answer_structure(name, output_fields(name), description=described(build_schema().type_map[name].description))


def output_fields(name: str) -> list[AnswerField]:
    """Return the fields of an object of the schema."""
    kind = build_schema().type_map[name]
    assert isinstance(kind, GraphQLObjectType)
    return [
        (name_of(each, field), output_type(field.type), described(field.description))
        for each, field in fields_without_arguments(kind).items()
    ]


def answer_structure(name: str, fields: Iterable[AnswerField], *, description: str = "") -> type[Struct]:
    """Return the structure of an answer that has all of the fields."""
    made = [(name, Annotated[kind, Meta(description=about)] if about else kind) for name, kind, about in fields]
    return msgspec.defstruct(name, made, namespace={"__doc__": description or None}, kw_only=True)


@cache
def list_of(name: str) -> type[Struct]:
    """Return the structure of a list of objects, which leaves room for more than its items."""
    return answer_structure(f"{name}List", [("items", each_of(output_object(name)), "")])


@cache
def value_of(scalar: str) -> type[Struct]:
    """Return the structure of an answer that is a single number or text."""
    return answer_structure(f"{scalar}Value", [("value", _SCALARS[scalar], "")])
