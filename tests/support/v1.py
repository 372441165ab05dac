"""Requests to ``/v1`` for the arguments of the query or mutation that answers there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import quote

import httpx
import jsonschema_rs

from kana.api.v1 import document_json
from kana.api.v1.arguments import KEY
from kana.api.v1.endpoint import operations
from kana.api.v1.entitlements import Entitlements
from kana.api.v1.operations import Operation
from kana.model.environment import Environment
from kana.model.key import KeyKind
from tests.support.serving import Served

OPERATIONS = {operation.address.id: operation for operation in operations()}
"""Every address, by the name of its operation."""


@cache
def checker(name: str) -> jsonschema_rs.Draft202012Validator:
    """What checks an answer of an operation: that it has all fields of its schema, and no other."""
    whole = json.loads(document_json())
    schemas = whole["components"]["schemas"]
    for schema in schemas.values():
        if schema.get("type") == "object":
            schema.setdefault("additionalProperties", False)
    address = OPERATIONS[name].address
    responses = whole["paths"][address.path][address.method.lower()]["responses"]
    schema = responses["200"]["content"]["application/json"]["schema"]
    return jsonschema_rs.Draft202012Validator({**schema, "components": {"schemas": schemas}})


def send(
    served: Served,
    name: str,
    given: Mapping[str, Any],
    *,
    key: str | None,
    headers: Mapping[str, str] | None = None,
) -> httpx.Response:
    """Send the arguments of an operation, each where its address has it; without a key none is sent.

    What comes back is what the OpenAPI document says.
    """
    operation = OPERATIONS[name]
    arguments, inputs = operation.arguments, given.get("input", given)
    sent = {"Authorization": f"Bearer {key}"} if key is not None else {}
    if arguments.takes_key and inputs.get(KEY) is not None:
        sent["Idempotency-Key"] = inputs[KEY]
    answer = served.http.request(
        operation.address.method,
        path_with(operation, given),
        params={each: given[each] for each in arguments.query if each in given},
        json={each: inputs[each] for each in arguments.body if each in inputs} if arguments.body else None,
        headers={**sent, **(headers or {})},
    )
    if answer.status_code == 200:
        checker(name).validate(answer.json())
    return answer


def path_with(operation: Operation | Entitlements, given: Mapping[str, Any]) -> str:
    """The path with the ids of the arguments in it."""
    path = operation.address.path
    for name in operation.arguments.path:
        path = path.replace(f"{{{name}}}", quote(given[name if name in given else "id"], safe=""))
    return path


class Caller:
    """Whoever calls ``/v1`` with the private key of test."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.key = served.keys[Environment.TEST][KeyKind.PRIVATE]

    def __call__(self, name: str, **given: Any) -> Any:
        """What an operation answers to these arguments."""
        answer = send(self.served, name, given, key=self.key)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def raw(self, method: str, path: str, *, key: str | None = None, **given: Any) -> httpx.Response:
        """What a request as it is is answered."""
        headers = {"Authorization": key or self.key, "Content-Type": "application/json", **given.pop("headers", {})}
        return self.served.http.request(method, path, headers=headers, **given)

    def refused(self, method: str, path: str, **given: Any) -> tuple[int, str, str | None]:
        """The status, the words and the field of an error."""
        answer = self.raw(method, path, **given)
        body = answer.json()
        assert answer.headers["content-type"] == "application/problem+json", answer.text
        return answer.status_code, body["detail"], body.get("field")
