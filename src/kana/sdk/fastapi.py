"""A gate for FastAPI. Installed with the extra ``fastapi``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Annotated, Any

from fastapi import Depends, HTTPException
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection
from starlette.responses import Response

from kana.sdk.admin import AsyncKanaAdmin, WhenUnreachable
from kana.sdk.batch import Unrecorded, log_unrecorded
from kana.sdk.gates import MEDIA_TYPE, Gate, is_counted, is_open, user_id_of
from kana.sdk.wire import Units


def _one() -> Units:
    return 1


def gate(
    client: AsyncKanaAdmin,
    feature_id: str,
    *,
    user: Callable[..., Any],
    amount: Callable[..., Any] = _one,
    when_unreachable: WhenUnreachable = "raise",
    on_unrecorded: Callable[[Unrecorded], None] = log_unrecorded,
) -> Callable[[Callable[..., Any]], Callable[..., Coroutine[Any, Any, Any]]]:
    """Let an endpoint run only for users who may use the feature, and record what they used when it succeeds.

    ``user`` and ``amount`` are FastAPI dependencies: they can ask for headers, parts of the path or body,
    or other dependencies, and return the user's id and the units. If ``user`` returns None, the answer is
    HTTPException 401. Users without access get problem details, 402 or 403; see
    ``kana.sdk.gates.Problem``. An endpoint succeeds if it raises nothing and its answer's status is below
    400. HEAD is checked but never counted; OPTIONS, if the route accepts it, is not checked. A request
    that is sent again runs the endpoint again and counts again. Put the gate below the route; ``def``
    endpoints run in a thread as usual.
    """
    guard = Gate(client, feature_id, when_unreachable=when_unreachable, on_unrecorded=on_unrecorded)
    wanted = {"kana_user": user, "kana_amount": amount}

    def decorate(endpoint: Callable[..., Any]) -> Callable[..., Coroutine[Any, Any, Any]]:
        async def run(*args: Any, **kwargs: Any) -> Any:
            if inspect.iscoroutinefunction(endpoint):
                return await endpoint(*args, **kwargs)
            return await run_in_threadpool(endpoint, *args, **kwargs)

        @wraps(endpoint)
        async def gated(*args: Any, **kwargs: Any) -> Any:
            method = kwargs.pop("kana_connection").scope.get("method")
            found, delta = (kwargs.pop(name) for name in wanted)
            if is_open(method):
                return await run(*args, **kwargs)
            user_id = user_id_of(found)
            if user_id is None:
                raise HTTPException(401, "Not authenticated")
            problem = await guard.enter(user_id, delta)
            if problem is not None:
                return Response(problem.encoded(), status_code=problem.status, media_type=MEDIA_TYPE)
            result = await run(*args, **kwargs)
            if is_counted(method) and _succeeded(result, *kwargs.values()):
                await guard.leave(user_id, delta)
            return result

        vars(gated)["__signature__"] = _with_dependencies(inspect.signature(endpoint), wanted)
        return gated

    return decorate


def _succeeded(*values: Any) -> bool:
    """Whether no response, neither a returned one nor one whose status was set, is an error."""
    return all((value.status_code or 200) < 400 for value in values if isinstance(value, Response))


def _with_dependencies(signature: inspect.Signature, wanted: dict[str, Callable[..., Any]]) -> inspect.Signature:
    """Return a signature that makes FastAPI call each of ``wanted`` and pass on its value and the connection."""
    connection = inspect.Parameter("kana_connection", inspect.Parameter.KEYWORD_ONLY, annotation=HTTPConnection)
    added = [
        connection,
        *(
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=Annotated[Any, Depends(dependency)])
            for name, dependency in wanted.items()
        ),
    ]
    return signature.replace(parameters=[*signature.parameters.values(), *added])
