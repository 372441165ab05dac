"""The OpenAPI 3.1 document, made of the table of addresses and of the structures."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec
import orjson
from msgspec import UNSET, Struct, UnsetType

from kana.api.v1.addresses import ENTITLEMENTS
from kana.api.v1.endpoint import operations
from kana.api.v1.entitlements import Entitlements
from kana.api.v1.operations import Operation
from kana.api.v1.structures import enumerations

VERSION = "1"
"""The version of the API: another one would have another address."""

_ABOUT = (
    "Everything that the Admin API can do, as JSON over HTTP: features, packages, users, subscriptions and usage of one"
    " environment, named as in the Admin API. An id in a path is percent-encoded. A list may be read in pages: `first`"
    " is how many items, `after` the id of the last one of the page before. An error is problem details (RFC 9457) with"
    " a code."
)
_KEY_HEADER = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Makes a retry safe: the same key counts once and gets the first answer again. 1 to 255 printable"
    " ASCII characters without spaces.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}
_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


@dataclass
class Problem:
    """An error. ``detail`` says what is wrong, in words for people; ``code`` is for programs."""

    type: str
    title: str
    status: int
    detail: str
    error: str
    message: str
    code: str
    field: str | UnsetType = UNSET
    requestId: str | UnsetType = UNSET  # noqa: N815 - as on the wire
    retryAfter: int | UnsetType = UNSET  # noqa: N815 - as on the wire


@cache
def document() -> dict[str, Any]:
    """Return the document, always the same for the same code."""
    described = operations()
    schemas = _Schemas([Problem, *_structures(described)])
    paths: dict[str, dict[str, Any]] = {}
    for operation in described:
        address = operation.address
        paths.setdefault(address.path, {})[address.method.lower()] = _described(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Kana",
            "version": VERSION,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"privateKey": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "privateKey": {"type": "http", "scheme": "bearer", "description": "A private key."},
                "userToken": {"type": "http", "scheme": "bearer", "description": "A token of one user."},
            },
            "responses": {
                "Problem": {
                    "description": "What is wrong.",
                    "content": {"application/problem+json": {"schema": schemas.of(Problem)}},
                }
            },
            "schemas": schemas.named,
        },
    }


def document_json() -> bytes:
    """Return the document as it is served."""
    return orjson.dumps(document())


class _Schemas:
    """The schemas of structures: those of inputs and outputs are components, those of queries only a help."""

    def __init__(self, structures: list[type]) -> None:
        found, named = msgspec.json.schema_components(structures, ref_template="#/components/schemas/{name}")
        self._references = dict(zip(structures, found, strict=True))
        for name, meanings in enumerations().items():
            if name in named:
                named[name] = _enumeration(named[name], meanings)
        for schema in named.values():
            for field in schema.get("properties", {}).values():
                _tell_default(field)
        self._all = named
        queries = {structure.__name__ for structure in structures if structure.__name__.endswith("Query")}
        self.named = {name: schema for name, schema in sorted(named.items()) if name not in queries}

    def of(self, structure: type) -> dict[str, Any]:
        """Return the schema of a structure, as a reference to a component."""
        return self._references[structure]

    def whole(self, structure: type[Struct]) -> dict[str, Any]:
        """Return the schema of a structure itself."""
        schema: dict[str, Any] = self._all[structure.__name__]
        return schema


def _structures(described: Iterable[Operation | Entitlements]) -> list[type[Struct]]:
    found: dict[type[Struct], None] = {}
    for operation in described:
        arguments = operation.arguments
        found |= dict.fromkeys(
            [
                *([arguments.query_structure] if arguments.query else []),
                *([arguments.structure] if arguments.body else []),
                operation.output,
            ]
        )
    return list(found)


def _tell_default(schema: dict[str, Any]) -> None:
    """Say in words what a field is by default: by the keyword some generators take it for one that is always there."""
    if "default" in schema:
        default = json.dumps(schema.pop("default"))
        schema["description"] = f"{schema.get('description', '')} By default `{default}`.".strip()


def _enumeration(schema: dict[str, Any], meanings: dict[str, str]) -> dict[str, Any]:
    lines = [f"- `{name}`: {meaning}" if meaning else f"- `{name}`" for name, meaning in meanings.items()]
    about = "\n".join([schema.get("description", ""), "", *lines]).strip()
    return {**schema, "type": "string", "enum": list(meanings), "description": about}


def _tag(operation: Operation | Entitlements) -> str:
    return operation.address.path.split("/")[2]


def _described(operation: Operation | Entitlements, schemas: _Schemas) -> dict[str, Any]:
    arguments, address = operation.arguments, operation.address
    words = _CAPITAL.sub(" ", address.id).lower()
    made: dict[str, Any] = {
        "operationId": address.id,
        "summary": words[:1].upper() + words[1:],
        "tags": [_tag(operation)],
    }
    if operation.description:
        made["description"] = operation.description
    if address.operation == ENTITLEMENTS:
        made["security"] = [{"privateKey": []}, {"userToken": []}]
    parameters = [*_path_parameters(operation), *_query_parameters(operation, schemas)]
    if arguments.takes_key:
        parameters.append(_KEY_HEADER)
    if parameters:
        made["parameters"] = parameters
    if arguments.body:
        is_required = bool(schemas.whole(arguments.structure).get("required"))
        content = {"application/json": {"schema": schemas.of(arguments.structure)}}
        made["requestBody"] = {"required": is_required, "content": content}
    done = {"description": "Done.", "content": {"application/json": {"schema": schemas.of(operation.output)}}}
    made["responses"] = {"200": done, **_not_changed(address.operation), "4XX": _PROBLEM, "5XX": _PROBLEM}
    return made


_PROBLEM = {"$ref": "#/components/responses/Problem"}


def _not_changed(operation: str) -> dict[str, Any]:
    return {"304": {"description": "Nothing has changed."}} if operation == ENTITLEMENTS else {}


def _path_parameters(operation: Operation | Entitlements) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1, "maxLength": 255}}
        for name in operation.arguments.path
    ]


def _query_parameters(operation: Operation | Entitlements, schemas: _Schemas) -> list[dict[str, Any]]:
    if not operation.arguments.query:
        return []
    whole = schemas.whole(operation.arguments.query_structure)
    made = []
    for name, schema in whole["properties"].items():
        about = {"description": schema["description"]} if "description" in schema else {}
        bare = {key: value for key, value in schema.items() if key != "description"}
        required = {"required": True} if name in whole.get("required", ()) else {}
        made.append({"name": name, "in": "query", **required, **about, "schema": bare})
    return made
