"""Which arguments of a query or mutation are in the path, the query, the header and the body of its address."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, NamedTuple

import msgspec
from graphql import GraphQLInputObjectType, get_nullable_type
from msgspec import Meta, Struct

from kana.api.admin import LIMITS
from kana.api.body import BYTES_MAX
from kana.api.bulk import BATCH_ITEMS_MAX
from kana.api.graphql.plan import attribute_of
from kana.api.v1.addresses import Address
from kana.api.v1.reading import converter, read_items, read_query, read_structure, segments_of
from kana.api.v1.structures import LONG_LISTS, Given, fields_of_input, input_object, input_structure
from kana.errors import InvalidValue

KEY = "idempotencyKey"
"""The argument that is a header here."""

_BATCH = "recordUsageBatch"
_ITEM = "CreateUsageEventInput"


class Asked(NamedTuple):
    """A request as it arrived: its path and query as they were sent, the idempotency key, and the body."""

    raw_path: bytes
    query: bytes
    key: bytes | None
    body: bytes


class Arguments:
    """The arguments of one address: where each of them is, and the structures that read them.

    ``further`` are those of the part that the address answers; they are in the query.
    """

    def __init__(self, address: Address, given: Mapping[str, Given], further: Mapping[str, Given]) -> None:
        left = dict(given)
        self.path: dict[str, Given] = {}
        self._places: list[tuple[int, str]] = []
        for place, part in enumerate(address.path.split("/")[1:]):
            if part.startswith("{"):
                name = part[1:-1] if part[1:-1] in left else "id"
                self.path[part[1:-1]] = left.pop(name)
                self._places.append((place, attribute_of(name)))
        self._is_input = "input" in left
        inner = get_nullable_type(left["input"].type) if self._is_input else None
        rest: dict[str, Given] = dict(inner.fields) if isinstance(inner, GraphQLInputObjectType) else left
        self.takes_key = rest.pop(KEY, None) is not None
        in_query = address.method in ("GET", "DELETE")
        self.query: Mapping[str, Given] = {**(rest if in_query else {}), **further}
        self.body: Mapping[str, Given] = {} if in_query else rest
        self._further = tuple(map(attribute_of, further))
        self._read_as(address.id[:1].upper() + address.id[1:])
        self._is_batch = address.operation == _BATCH

    def _read_as(self, name: str) -> None:
        self.query_structure = input_structure(f"{name}Query", self.query, query=True)
        self._convert_query = converter(self.query)
        self.structure: type[Struct] = input_structure(f"{name}Request", self.body)
        self._decoder = msgspec.json.Decoder(self.structure)
        self._convert = converter(self.body)
        is_long = any(place.startswith(f"{name}Request.") for place in LONG_LISTS)
        self.bytes_max = LIMITS.bulk_body_bytes if is_long else BYTES_MAX

    def of(self, asked: Asked) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the arguments of the query or mutation, and those of the part of its answer.

        Raises:
            InvalidValue: one is unknown, missing or wrong.
        """
        given: dict[str, Any] = {}
        if self._places:
            parts = segments_of(asked.raw_path)
            given = {name: parts[place] for place, name in self._places}
        if self.query or asked.query:
            given |= self._convert_query(read_query(self.query_structure, self.query, asked.query))
        further = {name: given.pop(name) for name in self._further if name in given}
        body = self._read(asked.body) if self.body or asked.body else {}
        if self.takes_key and asked.key is not None:
            body["idempotency_key"] = asked.key.decode("latin-1")
        if self._is_input:
            return {**given, "input": body}, further
        return given | body, further

    def _read(self, body: bytes) -> dict[str, Any]:
        if self._is_batch:
            return {"inputs": _items(read_items(_BATCH_DECODER, self.body, body).inputs)}
        try:
            converted: dict[str, Any] = self._convert(read_structure(self._decoder, self.body, body))
        except InvalidValue as error:
            if self.takes_key and error.field == KEY:
                raise InvalidValue(f"unknown field '{KEY}'; it is the header Idempotency-Key", field=KEY) from None
            raise
        return converted


_RAWS = Annotated[list[msgspec.Raw], Meta(max_length=BATCH_ITEMS_MAX)]
_BATCH_DECODER = msgspec.json.Decoder(msgspec.defstruct("Batch", [("inputs", _RAWS)], forbid_unknown_fields=True))


def _items(raws: list[msgspec.Raw]) -> Iterator[dict[str, Any] | InvalidValue]:
    """Yield the arguments of each usage when its turn comes, or its error."""
    structure = input_object(_ITEM)
    decoder, fields = msgspec.json.Decoder(structure), fields_of_input(_ITEM)
    convert = converter(fields)
    for raw in raws:
        try:
            yield convert(read_structure(decoder, fields, bytes(raw)))
        except InvalidValue as error:
            yield error
