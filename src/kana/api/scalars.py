"""The scalars of the schemas: DateTime, Units, UnitsChange, and an Int of 53 bits.

JSON needs no code: any JSON value is what it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ariadne import ScalarType
from graphql import (
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
)

from kana.errors import InvalidValue
from kana.model.period import time_in, time_text
from kana.model.text import UNITS_MAX, shown, whole_number


def read_time(value: object) -> datetime:
    """Return an argument that is a time, by the same rule as in every API.

    Raises:
        GraphQLError: it is not a time.
    """
    try:
        return time_in(value, field="DateTime")
    except InvalidValue as error:
        raise GraphQLError(error.message) from None


def write_units(value: object) -> int:
    """Return an amount for the API.

    Raises:
        GraphQLError: it is not a whole number from 0 to 2^53-1.
    """
    if type(value) is int and 0 <= value <= UNITS_MAX:
        return value
    raise GraphQLError(f"Units must be a whole number from 0 to {UNITS_MAX}, got {shown(value)}")


def write_change(value: object) -> int:
    """Return units minus those given back; a sum beyond 2^53-1 is shown as this bound.

    Raises:
        GraphQLError: it is not a whole number.
    """
    if type(value) is int:
        return max(-UNITS_MAX, min(UNITS_MAX, value))
    raise GraphQLError(f"UnitsChange must be a whole number, got {shown(value)}")


def read_whole(value: object) -> int:
    """Return an argument that is a whole number, by the same rule as in every API.

    Raises:
        GraphQLError: it is not a whole number, or beyond 2^53-1 in either direction.
    """
    try:
        return whole_number(value, field="Int")
    except InvalidValue as error:
        raise GraphQLError(error.message) from None


class _Int(GraphQLScalarType):
    """A scalar that may have the name of one of GraphQL's own."""

    reserved_types: Mapping[str, GraphQLNamedType] = {}


INT = _Int(
    "Int",
    description="A whole number, or its digits as text. Ours: up to 2^53-1 either way, where GraphQL's has 32 bits.",
    coerce_input_value=read_whole,
    coerce_output_value=write_change,
)
"""The Int of our schemas. It cannot be called Units, because Kana's clients use the name Int in their documents."""


def widen_ints(schema: GraphQLSchema) -> None:
    """Replace GraphQL's own Int, which a schema built from text always has, by ours."""
    schema.type_map[INT.name] = INT
    for named in schema.type_map.values():
        if isinstance(named, GraphQLInputObjectType | GraphQLObjectType) and not named.name.startswith("__"):
            for field in named.fields.values():
                field.type = _widened(field.type)
                for argument in getattr(field, "args", {}).values():
                    argument.type = _widened(argument.type)


def _widened(type_: Any) -> Any:
    if isinstance(type_, GraphQLNonNull | GraphQLList):
        return type(type_)(_widened(type_.of_type))
    return INT if type_.name == INT.name else type_


DATE_TIME = ScalarType("DateTime", serializer=time_text, value_parser=read_time)
UNITS = ScalarType("Units", serializer=write_units, value_parser=write_units)
UNITS_CHANGE = ScalarType("UnitsChange", serializer=write_change)
