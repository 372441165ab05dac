"""The skeleton of every endpoint for programs: its method, its work, and its errors in the format of its protocol.

What is left to an API is the work: the caller (``Door``), the body (``read_body``, ``made_of``), the call of one verb,
and the answer. Errors that it raises become answers here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from starlette.types import ASGIApp, Receive, Scope, Send

from kana.api.body import ClientGone
from kana.api.http import Answer, answer_method_not_allowed, fault_answer, send_answer, told

Work = Callable[[Scope, Receive], Awaitable[Answer]]
"""The work of an endpoint: it returns the answer or raises an error."""

Explain = Callable[[Scope, Exception], Answer]
"""The answer of an endpoint's protocol to an error that its work raised."""


def json_answer(value: Any) -> Answer:
    """Return the answer to a successful call."""
    return Answer(200, orjson.dumps(value))


def explain(scope: Scope, error: Exception) -> Answer:
    """Return an error as problem details."""
    return fault_answer(told(scope, error))


def endpoint(method: str, work: Work, *, explain: Explain = explain) -> ASGIApp:
    """Return the application of an endpoint with one method."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await serve(scope, receive, send, method=method, work=work, explain=explain)

    return app


async def serve(
    scope: Scope, receive: Receive, send: Send, *, method: str, work: Work, explain: Explain = explain
) -> bool:
    """Answer one request; return whether its work was done and the client is still there."""
    if scope["method"] != method:
        await answer_method_not_allowed(scope, send, method.encode())
        return False
    try:
        made = await work(scope, receive)
    except ClientGone:
        return False
    except Exception as error:  # noqa: BLE001 - every error has an answer
        made = explain(scope, error)
    await send_answer(send, made)
    return True
