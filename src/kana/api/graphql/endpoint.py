"""The ASGI application that serves one GraphQL schema over HTTP.

Follows the GraphQL-over-HTTP specification for POST, and Kana where it published more:
``variables`` may be JSON text. One way through, for every schema::

    method and media type -> who asks -> body -> document -> variables -> execute -> answer

Who asks is settled from the headers alone, before the body is read: a stranger's
document is neither parsed nor commented on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter
from typing import Any

import orjson
import structlog
from graphql import GraphQLSchema, assert_valid_schema
from starlette.types import Receive, Scope, Send

from kana.api.body import ClientGone, declared_length, read_body, too_large
from kana.api.errors import STATUS_OF_CODE, fault_of, is_ours
from kana.api.graphql.answers import error_of, fault_as_error, retry_after_of
from kana.api.graphql.budget import BYTES_MAX, Turn, too_many_bytes
from kana.api.graphql.documents import Documents, NotExecutable, Operation
from kana.api.graphql.execution import execute
from kana.api.graphql.limits import Limits, take_variables
from kana.api.graphql.negotiation import RESPONSE_JSON, is_json, preferred
from kana.api.graphql.request import GraphQLRequest, read_request
from kana.api.http import Header, answer, answer_method_not_allowed, headers_of, request_id_of
from kana.engine.pace import aside
from kana.errors import Forbidden, InvalidValue, KanaError, RateLimited, UnsupportedMediaType
from kana.status import status_of

log = structlog.get_logger("kana.graphql")

ContextFactory = Callable[[Scope], Awaitable[Any]]
Observer = Callable[[str, str, float], None]

ERRORS_MAX = 100
"""Most errors that one answer tells of; there are no more than that in what one may ask for but in long lists."""

_LONG = 65_536
"""From how many bytes on a body is read aside."""

_REFUSED = "refused"


class _Malformed(Exception):
    """This is no GraphQL request, or one too many: the HTTP status says so, whatever the caller accepts."""

    def __init__(self, error: KanaError) -> None:
        super().__init__(error.message)
        self.status = status_of(error)
        self.error = error


@dataclass(slots=True)
class _Answer:
    """What goes back. Without ``executed`` there is no ``data``; a ``status`` that is set is not negotiable."""

    errors: list[dict[str, Any]] = field(default_factory=list)
    data: Any = None
    executed: bool = False
    status: int | None = None
    label: str = _REFUSED

    def body(self) -> bytes:
        """The answer as JSON; where that is longer than it may be, an error that says so."""
        body: dict[str, Any] = {"errors": self.errors} if self.errors else {}
        if self.executed:
            body["data"] = self.data
        text = orjson.dumps(body)
        if len(text) <= BYTES_MAX:
            return text
        self.errors = [fault_as_error(fault_of(too_many_bytes(), request_id=""))]
        self.data, self.executed = None, False
        return orjson.dumps({"errors": self.errors})


class GraphQLEndpoint:
    """One schema at one address.

    ``context`` makes the value that resolvers see as ``info.context`` from the scope of the request, and
    raises the error of Kana's that a stranger gets. ``may_introspect`` and ``hide_suggestions`` are
    asked of that value. ``introspected`` answers introspection in the schema's place. ``observe`` is
    told root field, outcome and seconds of each answer. ``admit`` is asked with the request and its
    context before a document that was never seen is looked at, and raises RateLimited for one too many.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        context: ContextFactory,
        *,
        limits: Limits | None = None,
        may_introspect: Callable[[Any], bool] = lambda _context: True,
        hide_suggestions: Callable[[Any], bool] = lambda _context: False,
        introspected: GraphQLSchema | None = None,
        observe: Observer | None = None,
        admit: Callable[[Scope, Any], object] = lambda _scope, _context: None,
    ) -> None:
        assert_valid_schema(schema)
        self._schema = schema
        self._context = context
        self._limits = limits or Limits()
        self._may_introspect = may_introspect
        self._hide_suggestions = hide_suggestions
        self._observe = observe
        self._admit = admit
        self._turn = Turn()
        self._documents = Documents(schema, self._limits)
        self._introspected = None if introspected is None else (introspected, Documents(introspected, self._limits))
        bulk = self._limits.bulk_body_bytes if self._limits.list_items_of else 0
        self._bytes_max = max(self._limits.body_bytes, bulk)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["method"] != "POST":
            await answer_method_not_allowed(scope, send, b"POST")
            return
        began = perf_counter()
        result = _Answer()
        try:
            await self._run(scope, receive, result)
        except ClientGone:
            return
        except _Malformed as malformed:
            result.errors = [fault_as_error(fault_of(malformed.error, request_id=""))]
            result.status = malformed.status
        except NotExecutable as invalid:
            result.errors = [error_of(error, request_id=request_id_of(scope)) for error in invalid.errors]
        except Exception as error:
            if not is_ours(error):
                log.exception("request failed")
            result.errors = [fault_as_error(fault_of(error, request_id=request_id_of(scope)))]
        await _send(scope, send, result)
        if self._observe is not None:
            outcome = result.errors[0]["extensions"]["code"] if result.errors else "ok"
            self._observe(result.label, outcome, perf_counter() - began)

    async def _run(self, scope: Scope, receive: Receive, result: _Answer) -> None:
        """Everything up to the answer, which is left in ``result``."""
        headers = headers_of(scope)
        self._check_headers(headers)
        context = await self._context(scope)
        request = await self._read(receive, headers)
        hide = self._hide_suggestions(context)
        operation = await self._operation(self._documents, request, scope, context)
        if request.size > self._limits.body_bytes and not operation.longer_lists:
            raise _Malformed(too_large(self._limits.body_bytes))
        if operation.introspects and not self._may_introspect(context):
            raise Forbidden("introspection is not for this caller")
        schema = self._schema
        if operation.introspects and self._introspected is not None:
            schema, documents = self._introspected
            operation = await self._operation(documents, request, scope, context)
        variables = self._take_variables(request, operation)
        result.label = operation.label
        executed = await execute(schema, operation, variables, context=context, hide_suggestions=hide, turn=self._turn)
        if executed.errors:
            result.errors = [error_of(error, request_id=request_id_of(scope)) for error in executed.errors[:ERRORS_MAX]]
        result.data = executed.data
        result.executed = True

    async def _operation(self, documents: Documents, request: GraphQLRequest, scope: Scope, context: Any) -> Operation:
        def admit() -> None:
            try:
                self._admit(scope, context)
            except RateLimited as error:
                raise _Malformed(error) from None

        hide = self._hide_suggestions(context)
        document = await documents.get(request.query, hide_suggestions=hide, admit=admit)
        return document.operation(request.operation_name)

    def _take_variables(self, request: GraphQLRequest, operation: Operation) -> dict[str, Any]:
        if not request.variables.value:
            return {}
        try:
            return take_variables(request.variables, self._limits, operation.longer_lists)
        except InvalidValue as error:
            raise _Malformed(error) from None

    def _check_headers(self, headers: dict[bytes, bytes]) -> None:
        if not is_json(headers.get(b"content-type")):
            raise _Malformed(UnsupportedMediaType("Content-Type must be application/json in UTF-8"))
        if headers.get(b"content-encoding", b"identity") != b"identity":
            raise _Malformed(UnsupportedMediaType("Content-Encoding is not supported: send the body as it is"))
        if declared_length(headers) > self._bytes_max:
            raise _Malformed(too_large(self._limits.body_bytes))

    async def _read(self, receive: Receive, headers: dict[bytes, bytes]) -> GraphQLRequest:
        try:
            body = await read_body(receive, headers, bytes_max=self._bytes_max)
            return read_request(body) if len(body) <= _LONG else await aside(partial(read_request, body))
        except InvalidValue as error:
            raise _Malformed(error) from None


async def _send(scope: Scope, send: Send, result: _Answer) -> None:
    """Send ``result`` in the media type that the caller prefers, with the status that goes with it."""
    body = result.body()
    media_type = preferred(headers_of(scope).get(b"accept"))
    status = 200
    headers: list[Header] = []
    if result.errors:
        retry_after_s = retry_after_of(result.data, result.errors)
        if retry_after_s is not None:
            headers.append((b"retry-after", b"%d" % retry_after_s))
        # What was executed is 200 even where it gave null; "not now" alone is worth more than that.
        if media_type is RESPONSE_JSON and (retry_after_s is not None or not result.executed):
            status = STATUS_OF_CODE[result.errors[0]["extensions"]["code"]]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await answer(send, result.status or status, body, content_type=media_type, headers=headers)
