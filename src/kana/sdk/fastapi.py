"""A gate for FastAPI. Installed with the extra ``fastapi``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Mapping
from datetime import timedelta
from functools import partial, wraps
from typing import Annotated, Any

from fastapi import Depends, HTTPException
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection
from starlette.responses import Response

from kana.sdk.admin import AsyncKanaAdmin, WhenUnreachable
from kana.sdk.batch import Unrecorded, log_unrecorded
from kana.sdk.gates import Gate, pass_through_awaited
from kana.sdk.problem import MEDIA_TYPE, Problem
from kana.sdk.visit import Amount, Visit, asked_of, is_counted, is_open, used, user_id_of

__all__ = ["gate", "used"]


def gate(
    client: AsyncKanaAdmin,
    features: str | Mapping[str, Amount],
    *,
    user: Callable[..., Any],
    amount: Callable[..., Any] | None = None,
    reserve: bool = False,
    ttl: timedelta | int | None = None,
    when_unreachable: WhenUnreachable = "raise",
    on_unrecorded: Callable[[Unrecorded], None] = log_unrecorded,
) -> Callable[[Callable[..., Any]], Callable[..., Coroutine[Any, Any, Any]]]:
    """Let an endpoint run only for users who may use the features, and count what they used when it succeeds.

    ``features`` is the id of one, with its ``amount`` (1 by default), or a mapping of ids to amounts: ``{"tokens":
    at_most, "requests": 1}``; then it is all of them or none. ``user`` and amounts that are functions are FastAPI
    dependencies: they can ask for headers, parts of the path or body, or other dependencies, and return the user's id
    and the units. If ``user`` returns None, the answer is HTTPException 401. Users without access get problem details,
    402 or 403; see ``kana.sdk.problem.Problem``.

    ``reserve=True`` sets the units aside while the endpoint runs, for ``ttl`` at most (15 minutes by default): then no
    other request can take them. The endpoint says with ``used`` what it really used; otherwise all of it counts. If it
    fails, nothing counts.

    An endpoint succeeds if it raises nothing and its answer's status is below 400. HEAD is checked but never counted;
    OPTIONS, if the route accepts it, is not checked. A request that is sent again runs the endpoint again and counts
    again. Put the gate below the route; ``def`` endpoints run in a thread as usual.

    Raises:
        InvalidValue: an argument is not allowed; the message names it.
    """
    guard = Gate(client, reserve=reserve, ttl=ttl, when_unreachable=when_unreachable, on_unrecorded=on_unrecorded)
    asked = asked_of(features, amount)
    names = {feature_id: f"kana_amount_{number}" for number, feature_id in enumerate(asked)}
    wanted = {"kana_user": user, **{names[feature_id]: _dependency(asks) for feature_id, asks in asked.items()}}

    def decorate(endpoint: Callable[..., Any]) -> Callable[..., Coroutine[Any, Any, Any]]:
        async def run(*args: Any, **kwargs: Any) -> Any:
            if inspect.iscoroutinefunction(endpoint):
                return await endpoint(*args, **kwargs)
            return await run_in_threadpool(endpoint, *args, **kwargs)

        @wraps(endpoint)
        async def gated(*args: Any, **kwargs: Any) -> Any:
            method = kwargs.pop("kana_connection").scope.get("method")
            found = {name: kwargs.pop(name) for name in wanted}
            if is_open(method):
                return await run(*args, **kwargs)
            user_id = user_id_of(found["kana_user"])
            if user_id is None:
                raise HTTPException(401, "Not authenticated")
            units = {feature_id: found[name] for feature_id, name in names.items()}
            answer = await pass_through_awaited(
                guard,
                Visit(user_id, units, is_counted=is_counted(method)),
                partial(run, *args, **kwargs),
                status_of=lambda answer: _status(answer, *kwargs.values()),
            )
            if isinstance(answer, Problem):
                return Response(answer.encoded(), status_code=answer.status, media_type=MEDIA_TYPE)
            return answer

        vars(gated)["__signature__"] = _with_dependencies(inspect.signature(endpoint), wanted)
        return gated

    return decorate


def _dependency(asks: Amount) -> Callable[..., Any]:
    return asks if callable(asks) else lambda: asks


def _status(*values: Any) -> int:
    """Return the worst status of all responses, a returned one and those whose status was set."""
    return max((value.status_code or 200 for value in values if isinstance(value, Response)), default=200)


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
