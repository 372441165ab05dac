"""A gate for Flask. Installed with the extra ``flask``."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Request, Response, current_app, make_response, request

from kana.sdk.admin import KanaAdmin, WhenUnreachable
from kana.sdk.batch import Unrecorded, log_unrecorded
from kana.sdk.gates import MEDIA_TYPE, Gate
from kana.sdk.wire import Units


def gate(
    client: KanaAdmin,
    feature_id: str,
    *,
    user: Callable[[Request], str],
    amount: Callable[[Request], Units] = lambda _: 1,
    when_unreachable: WhenUnreachable = "raise",
    on_unrecorded: Callable[[Unrecorded], None] = log_unrecorded,
) -> Callable[[Callable[..., Any]], Callable[..., Response]]:
    """Let a view run only for users who may use the feature, and record what they used when it succeeds.

    ``user`` and ``amount`` take the user's id and the units from the request. Who may not gets
    problem details, 402 or 403; see ``kana.sdk.gates.Problem``. A view has succeeded when its
    answer's status is below 400. A request that is sent again runs the view again, and counts
    again. Put the gate below the route.
    """
    guard = Gate(client, feature_id, when_unreachable=when_unreachable, on_unrecorded=on_unrecorded)

    def decorate(view: Callable[..., Any]) -> Callable[..., Response]:
        @wraps(view)
        def gated(*args: Any, **kwargs: Any) -> Response:
            user_id, delta = user(request), amount(request)
            problem = guard.enter(user_id, delta)
            if problem is not None:
                return Response(problem.encoded(), status=problem.status, content_type=MEDIA_TYPE)
            response = make_response(current_app.ensure_sync(view)(*args, **kwargs))
            if response.status_code < 400:
                guard.leave(user_id, delta)
            return response

        return gated

    return decorate
