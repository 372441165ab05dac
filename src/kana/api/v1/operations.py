"""What is done at an address: the resolver of the Admin API is asked, and its answer is written."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import orjson
from graphql import GraphQLArgument, GraphQLField, GraphQLObjectType, get_nullable_type, is_list_type
from starlette.types import Receive, Scope

from kana.api.access import Door
from kana.api.admin import build_schema
from kana.api.admin.context import AdminContext
from kana.api.body import LONG_BYTES, read_body, refuse_packed
from kana.api.graphql.budget import OBJECTS_AT_ONCE
from kana.api.graphql.lists import Parts
from kana.api.graphql.negotiation import is_json
from kana.api.http import Answer, headers_of, request_id_of
from kana.api.v1.addresses import Address
from kana.api.v1.arguments import Arguments, Asked
from kana.api.v1.structures import arguments, described, list_of, output_object, value_of
from kana.api.v1.writing import Call, as_it_is, object_writer, waiting_fields
from kana.engine.engine import Engine
from kana.engine.pace import aside
from kana.errors import UnsupportedMediaType
from kana.model.key import KeyKind

Work = Callable[[Scope, Receive], Awaitable[Answer]]
"""The work of an address."""


class Operation:
    """One address with all that is worked out once for it."""

    def __init__(self, address: Address) -> None:
        self.address = address
        field = _field(address.operation)
        part = _part(field, address.part) if address.part else None
        self.description = described((part or field).description) or described(field.description)
        self.arguments = Arguments(address, arguments_of(address.operation), {} if part is None else arguments(part))
        self._resolve = field.resolve
        self._resolve_part = None if part is None else part.resolve
        self._write_as(get_nullable_type((part or field).type))

    def _write_as(self, kind: Any) -> None:
        self._is_list = is_list_type(kind)
        named = get_nullable_type(kind.of_type) if self._is_list else kind
        self._is_object = isinstance(named, GraphQLObjectType)
        structure = list_of if self._is_list else output_object if self._is_object else value_of
        self.output = structure(named.name)
        self._write = object_writer(named.name) if self._is_object else as_it_is
        self._waiting = waiting_fields(named.name) if self._is_object else ()
        assert not (self._is_list and self._waiting), "what has to be waited for is not written in lists"

    def work(self, engine: Engine, door: Door) -> Work:
        """Return the work of the address, for callers with a private key."""
        bytes_max = self.arguments.bytes_max

        async def work(scope: Scope, receive: Receive) -> Answer:
            caller = await door.caller(scope, KeyKind.PRIVATE)
            sent = await asked(scope, receive, bytes_max)
            context = AdminContext(caller, engine, request_id=request_id_of(scope))
            return Answer(200, await self.answer(context, sent))

        return work

    async def answer(self, context: AdminContext, asked: Asked) -> bytes:
        """Return the answer as JSON.

        Raises:
            InvalidValue: an argument is wrong, and nothing was changed.
            KanaError: that of the verb.
        """
        call = Call(context)
        read = partial(self.arguments.of, asked)
        given, further = read() if len(asked.body) <= LONG_BYTES else await aside(read)
        value = await self._resolve(None, call, **given)  # type: ignore[misc]
        if self._resolve_part is not None:
            value = await self._resolve_part(value, call, **further)
        if self._is_list:
            return await self._list(value or [], call)
        written = self._write(value, call)
        if not self._is_object:
            return orjson.dumps({"value": written})
        for waiting in self._waiting:
            written[waiting.name] = waiting.write(await waiting.resolve(value, call), call)
        return orjson.dumps(written)

    async def _list(self, values: list[Any], call: Call) -> bytes:
        """Return a list as JSON, written in parts so that others have their turn."""
        parts = Parts(None)
        for start in range(0, len(values), OBJECTS_AT_ONCE):
            if start:
                await asyncio.sleep(0)
            parts.add([self._write(value, call) for value in values[start : start + OBJECTS_AT_ONCE]])
        return orjson.dumps({"items": parts.whole()})


async def asked(scope: Scope, receive: Receive, bytes_max: int) -> Asked:
    """Return a request with its whole body.

    Raises:
        UnsupportedMediaType: there is a body, and it is not plain JSON.
        BodyTooLarge: it has more than ``bytes_max``.
    """
    headers = headers_of(scope)
    refuse_packed(headers)
    body = await read_body(receive, headers, bytes_max=bytes_max)
    if body and not is_json(headers.get(b"content-type")):
        raise UnsupportedMediaType("Content-Type must be application/json in UTF-8")
    return Asked(scope["raw_path"], scope["query_string"], headers.get(b"idempotency-key"), body)


def arguments_of(name: str) -> dict[str, GraphQLArgument]:
    """Return the arguments of a query or a mutation."""
    return arguments(_field(name))


def _field(name: str) -> GraphQLField:
    """Return the query or the mutation of a name, of which the schema has one."""
    schema = build_schema()
    assert schema.query_type is not None
    assert schema.mutation_type is not None
    field: GraphQLField = schema.query_type.fields.get(name) or schema.mutation_type.fields[name]
    return field


def _part(field: GraphQLField, name: str) -> GraphQLField:
    kind = get_nullable_type(field.type)
    assert isinstance(kind, GraphQLObjectType)
    part: GraphQLField = kind.fields[name]
    return part
