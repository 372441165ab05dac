"""The skeleton of every address that programs call: its method, its work, and its errors in the words of its protocol.

What is left to a face is its work: who asks (``Door``), the body (``read_body``, ``made_of``), the call of one verb,
and the answer. What it raises is turned into an answer here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from starlette.types import ASGIApp, Receive, Scope, Send

from kana.api.body import ClientGone
from kana.api.http import Answer, answer_method_not_allowed, fault_answer, send_answer, told

Work = Callable[[Scope, Receive], Awaitable[Answer]]
"""What an address does: it returns the answer, or raises what is wrong."""

Explain = Callable[[Scope, Exception], Answer]
"""How the protocol of an address tells of an error that its work raised."""


def json_answer(value: Any) -> Answer:
    """Return the answer of a call that went well."""
    return Answer(200, orjson.dumps(value))


def explain(scope: Scope, error: Exception) -> Answer:
    """Return an error as problem details."""
    return fault_answer(told(scope, error))


def endpoint(method: str, work: Work, *, explain: Explain = explain) -> ASGIApp:
    """Return the application of an address that has one method."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await serve(scope, receive, send, method=method, work=work, explain=explain)

    return app


async def serve(
    scope: Scope, receive: Receive, send: Send, *, method: str, work: Work, explain: Explain = explain
) -> bool:
    """Answer one request; return whether its work was asked for and whoever asked is still there."""
    if scope["method"] != method:
        await answer_method_not_allowed(scope, send, method.encode())
        return False
    try:
        made = await work(scope, receive)
    except ClientGone:
        return False
    except Exception as error:  # noqa: BLE001 - whatever it is has its answer
        made = explain(scope, error)
    await send_answer(send, made)
    return True
