"""From a path, a query and a body to the arguments of a resolver, and what is said of those that are wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NoReturn
from urllib.parse import unquote_to_bytes

import msgspec
from graphql import GraphQLEnumType, GraphQLInputObjectType, get_named_type, get_nullable_type, is_list_type
from msgspec import UNSET, Struct

from kana.api.body import read_json
from kana.api.graphql.plan import attribute_of
from kana.api.query import arguments_in
from kana.api.scalars import INT
from kana.api.v1.structures import Given
from kana.errors import InvalidValue
from kana.model.period import time_in
from kana.model.text import counted, shown, whole_number

Convert = Callable[[Any], Any]

_WORDS = {
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
_KEYS = re.compile(rb'"([^"]*)"\s*:').findall
"""What is a key of some object, if nothing is escaped; and perhaps more, within texts."""

_PLACE = re.compile(r"(.*?)(?: - at `\$(.*)`)?", re.DOTALL)
_STEP = re.compile(r"\.([A-Za-z]+)|\[([0-9]+)\]")
_EXPECTED = re.compile(r"Expected `([^`]+)`(?: of length)?(?: ([<>]=) (-?[0-9]+))?")
_NAMED = re.compile(r"Object (missing required|contains unknown) field `(.*)`", re.DOTALL)
_COMPARED = {"<=": "at most", ">=": "at least"}


def converter(given: Mapping[str, Given]) -> Convert:
    """Return what turns a structure into arguments of a resolver: in snake case, without what was left out."""
    names = [attribute_of(name) for name in given]
    changes = [(attribute_of(name), change) for name, each in given.items() if (change := _convert(name, each.type))]

    def convert(read: Struct) -> dict[str, Any]:
        made = {name: value for name in names if (value := getattr(read, name)) is not UNSET}
        for name, change in changes:
            value = made.get(name)
            if value is not None:
                made[name] = change(value)
        return made

    return convert


def _convert(name: str, kind: Any) -> Convert | None:
    """Return what turns a value into an argument; None where it is passed on as it is."""
    kind = get_nullable_type(kind)
    if is_list_type(kind):
        change = _convert(name, kind.of_type)
        return None if change is None else lambda values: [change(value) for value in values]
    if isinstance(kind, GraphQLInputObjectType):
        return converter(kind.fields)
    if isinstance(kind, GraphQLEnumType):
        values = kind.values
        return lambda member: values[getattr(member, "value", member)].value
    if kind.name == "DateTime":
        return lambda text: time_in(text, field=name)
    return None


def read_query(structure: type[Struct], given: Mapping[str, Given], query_string: bytes) -> Struct:
    """Return the arguments of a query.

    Raises:
        InvalidValue: one is unknown, missing, wrong, or given twice.
    """
    found: dict[str, Any] = {}
    for name, values in arguments_in(query_string).items():
        is_list = name in given and is_list_type(get_nullable_type(given[name].type))
        if len(values) > 1 and name in given and not is_list:
            raise InvalidValue(f"{name} must be given once, got {counted(len(values), 'value')}", field=name)
        found[name] = values if is_list else values[0]
    try:
        return msgspec.convert(with_numbers(found, given), structure, strict=False)
    except msgspec.ValidationError as error:
        refuse(error, found, given)


def read_structure(decoder: msgspec.json.Decoder[Any], given: Mapping[str, Given], body: bytes) -> Any:
    """Return what a body says; no body is an empty object.

    Only where a key may be repeated, which the decoder does not notice, is it also read strictly; and only where it
    cannot be read as it is, are whole numbers looked for that are written in another way.

    Raises:
        InvalidValue: it is not JSON, or a field is unknown, missing or wrong.
    """
    if b"\\" in body or _repeats(_KEYS(body)):
        read_json(body)
    try:
        return _decoded(decoder, body)
    except msgspec.ValidationError:
        value = read_json(body or b"{}")
    try:
        return msgspec.convert(with_numbers(value, given), decoder.type)
    except msgspec.ValidationError as error:
        refuse(error, value, given)


def read_items(decoder: msgspec.json.Decoder[Any], given: Mapping[str, Given], body: bytes) -> Any:
    """Return what a body says whose items are read later, one by one: ``given`` has nothing else.

    Raises:
        InvalidValue: it is not JSON, or has something else than items.
    """
    [name] = given
    if body.count(f'"{name}"'.encode()) > 1 or b"\\u00" in body:
        read_json(body)
    try:
        return _decoded(decoder, body)
    except msgspec.ValidationError as error:
        refuse(error, read_json(body or b"{}"), given)


def _decoded(decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:
    try:
        return decoder.decode(body or b"{}")
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, RecursionError) as error:
        read_json(body)
        raise InvalidValue(f"body must be JSON: {error}") from None


def _repeats(keys: list[bytes]) -> bool:
    return len(set(keys)) < len(keys)


def with_numbers(value: Any, given: Mapping[str, Given]) -> Any:
    """Return an input with every whole number as a number, by the rule that every API uses: 5, 5.0 or its digits."""
    if not isinstance(value, dict):
        return value
    return {name: _with_numbers(each, given[name].type) if name in given else each for name, each in value.items()}


def _with_numbers(value: Any, kind: Any) -> Any:
    kind = get_nullable_type(kind)
    if is_list_type(kind):
        return [_with_numbers(each, kind.of_type) for each in value] if isinstance(value, list) else value
    if isinstance(kind, GraphQLInputObjectType):
        return with_numbers(value, kind.fields)
    if kind.name == INT.name:
        with suppress(InvalidValue):  # It is refused with its place.
            return whole_number(value, field="")
    return value


def refuse(error: msgspec.ValidationError, value: Any, given: Mapping[str, Given]) -> NoReturn:
    """Raise the error of a structure in our words, with the field, the value and what is allowed.

    Raises:
        InvalidValue: always.
    """
    matched = _PLACE.fullmatch(str(error))
    assert matched is not None
    message, place = matched[1], (matched[2] or "").lstrip(".")
    kind = None
    for name, index in _STEP.findall(f".{place}"):
        value = value[name] if name else value[int(index)]
        kind = given[name].type if name in given else kind
        inner = get_named_type(kind)
        given = inner.fields if isinstance(inner, GraphQLInputObjectType) else {}
    if (named := _NAMED.fullmatch(message)) is not None:
        name = f"{place}.{named[2]}".lstrip(".")
        fields = f"the fields are {', '.join(given)}" if given else "there are none"
        words = f"{name} is missing" if named[1] == "missing required" else f"unknown field {shown(name)}; {fields}"
        raise InvalidValue(words, field=name) from None
    place = place or "body"
    if kind is not None and get_named_type(kind).name == INT.name and not isinstance(value, list):
        whole_number(value, field=place)
    raise InvalidValue(f"{place} must be {_allowed(message, kind)}, got {_got(value)}", field=place) from None


def _allowed(message: str, kind: Any) -> str:
    """Return in words what a place may have."""
    inner = get_named_type(kind)
    if message.startswith("Invalid enum value") and isinstance(inner, GraphQLEnumType):
        return f"one of {', '.join(inner.values)}"
    expected = _EXPECTED.match(message)
    if expected is None:
        return f"another value ({message})"
    words = " or ".join(_WORDS.get(word, word) for word in expected[1].split(" | "))
    if expected[2] is None:
        return words
    compared = f"{_COMPARED[expected[2]]} {expected[3]}"
    return f"a list of length {compared}" if expected[1] == "array" else f"{words}, {compared}"


def _got(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, list):
        return counted(len(value), "item")
    return "an object" if isinstance(value, dict) else shown(value)


def segments_of(raw_path: bytes) -> list[str]:
    """Return the parts of a path between slashes, each decoded; an id in a path may have an encoded slash.

    Raises:
        InvalidValue: a part is not percent-encoded UTF-8.
    """
    try:
        return [unquote_to_bytes(part).decode("utf-8") for part in raw_path.split(b"/")[1:]]
    except UnicodeDecodeError:
        raise InvalidValue("the path must be percent-encoded UTF-8") from None
