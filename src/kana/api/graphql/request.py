"""A GraphQL request as it is in the body: only its shape is checked."""

from __future__ import annotations

from dataclasses import dataclass

from kana.api.parts import Parts, read_parts
from kana.errors import InvalidValue


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """The parameters of GraphQL over HTTP, and the body's size in bytes.

    ``extensions`` are accepted and ignored. Refused values in ``variables`` are left to
    ``limits.take_variables``, which knows the lists whose items are answered one by one.
    """

    query: str
    variables: Parts
    operation_name: str | None
    size: int


def read_request(body: bytes) -> GraphQLRequest:
    """Return the request in ``body``. ``variables`` may be an object, or its JSON text, as in Kana's guides.

    Raises:
        InvalidValue: the body is not such a request; answered 400 whatever the caller accepts.
    """
    parts = read_parts(body) if body else Parts({})
    if not isinstance(parts.value, dict):
        hint = ": batching is not supported, send one operation" if isinstance(parts.taken(parts.value), list) else ""
        raise InvalidValue(f"body must be a JSON object with a query{hint}")
    value = parts.all_but("variables")
    query = value.get("query")
    if not isinstance(query, str):
        raise InvalidValue("missing query: it must be a string with a GraphQL document", field="query")
    operation_name = value.get("operationName")
    if operation_name is not None and not isinstance(operation_name, str):
        raise InvalidValue("operationName must be a string or null", field="operationName")
    extensions = value.get("extensions")
    if extensions is not None and not isinstance(extensions, dict):
        raise InvalidValue("extensions must be an object or null", field="extensions")
    variables = Parts(parts.value.get("variables"), parts.is_flawed, "body.variables")
    return GraphQLRequest(query, _variables(variables), operation_name, len(body))


def _variables(given: Parts) -> Parts:
    if isinstance(given.value, str):
        text = given.taken(given.value)
        given = read_parts(text, what="variables") if text.strip() else Parts(None)
    if given.value is None:
        return Parts({})
    if not isinstance(given.value, dict):
        given.taken(given.value)
        raise InvalidValue("variables must be an object, the JSON text of one, or null", field="variables")
    return given
