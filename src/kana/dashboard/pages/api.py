"""The addresses of ``/v1``, as its OpenAPI document describes them: a list of all, and a page for each."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from kana.dashboard.context import Context
from kana.dashboard.page_request import PageRequest
from kana.dashboard.route import get
from kana.errors import NotFound
from kana.model.text import shown

DESCRIBED_AT = "/v1/openapi.json"
"""Where the document is served."""


@dataclass(frozen=True, slots=True)
class Address:
    """A method and a path of the document, and what is there."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    group: str


@dataclass(frozen=True, slots=True)
class Field:
    """An input or an output, however deep: ``consumption.used``, ``lines[].units``."""

    name: str
    place: str
    kind: str
    is_required: bool
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiPage(Context):
    """All addresses, in groups by their first word."""

    template = "api.html"
    described_at: str
    groups: Mapping[str, Sequence[Address]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiAddressPage(Context):
    """One address: what it takes, what it answers, and a command that calls it."""

    template = "api_address.html"
    address: Address
    takes: Sequence[Field]
    answers: Sequence[Field]
    command: str


async def show_api(request: PageRequest) -> Response:
    """List the addresses."""
    groups: dict[str, list[Address]] = {}
    for address, _ in _addresses(request.services.openapi):
        groups.setdefault(address.group, []).append(address)
    return request.show(ApiPage(described_at=f"{request.site.origin}{DESCRIBED_AT}", groups=groups))


async def show_address(request: PageRequest) -> Response:
    """Show one address."""
    document = request.services.openapi
    for address, operation in _addresses(document):
        if address.id == request.id:
            fields = _Fields(document)
            page = ApiAddressPage(
                address=address,
                takes=list(fields.taken(operation)),
                answers=list(fields.answered(operation)),
                command=_command(request.site.origin, address, operation, fields),
            )
            return request.show(page)
    raise NotFound(f"Address not found: {shown(request.id)}")


def _addresses(document: Mapping[str, Any]) -> Iterator[tuple[Address, Mapping[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            address = Address(
                operation["operationId"],
                method.upper(),
                path,
                operation["summary"],
                operation.get("description", ""),
                operation["tags"][0],
            )
            yield address, operation


class _Fields:
    """Reads the inputs and outputs of operations from a document, whose references it follows."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document

    def taken(self, operation: Mapping[str, Any]) -> Iterator[Field]:
        """Yield what an operation takes: in the path, the query, a header and the body."""
        for each in operation.get("parameters", ()):
            kind = self._kind(each["schema"])
            yield Field(each["name"], each["in"], kind, bool(each.get("required")), each.get("description", ""))
        body = operation.get("requestBody")
        if body is not None:
            yield from self._below(body["content"]["application/json"]["schema"], "body", "")

    def answered(self, operation: Mapping[str, Any]) -> Iterator[Field]:
        """Yield what an operation answers where all is well."""
        yield from self._below(operation["responses"]["200"]["content"]["application/json"]["schema"], "answer", "")

    def _below(self, schema: Mapping[str, Any], place: str, prefix: str) -> Iterator[Field]:
        """Yield the fields of the objects that a schema may be."""
        for found in self._ways(schema):
            for name, field in found.get("properties", {}).items():
                whole, is_required = f"{prefix}{name}", name in found.get("required", ())
                yield Field(whole, place, self._kind(field), is_required, field.get("description", ""))
                yield from self._below(field, place, f"{whole}.")
            if found.get("type") == "array":
                yield from self._below(found.get("items", {}), place, f"{prefix.removesuffix('.')}[].")

    def _ways(self, schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """Return what a value may be, each looked up."""
        while "$ref" in schema:
            schema = self._document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        if "anyOf" not in schema:
            return [schema]
        return [way for each in schema["anyOf"] for way in self._ways(each)]

    def _kind(self, schema: Mapping[str, Any]) -> str:
        """Return the kinds of a value in words."""
        return " or ".join(_word(way) for way in self._ways(schema))


def _word(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(schema["enum"])
    word: str = schema.get("format") or schema.get("type") or "any JSON"
    return word


def _command(origin: str, address: Address, operation: Mapping[str, Any], fields: _Fields) -> str:
    """Return a curl command with what has to be given. It takes the key from the shell, so no page contains one."""
    must = [each for each in fields.taken(operation) if each.is_required and "." not in each.name]
    query = "&".join(f"{each.name}={each.name.upper()}" for each in must if each.place == "query")
    url = f"{origin}{address.path}{'?' if query else ''}{query}"
    body = {each.name: _example(each) for each in must if each.place == "body"}
    command = f'curl -X {address.method} {shlex.quote(url)} -H "Authorization: Bearer $KANA_KEY"'
    if not body:
        return command
    return f"{command} -H 'Content-Type: application/json' --data {shlex.quote(json.dumps(body))}"


def _example(field: Field) -> object:
    values: dict[str, object] = {"integer": 1, "boolean": True, "array": []}
    return values.get(field.kind, field.kind.partition(",")[0] if "," in field.kind else f"{field.name}")


ROUTES = (get("/developer/api", show_api), get("/developer/api/address", show_address))
