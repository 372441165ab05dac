"""What the gates of all web frameworks share: check before, record after, and answer a refusal.

``kana.sdk.fastapi``, ``kana.sdk.django`` and ``kana.sdk.flask`` have one decorator each, ``gate``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from kana.errors import InvalidValue, KanaError, UserNotFound
from kana.sdk.admin import Admin, WhenUnreachable
from kana.sdk.batch import Unrecorded, log_unrecorded
from kana.sdk.conversation import Steps
from kana.sdk.features import Features, usage_input
from kana.sdk.operation import D, Group, operation
from kana.sdk.results import Action, Check, Outcome, Source
from kana.sdk.wire import Units

MEDIA_TYPE: Final = "application/problem+json"

UserId = str | int | UUID | None
"""A user's id as programs store it. None and "" mean that nobody is signed in."""

_OPEN: Final = "OPTIONS"
_UNCOUNTED: Final = frozenset({"HEAD", _OPEN})


def is_open(method: str | None) -> bool:
    """Whether a request passes without a check: OPTIONS, which browsers send first and without the user."""
    return method == _OPEN


def is_counted(method: str | None) -> bool:
    """Whether a successful request counts as usage. HEAD is checked like GET, but returns nothing, so it does not."""
    return method not in _UNCOUNTED


def user_id_of(found: UserId) -> str | None:
    """Return the user's id as text, or None if nobody is signed in.

    Raises:
        InvalidValue: it is something else, such as the whole user object.
    """
    if found is None or found == "":
        return None
    if isinstance(found, bool) or not isinstance(found, str | int | UUID):
        raise InvalidValue(
            f"user must return the user's id, or None if nobody is signed in, got {type(found).__name__}"
        )
    return str(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A refusal as RFC 9457 problem details.

    402: the limit is reached; ``limit``, ``used`` and ``resetsAt`` have the details. 403: the user does
    not have the feature, or it is refused for another reason, even one that this version does not know.
    400: the amount is not valid. 503: Kana did not answer.
    """

    status: int
    body: dict[str, Any]

    def encoded(self) -> bytes:
        """Return the body as JSON."""
        return json.dumps(self.body, ensure_ascii=False).encode()


def _problem(status: int, kind: str, title: str, *, detail: str, feature_id: str, **members: Any) -> Problem:
    body = {"type": f"urn:kana:problem:{kind}", "title": title, "status": status, "detail": detail}
    return Problem(status=status, body=body | {"feature": feature_id} | members)


class Gate(Group[D]):
    """The gate of one feature. It blocks or is awaited, like its client."""

    def __init__(
        self,
        client: Admin[D],
        feature_id: str,
        *,
        when_unreachable: WhenUnreachable = "raise",
        on_unrecorded: Callable[[Unrecorded], None] = log_unrecorded,
    ) -> None:
        super().__init__(client._core, client._driver)  # noqa: SLF001 - a gate is another group of this client
        self._client = client
        self._feature_id = feature_id
        self._when_unreachable = when_unreachable
        self._on_unrecorded = on_unrecorded

    @operation
    def enter(self, user_id: str, delta: Units) -> Steps[Problem | None]:
        """Return None if the user may use ``delta`` units now, or else the answer to send instead.

        A user whom Kana does not know has no access. ``when_unreachable`` is what to do if the server
        does not answer: "allow" gives access, "deny" is a problem with status 503, "raise" raises.
        """
        return self._enter(user_id, delta)

    @operation
    def leave(self, user_id: str, delta: Units) -> Steps[None]:
        """Record the usage. The work is done by now, so failures only go to ``on_unrecorded``.

        A refusal is possible: other requests may have used the last units since ``enter``.
        """
        return self._leave(user_id, delta)

    def _enter(self, user_id: str, delta: Units) -> Steps[Problem | None]:
        try:
            check = yield from Admin.check.steps(
                self._client,
                user_id=user_id,
                feature_id=self._feature_id,
                delta=delta,
                when_unreachable=self._when_unreachable,
            )
        except UserNotFound as error:
            return self._no_access(error.message)
        except InvalidValue as error:
            return _problem(400, "invalid", "Invalid request", detail=error.message, feature_id=self._feature_id)
        if check.access:
            return None
        if check.source is Source.DEFAULT:
            return _problem(
                503, "unavailable", "Cannot be checked now", detail=check.reason, feature_id=self._feature_id
            )
        return (yield from self._refused(user_id, check))

    def _refused(self, user_id: str, check: Check) -> Steps[Problem]:
        match check.outcome:
            case Outcome.LIMIT_EXCEEDED:
                return (yield from self._limit_reached(user_id, check))
            case Outcome.NO_SUBSCRIPTION:
                return self._no_access(check.reason)
            case _:
                return _problem(403, "refused", "Refused", detail=check.reason, feature_id=self._feature_id)

    def _no_access(self, reason: str) -> Problem:
        return _problem(403, "no-access", "Not in your plan", detail=reason, feature_id=self._feature_id)

    def _limit_reached(self, user_id: str, check: Check) -> Steps[Problem]:
        resets_at = None
        try:
            usage = yield from Features.show_usage.steps(
                self._client.features, user_id=user_id, feature_id=self._feature_id, past=0
            )
            if usage.current is not None and usage.current.period_end is not None:
                resets_at = usage.current.period_end.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        except KanaError:
            pass  # The refusal stands; only the time of the reset is unknown.
        return _problem(
            402,
            "limit-reached",
            "Limit reached",
            detail=check.reason,
            feature_id=self._feature_id,
            limit=check.consumption and check.consumption.budget,
            used=check.consumption and check.consumption.used,
            resetsAt=resets_at,
        )

    def _leave(self, user_id: str, delta: Units) -> Steps[None]:
        usage = usage_input(
            user_id=user_id,
            feature_id=self._feature_id,
            delta=delta,
            action=Action.ADD,
            idempotency_key=None,
            timestamp=None,
            metadata=None,
        )
        try:
            recorded = yield from self._client.features._record(usage)  # noqa: SLF001 - the usage already has its key
        except KanaError as error:
            self._on_unrecorded(Unrecorded(usage=usage, reason=error.message, error=error))
            return
        if not recorded.recorded:
            reason = recorded.reason or "refused"
            self._on_unrecorded(Unrecorded(usage=usage, reason=reason, outcome=recorded.outcome))
