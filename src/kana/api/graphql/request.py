"""A GraphQL request as it stands in the body: its shape checked, nothing of it understood yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kana.api.body import read_json
from kana.errors import InvalidValue


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """The parameters of GraphQL over HTTP, and the body's size in bytes.

    ``extensions`` are accepted and mean nothing here.
    """

    query: str
    variables: dict[str, Any]
    operation_name: str | None
    size: int


def read_request(body: bytes) -> GraphQLRequest:
    """The request in ``body``. ``variables`` may be an object, or the JSON text of one, as in Kana's guides.

    Raises:
        InvalidValue: the body is not such a request; answered 400 whatever the caller accepts.
    """
    value = read_json(body) if body else {}
    if not isinstance(value, dict):
        hint = ": batching is off, send one operation" if isinstance(value, list) else ""
        raise InvalidValue(f"body must be a JSON object with a query{hint}")
    query = value.get("query")
    if not isinstance(query, str):
        raise InvalidValue("missing query: it must be a string with a GraphQL document", field="query")
    operation_name = value.get("operationName")
    if operation_name is not None and not isinstance(operation_name, str):
        raise InvalidValue("operationName must be a string or null", field="operationName")
    extensions = value.get("extensions")
    if extensions is not None and not isinstance(extensions, dict):
        raise InvalidValue("extensions must be an object or null", field="extensions")
    return GraphQLRequest(query, _variables(value.get("variables")), operation_name, len(body))


def _variables(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        value = read_json(value, what="variables") if value.strip() else {}
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidValue("variables must be an object, the JSON text of one, or null", field="variables")
    return value
