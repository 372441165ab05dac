"""Between Python and GraphQL: the selection of a result, reading it, and checking what is sent."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import cache, cached_property
from types import MappingProxyType, NoneType, UnionType
from typing import Any, Final, Generic, TypeVar, Union, get_args, get_origin, get_type_hints

from kana.errors import InvalidValue

T = TypeVar("T")

Units = int | float | str
"""Whole feature units: an int, a float without a fraction, or decimal digits as text."""

_WHOLE = re.compile(r"([+-]?[0-9]{1,30})(?:\.0{1,30})?").fullmatch
UNITS_MAX: Final = 2**53 - 1
"""The largest amount, limit and total."""
_ARGUMENT = re.compile(r"(\w+): ([\w!\[\]]+)")


class Unset(Enum):
    """The default of a field that an update may omit, because None means "clear it"."""

    UNSET = "UNSET"


UNSET: Final = Unset.UNSET


class Unbounded(Enum):
    """In place of units to set aside: nobody knows how many it may take."""

    UNBOUNDED = "UNBOUNDED"


UNBOUNDED: Final = Unbounded.UNBOUNDED


@dataclass(frozen=True, kw_only=True)
class Field(Generic[T]):
    """One field of the API's Query or Mutation, written as in the schema.

    ``signature`` is ``name(argument: Type!, ...)``; the document, built when it is first needed,
    passes each argument as a variable of the same name. ``nested`` are the arguments of fields of the result.
    """

    operation: str
    signature: str
    result: type[T]
    also: frozenset[str] = frozenset()
    nested: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def name(self) -> str:
        """The name of the field."""
        return self.signature.partition("(")[0]

    @cached_property
    def document(self) -> str:
        """The GraphQL document that requests the field."""
        arguments = _ARGUMENT.findall(self.signature)
        all_arguments = _ARGUMENT.findall(" ".join((self.signature, *self.nested.values())))
        declared = ", ".join(f"${name}: {kind}" for name, kind in all_arguments)
        head = f"{self.operation} {self.name}({declared})" if declared else f"{self.operation} {self.name}"
        hint: Any = self.result
        selected = selection(hint, also=self.also)
        for name, signature in self.nested.items():
            selected = selected.replace(f" {name} {{", f" {_call(name, _ARGUMENT.findall(signature))} {{", 1)
        return f"{head} {{ {_call(self.name, arguments)}{selected} }}"

    def read(self, data: Mapping[str, Any]) -> T:
        """Return the field's value in ``data``; an unknown shape raises whatever reading it raises."""
        hint: Any = self.result
        value: T = reader(hint)(data[self.name])
        return value


def _call(name: str, arguments: Sequence[tuple[str, str]]) -> str:
    """Return a field with its arguments, each a variable of the same name."""
    passed = ", ".join(f"{argument}: ${argument}" for argument, _ in arguments)
    return f"{name}({passed})" if passed else name


def query(
    signature: str,
    result: type[T],
    *,
    also: frozenset[str] = frozenset(),
    nested: Mapping[str, str] = MappingProxyType({}),
) -> Field[T]:
    """Return a field that only reads."""
    return Field(operation="query", signature=signature, result=result, also=also, nested=nested)


def mutation(signature: str, result: type[T]) -> Field[T]:
    """Return a field that changes something."""
    return Field(operation="mutation", signature=signature, result=result)


@cache
def selection(hint: Any, *, also: frozenset[str] = frozenset()) -> str:
    """Return the selection set of a result, with a space before it; "" for a scalar."""
    kind = _inner(hint)
    if not is_dataclass(kind):
        return ""
    hints = get_type_hints(kind)
    names = [
        _camel(item.name) + selection(hints[item.name])
        for item in fields(kind)
        if item.metadata.get("wire") is None or item.name in also
    ]
    return f" {{ {' '.join(names)} }}"


@cache
def reader(hint: Any) -> Callable[[Any], Any]:
    """Return the function that converts a JSON value to ``hint``. Values of other types stay as they are."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        [some] = [reader(argument) for argument in arguments if argument is not NoneType]
        return lambda value: None if value is None else some(value)
    if origin in (list, tuple):
        each = reader(arguments[0])
        return lambda value: origin(each(item) for item in value)
    if is_dataclass(hint):
        return _object_reader(hint)
    if hint is datetime:
        return datetime.fromisoformat
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint
    return lambda value: value


def _object_reader(kind: Any) -> Callable[[Any], Any]:
    hints = get_type_hints(kind)
    plan = [
        (item.name, _camel(item.name), reader(hints[item.name]), item.default is not MISSING) for item in fields(kind)
    ]

    def read(value: Mapping[str, Any]) -> Any:
        return kind(**{name: each(value[wire]) for name, wire, each, optional in plan if wire in value or not optional})

    return read


def _inner(hint: Any) -> Any:
    """Return a type without ``| None``, ``list`` and ``tuple``."""
    if get_origin(hint) in (Union, UnionType, list, tuple):
        return _inner(next(argument for argument in get_args(hint) if argument is not NoneType))
    return hint


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def whole(value: Units, field: str) -> int:
    """Return a whole number by the server's rule: 5, 5.0 or its digits as text.

    Raises:
        InvalidValue: it is anything else (a fraction, a boolean, other text), or beyond 2^53-1 in either direction.
    """
    number: object = value
    if isinstance(value, str) and (digits := _WHOLE(value)):
        number = int(digits[1])
    elif isinstance(value, float) and value.is_integer():
        number = int(value)
    if type(number) is int and -UNITS_MAX <= number <= UNITS_MAX:
        return number
    raise InvalidValue(f"{field} must be a whole number from -{UNITS_MAX} to {UNITS_MAX}, got {value!r}", field=field)


def moment(value: datetime, field: str) -> str:
    """Return a time with a time zone as text for the API.

    Raises:
        InvalidValue: it has no time zone.
    """
    if value.utcoffset() is None:
        raise InvalidValue(f"{field} must have a time zone, got {value.isoformat()}", field=field)
    return value.isoformat()


def given(**arguments: object) -> dict[str, object]:
    """Return the arguments that were given: those that are not UNSET."""
    return {name: value for name, value in arguments.items() if value is not UNSET}
