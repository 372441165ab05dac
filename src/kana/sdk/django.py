"""A gate for Django views that are functions, blocking or async. Installed with the extra ``django``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial, wraps
from typing import Any, TypeVar, cast

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse

from kana.errors import InvalidValue
from kana.sdk.admin import AsyncKanaAdmin, KanaAdmin, WhenUnreachable
from kana.sdk.batch import Unrecorded, log_unrecorded
from kana.sdk.gates import Gate, pass_through, pass_through_awaited
from kana.sdk.problem import MEDIA_TYPE, Problem
from kana.sdk.visit import Amount, UserId, Visit, asked_of, is_counted, is_open, units_for, used, user_id_of
from kana.sdk.wire import Units

__all__ = ["gate", "used"]

View = TypeVar("View", bound=Callable[..., Any])


def gate(
    client: KanaAdmin | AsyncKanaAdmin,
    features: str | Mapping[str, Amount],
    *,
    user: Callable[[HttpRequest], UserId],
    amount: Callable[[HttpRequest], Units] | None = None,
    reserve: bool = False,
    ttl: timedelta | int | None = None,
    when_unreachable: WhenUnreachable = "raise",
    on_unrecorded: Callable[[Unrecorded], None] = log_unrecorded,
) -> Callable[[View], View]:
    """Let a view run only for users who may use the features, and count what they used when it succeeds.

    ``features`` is the id of one, with its ``amount`` (1 by default), or a mapping of ids to amounts: ``{"tokens":
    at_most, "requests": 1}``; then it is all of them or none. ``user`` and amounts that are functions get the request,
    and return the user's id and the units. If ``user`` returns None, the answer is 401. Users without access get
    problem details, 402 or 403; see ``kana.sdk.problem.Problem``.

    ``reserve=True`` sets the units aside while the view runs, for ``ttl`` at most (15 minutes by default): then no
    other request can take them. The view says with ``used`` what it really used; otherwise all of it counts. If it
    fails, nothing counts.

    A view succeeds if it raises nothing and its answer's status is below 400. HEAD is checked but never counted;
    OPTIONS goes to the view without a check, so say which methods a view accepts (``require_POST``). A request that is
    sent again runs the view again and counts again.

    Raises:
        InvalidValue: an async view gets a KanaAdmin, or another view an AsyncKanaAdmin; or another argument is not
            allowed; the message names it.
    """
    guard: Any = Gate(client, reserve=reserve, ttl=ttl, when_unreachable=when_unreachable, on_unrecorded=on_unrecorded)
    asked = asked_of(features, amount)

    def visit_of(request: HttpRequest) -> Visit | None:
        user_id = user_id_of(user(request))
        if user_id is None:
            return None
        return Visit(user_id, units_for(request, asked), is_counted=is_counted(request.method))

    def decorate(view: View) -> View:
        if iscoroutinefunction(view) != isinstance(client, AsyncKanaAdmin):
            raise InvalidValue("client must be AsyncKanaAdmin for an async view, KanaAdmin for any other")
        wrap = _awaiting if isinstance(client, AsyncKanaAdmin) else _blocking
        return cast(View, wrap(view, guard, visit_of))

    return decorate


def _blocking(view: Any, guard: Any, visit_of: Callable[[HttpRequest], Visit | None]) -> Any:
    @wraps(view)
    def gated(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if is_open(request.method):
            return view(request, *args, **kwargs)
        visit = visit_of(request)
        if visit is None:
            return _nobody()
        return _answer(pass_through(guard, visit, partial(view, request, *args, **kwargs), status_of=_status))

    return gated


def _awaiting(view: Any, guard: Any, visit_of: Callable[[HttpRequest], Visit | None]) -> Any:
    @wraps(view)
    async def gated(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if is_open(request.method):
            return await view(request, *args, **kwargs)
        visit = visit_of(request)
        if visit is None:
            return _nobody()
        run = partial(view, request, *args, **kwargs)
        return _answer(await pass_through_awaited(guard, visit, run, status_of=_status))

    return gated


def _nobody() -> HttpResponse:
    return HttpResponse("Unauthorized", status=401, content_type="text/plain")


def _status(response: Any) -> int:
    status: int = response.status_code
    return status


def _answer(answer: Any) -> Any:
    if isinstance(answer, Problem):
        return HttpResponse(answer.encoded(), status=answer.status, content_type=MEDIA_TYPE)
    return answer
