"""A gate for Django views that are functions, blocking or async. Installed with the extra ``django``."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse

from kana.errors import InvalidValue
from kana.sdk.admin import AsyncKanaAdmin, KanaAdmin, WhenUnreachable
from kana.sdk.batch import Unrecorded, log_unrecorded
from kana.sdk.gates import MEDIA_TYPE, Gate, Problem, UserId, is_counted, is_open, user_id_of
from kana.sdk.wire import Units

View = TypeVar("View", bound=Callable[..., Any])


def gate(
    client: KanaAdmin | AsyncKanaAdmin,
    feature_id: str,
    *,
    user: Callable[[HttpRequest], UserId],
    amount: Callable[[HttpRequest], Units] = lambda _: 1,
    when_unreachable: WhenUnreachable = "raise",
    on_unrecorded: Callable[[Unrecorded], None] = log_unrecorded,
) -> Callable[[View], View]:
    """Let a view run only for users who may use the feature, and record what they used when it succeeds.

    ``user`` and ``amount`` return the user's id and the units for a request. If ``user`` returns None,
    the answer is 401. Users without access get problem details, 402 or 403; see
    ``kana.sdk.gates.Problem``. A view succeeds if its answer's status is below 400. HEAD is checked but
    never counted; OPTIONS goes to the view without a check, so say which methods a view accepts
    (``require_POST``). A request that is sent again runs the view again and counts again.

    Raises:
        InvalidValue: an async view gets a KanaAdmin, or another view an AsyncKanaAdmin.
    """

    def decorate(view: View) -> View:
        if iscoroutinefunction(view) != isinstance(client, AsyncKanaAdmin):
            raise InvalidValue("client must be AsyncKanaAdmin for an async view, KanaAdmin for any other")
        wrap = _awaiting if isinstance(client, AsyncKanaAdmin) else _blocking
        guard: Any = Gate(client, feature_id, when_unreachable=when_unreachable, on_unrecorded=on_unrecorded)
        return cast(View, wrap(view, guard, user, amount))

    return decorate


def _blocking(view: Any, guard: Any, user: Any, amount: Any) -> Any:
    @wraps(view)
    def gated(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if is_open(request.method):
            return view(request, *args, **kwargs)
        user_id = user_id_of(user(request))
        if user_id is None:
            return _nobody()
        delta = amount(request)
        problem = guard.enter(user_id, delta)
        if problem is not None:
            return _answer(problem)
        response = view(request, *args, **kwargs)
        if response.status_code < 400 and is_counted(request.method):
            guard.leave(user_id, delta)
        return response

    return gated


def _awaiting(view: Any, guard: Any, user: Any, amount: Any) -> Any:
    @wraps(view)
    async def gated(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if is_open(request.method):
            return await view(request, *args, **kwargs)
        user_id = user_id_of(user(request))
        if user_id is None:
            return _nobody()
        delta = amount(request)
        problem = await guard.enter(user_id, delta)
        if problem is not None:
            return _answer(problem)
        response = await view(request, *args, **kwargs)
        if response.status_code < 400 and is_counted(request.method):
            await guard.leave(user_id, delta)
        return response

    return gated


def _nobody() -> HttpResponse:
    return HttpResponse("Unauthorized", status=401, content_type="text/plain")


def _answer(problem: Problem) -> HttpResponse:
    return HttpResponse(problem.encoded(), status=problem.status, content_type=MEDIA_TYPE)
