"""The ASGI application that serves one GraphQL schema over HTTP.

It follows the GraphQL-over-HTTP specification for POST, and Kana where it published more:
``variables`` may be JSON text. The steps are the same for every schema::

    method and media type -> caller -> body -> document -> variables -> execute -> answer

The caller is found from the headers alone, before the body is read: a stranger's document is
neither parsed nor commented on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import orjson
from graphql import GraphQLSchema, assert_valid_schema
from starlette.types import Receive, Scope, Send

from kana.api.body import declared_length, made_of, read_body, refuse_packed, too_large
from kana.api.endpoint import serve
from kana.api.errors import STATUS_OF_CODE, fault_of
from kana.api.graphql.answers import error_of, fault_as_error, retry_after_of
from kana.api.graphql.budget import BYTES_MAX, Turn, too_many_bytes
from kana.api.graphql.documents import Documents, NotExecutable, Operation
from kana.api.graphql.execution import execute
from kana.api.graphql.limits import Limits, take_variables
from kana.api.graphql.negotiation import RESPONSE_JSON, is_json, preferred
from kana.api.graphql.request import GraphQLRequest, read_request
from kana.api.http import Answer, headers_of, headers_with, request_id_of, told
from kana.errors import BodyTooLarge, Forbidden, InvalidValue, KanaError, RateLimited, UnsupportedMediaType

ContextFactory = Callable[[Scope], Awaitable[Any]]
Observer = Callable[[str, str, float], None]

ERRORS_MAX = 100
"""The most errors in one answer. Only long lists can have more."""

_REFUSED = "refused"


class _Malformed(Exception):
    """This is no GraphQL request, or one too many: the HTTP status says so, whatever the caller accepts."""

    def __init__(self, error: KanaError) -> None:
        super().__init__(error.message)
        self.error = error


_NOT_READ = (_Malformed, BodyTooLarge, UnsupportedMediaType)


@dataclass(slots=True)
class _Result:
    """The result of a request: ``data`` only if ``executed``; a ``status`` that is set is final."""

    errors: list[dict[str, Any]] = field(default_factory=list)
    data: Any = None
    executed: bool = False
    status: int | None = None
    label: str = _REFUSED

    @property
    def outcome(self) -> str:
        """The code of the first error, or "ok" if there is none."""
        code: str = self.errors[0]["extensions"]["code"] if self.errors else "ok"
        return code

    def fail(self, scope: Scope, error: Exception) -> None:
        """Make ``error`` the whole result."""
        self.data, self.executed = None, False
        if isinstance(error, NotExecutable):
            self.errors = [error_of(each, request_id=request_id_of(scope)) for each in error.errors]
            return
        fault = told(scope, error.error if isinstance(error, _Malformed) else error)
        self.errors = [fault_as_error(fault)]
        if isinstance(error, _NOT_READ):
            self.status = fault.status

    def answer(self, scope: Scope) -> Answer:
        """Return the answer in the media type that the caller prefers, with the status that goes with it."""
        body = self._body()
        media_type = preferred(headers_of(scope).get(b"accept"))
        if not self.errors:
            return Answer(self.status or 200, body, media_type)
        status, retry_after_s = 200, retry_after_of(self.data, self.errors)
        # An executed request is 200 even if its data is null; only "not now" has another status.
        if media_type is RESPONSE_JSON and (retry_after_s is not None or not self.executed):
            status = STATUS_OF_CODE[self.outcome]
        return Answer(self.status or status, body, media_type, headers_with(status, retry_after_s))

    def _body(self) -> bytes:
        """Return the answer as JSON, or an error if that is too long."""
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

    ``context`` returns the value that resolvers see as ``info.context`` for the scope of a request, or
    raises the error for a stranger. ``may_introspect`` and ``hide_suggestions`` are called with that
    value. ``introspected`` answers introspection in place of the schema. ``observe`` gets the root field,
    outcome and seconds of each answer. ``admit`` is called with the request and its context before a new
    document is read, and raises RateLimited for one too many.
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
        bulk = self._limits.bulk_body_bytes if self._limits.list_items_of or self._limits.list_items_in else 0
        self._bytes_max = max(self._limits.body_bytes, bulk)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        began = perf_counter()
        result = _Result()

        async def work(scope: Scope, receive: Receive) -> Answer:
            await self._run(scope, receive, result)
            return result.answer(scope)

        def explain(scope: Scope, error: Exception) -> Answer:
            result.fail(scope, error)
            return result.answer(scope)

        is_answered = await serve(scope, receive, send, method="POST", work=work, explain=explain)
        if is_answered and self._observe is not None:
            self._observe(result.label, result.outcome, perf_counter() - began)

    async def _run(self, scope: Scope, receive: Receive, result: _Result) -> None:
        """Do everything up to the answer, and store it in ``result``."""
        headers = headers_of(scope)
        self._check_headers(headers)
        context = await self._context(scope)
        request = await self._read(receive, headers)
        hide = self._hide_suggestions(context)
        operation = await self._operation(self._documents, request, scope, context)
        if request.size > self._limits.body_bytes and not (operation.longer_lists or operation.wider_inputs):
            raise too_large(self._limits.body_bytes)
        if operation.introspects and not self._may_introspect(context):
            raise Forbidden("introspection is not available to this caller")
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
            return take_variables(request.variables, self._limits, operation.longer_lists, operation.wider_inputs)
        except InvalidValue as error:
            raise _Malformed(error) from None

    def _check_headers(self, headers: dict[bytes, bytes]) -> None:
        if not is_json(headers.get(b"content-type")):
            raise UnsupportedMediaType("Content-Type must be application/json in UTF-8")
        refuse_packed(headers)
        if declared_length(headers) > self._bytes_max:
            raise too_large(self._limits.body_bytes)

    async def _read(self, receive: Receive, headers: dict[bytes, bytes]) -> GraphQLRequest:
        try:
            return await made_of(await read_body(receive, headers, bytes_max=self._bytes_max), read_request)
        except InvalidValue as error:
            raise _Malformed(error) from None
