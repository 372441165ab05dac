"""A gate for Flask. Installed with the extra ``flask``."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Request, Response, abort, current_app, make_response, request

from kana.sdk.admin import KanaAdmin, WhenUnreachable
from kana.sdk.batch import Unrecorded, log_unrecorded
from kana.sdk.gates import MEDIA_TYPE, Gate, UserId, is_counted, is_open, user_id_of
from kana.sdk.wire import Units


def gate(
    client: KanaAdmin,
    feature_id: str,
    *,
    user: Callable[[Request], UserId],
    amount: Callable[[Request], Units] = lambda _: 1,
    when_unreachable: WhenUnreachable = "raise",
    on_unrecorded: Callable[[Unrecorded], None] = log_unrecorded,
) -> Callable[[Callable[..., Any]], Callable[..., Response]]:
    """Let a view run only for users who may use the feature, and record what they used when it succeeds.

    ``user`` and ``amount`` return the user's id and the units for a request. If ``user`` returns None,
    the gate calls ``abort(401)``. Users without access get problem details, 402 or 403; see
    ``kana.sdk.gates.Problem``. A view succeeds if its answer's status is below 400. HEAD is checked but
    never counted; OPTIONS, if the view accepts it, is not checked. A request that is sent again runs
    the view again and counts again. Put the gate below the route.
    """
    guard = Gate(client, feature_id, when_unreachable=when_unreachable, on_unrecorded=on_unrecorded)

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
            delta = amount(request)
            problem = guard.enter(user_id, delta)
            if problem is not None:
                return Response(problem.encoded(), status=problem.status, content_type=MEDIA_TYPE)
            response = run(*args, **kwargs)
            if response.status_code < 400 and is_counted(request.method):
                guard.leave(user_id, delta)
            return response

        return gated

    return decorate
