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
from kana.model.period import time_in
from kana.model.text import UNITS_MAX, shown, whole_number


def write_time(moment: datetime) -> str:
    """Return an aware UTC time as the wire has it, with milliseconds and Z."""
    return f"{moment.isoformat(timespec='milliseconds')[:-6]}Z"


def read_time(value: object) -> datetime:
    """Return an argument that is a time, by the one rule of every face.

    Raises:
        GraphQLError: it is none.
    """
    try:
        return time_in(value, field="DateTime")
    except InvalidValue as error:
        raise GraphQLError(error.message) from None


def write_units(value: object) -> int:
    """Return an amount as the wire has it.

    Raises:
        GraphQLError: it is no whole number from 0 to 2^53-1.
    """
    if type(value) is int and 0 <= value <= UNITS_MAX:
        return value
    raise GraphQLError(f"Units must be a whole number from 0 to {UNITS_MAX}, got {shown(value)}")


def write_change(value: object) -> int:
    """Return units less those given back, as JSON has numbers: a sum that passes 2^53-1 is told as that.

    Raises:
        GraphQLError: it is no whole number.
    """
    if type(value) is int:
        return max(-UNITS_MAX, min(UNITS_MAX, value))
    raise GraphQLError(f"UnitsChange must be a whole number, got {shown(value)}")


def read_whole(value: object) -> int:
    """Return an argument that is a whole number, by the one rule of every face.

    Raises:
        GraphQLError: it is none, or beyond 2^53-1 either way.
    """
    try:
        return whole_number(value, field="Int")
    except InvalidValue as error:
        raise GraphQLError(error.message) from None


class _Int(GraphQLScalarType):
    """A scalar that may bear the name of GraphQL's own."""

    reserved_types: Mapping[str, GraphQLNamedType] = {}


INT = _Int(
    "Int",
    description="A whole number. Ours: to 2^53-1 either way, where GraphQL's own has 32 bits; taken as its digits too.",
    coerce_input_value=read_whole,
    coerce_output_value=write_change,
)
"""Int as our schemas have it. The name is Kana's and stands in every client's documents, so that it cannot be Units."""


def widen_ints(schema: GraphQLSchema) -> None:
    """Put our Int in the place of GraphQL's own, which a schema that is built of text always has."""
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


DATE_TIME = ScalarType("DateTime", serializer=write_time, value_parser=read_time)
UNITS = ScalarType("Units", serializer=write_units, value_parser=write_units)
UNITS_CHANGE = ScalarType("UnitsChange", serializer=write_change)
