"""A gate for Flask. Installed with the extra ``flask``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial, wraps
from typing import Any

from flask import Request, Response, abort, current_app, make_response, request

from kana.sdk.admin import KanaAdmin, WhenUnreachable
from kana.sdk.batch import Unrecorded, log_unrecorded
from kana.sdk.gates import Gate, pass_through
from kana.sdk.problem import MEDIA_TYPE, Problem
from kana.sdk.visit import Amount, UserId, Visit, asked_of, is_counted, is_open, units_for, used, user_id_of
from kana.sdk.wire import Units

__all__ = ["gate", "used"]


def gate(
    client: KanaAdmin,
    features: str | Mapping[str, Amount],
    *,
    user: Callable[[Request], UserId],
    amount: Callable[[Request], Units] | None = None,
    reserve: bool = False,
    ttl: timedelta | int | None = None,
    when_unreachable: WhenUnreachable = "raise",
    on_unrecorded: Callable[[Unrecorded], None] = log_unrecorded,
) -> Callable[[Callable[..., Any]], Callable[..., Response]]:
    """Let a view run only for users who may use the features, and count what they used when it succeeds.

    ``features`` is the id of one, with its ``amount`` (1 by default), or a mapping of ids to amounts: ``{"tokens":
    at_most, "requests": 1}``; then it is all of them or none. ``user`` and amounts that are functions get the request,
    and return the user's id and the units. If ``user`` returns None, the gate calls ``abort(401)``. Users without
    access get problem details, 402 or 403; see ``kana.sdk.problem.Problem``.

    ``reserve=True`` sets the units aside while the view runs, for ``ttl`` at most (15 minutes by default): then no
    other request can take them. The view says with ``used`` what it really used; otherwise all of it counts. If it
    fails, nothing counts.

    A view succeeds if it raises nothing and its answer's status is below 400. HEAD is checked but never counted;
    OPTIONS, if the view accepts it, is not checked. A request that is sent again runs the view again and counts again.
    Put the gate below the route.

    Raises:
        InvalidValue: an argument is not allowed; the message names it.
    """
    guard = Gate(client, reserve=reserve, ttl=ttl, when_unreachable=when_unreachable, on_unrecorded=on_unrecorded)
    asked = asked_of(features, amount)

    def decorate(view: Callable[..., Any]) -> Callable[..., Response]:
        def run(*args: Any, **kwargs: Any) -> Response:
            return make_response(current_app.ensure_sync(view)(*args, **kwargs))

        @wraps(view)
        def gated(*args: Any, **kwargs: Any) -> Response:
            if is_open(request.method):
                return run(*args, **kwargs)
            user_id = user_id_of(user(request))
            if user_id is None:
                abort(401)
            visit = Visit(user_id, units_for(request, asked), is_counted=is_counted(request.method))
            answer = pass_through(guard, visit, partial(run, *args, **kwargs), status_of=lambda made: made.status_code)
            if isinstance(answer, Problem):
                return Response(answer.encoded(), status=answer.status, content_type=MEDIA_TYPE)
            return answer

        return gated

    return decorate
