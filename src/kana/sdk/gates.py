"""What the gates of all web frameworks share: ask or set aside before, count after, and answer a refusal.

``kana.sdk.fastapi``, ``kana.sdk.django`` and ``kana.sdk.flask`` have one decorator each, ``gate``.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final, TypeVar

from kana.errors import InvalidValue, KanaError, UserNotFound
from kana.sdk.admin import Admin, WhenUnreachable, check_choice, chosen
from kana.sdk.batch import Unrecorded, log_unrecorded
from kana.sdk.consuming import (
    Consumed,
    Reservation,
    ReservationStatus,
    amounts_of,
    consume,
    consume_input,
    release,
    reserve,
    reserve_input,
    seconds_of,
    settle,
)
from kana.sdk.conversation import Steps
from kana.sdk.driver import AsyncDriver, SyncDriver
from kana.sdk.errors import UNANSWERED
from kana.sdk.features import Features, usage_input
from kana.sdk.operation import D, Group, operation
from kana.sdk.problem import Problem, Refusal, invalid, limit_reached, no_access, refused, unavailable
from kana.sdk.results import Outcome, RecordedUsage
from kana.sdk.visit import AT_WORK, Visit

log = logging.getLogger("kana.sdk")

R = TypeVar("R")

_FAILED: Final = 400
_TTL_MAX_S: Final = 86_400


def _checked(ttl: timedelta | int, *, reserve: bool) -> int:
    if not reserve:
        raise InvalidValue("ttl is for a gate with reserve=True", field="ttl")
    seconds = seconds_of(ttl)
    if not 1 <= seconds <= _TTL_MAX_S:
        raise InvalidValue(f"ttl must be 1 to {_TTL_MAX_S:,} seconds, got {seconds:,}", field="ttl")
    return seconds


class Gate(Group[D]):
    """A gate of one or several features. It blocks or is awaited, like its client.

    Raises:
        InvalidValue: ``when_unreachable`` or ``ttl`` is no value of theirs, or ``ttl`` is given without ``reserve``.
    """

    def __init__(
        self,
        client: Admin[D],
        *,
        reserve: bool = False,
        ttl: timedelta | int | None = None,
        when_unreachable: WhenUnreachable = "raise",
        on_unrecorded: Callable[[Unrecorded], None] = log_unrecorded,
    ) -> None:
        super().__init__(client._core, client._driver)  # noqa: SLF001 - a gate is another group of this client
        check_choice(when_unreachable)
        self._client = client
        self._reserves = reserve
        self._ttl = None if ttl is None else _checked(ttl, reserve=reserve)
        self._when_unreachable = when_unreachable
        self._on_unrecorded = on_unrecorded

    @operation
    def enter(self, visit: Visit) -> Steps[Problem | None]:
        """Return None if the user may use the units now, or else the answer to send instead.

        A gate that reserves has set them aside then. A user whom Kana does not know has no access.
        ``when_unreachable`` is what to do if the server does not answer: "allow" gives access, "deny" is
        a problem with status 503, "raise" raises.
        """
        return self._enter(visit)

    @operation
    def leave(self, visit: Visit, *, succeeded: bool = True) -> Steps[None]:
        """Count what a view used that succeeded, and let go what is set aside for one that failed.

        The work is done by now, so what cannot be counted only goes to ``on_unrecorded``. Without ``reserve`` a
        refusal is possible: other requests may have used the last units since ``enter``.
        """
        return self._leave(visit, succeeded=succeeded)

    @contextmanager
    def at_work(self, visit: Visit) -> Iterator[None]:
        """The time in which the view of a visit can say what it used."""
        if not self._reserves:
            yield
            return
        token = AT_WORK.set(visit)
        try:
            yield
        finally:
            visit.is_over = True
            AT_WORK.reset(token)

    def _enter(self, visit: Visit) -> Steps[Problem | None]:
        try:
            visit.amounts = amounts_of(visit.units, {})
            refusal = yield from self._ask(visit)
        except UserNotFound as error:
            return no_access(error.message, visit.units)
        except InvalidValue as error:
            return invalid(error.message, visit.units)
        except UNANSWERED as error:
            choice = chosen(self._when_unreachable, error)
            return None if choice.access else unavailable(choice.reason, visit.units)
        if refusal is None:
            return None
        if refusal.outcome is Outcome.LIMIT_EXCEEDED:
            return limit_reached(refusal, (yield from self._resets_at(visit.user_id, refusal.feature_id)))
        return refused(refusal)

    def _ask(self, visit: Visit) -> Steps[Refusal | None]:
        """Return why the units are refused; None if they are not, and set aside if this gate does that."""
        if self._reserves and visit.is_counted:
            answer = yield from reserve(self._core, reserve_input(visit.user_id, visit.amounts, self._ttl))
            visit.reservation = answer.reservation
            return Refusal.of(answer)
        if len(visit.amounts) == 1:
            [(feature_id, delta)] = visit.amounts.items()
            check = yield from Features.can_use.steps(
                self._client.features, user_id=visit.user_id, feature_id=feature_id, delta=delta
            )
            if check.access:
                return None
            if check.outcome is not Outcome.CREDIT_EXCEEDED:
                return Refusal(feature_id, check.outcome, check.reason, check.consumption)
        # Of a credit that does not suffice, the answer to a decision of several lines says how much is used.
        return Refusal.of((yield from consume(self._core, consume_input(visit.user_id, visit.amounts, dry_run=True))))

    def _resets_at(self, user_id: str, feature_id: str) -> Steps[str | None]:
        try:
            usage = yield from Features.show_usage.steps(
                self._client.features, user_id=user_id, feature_id=feature_id, past=0
            )
        except KanaError:
            return None  # The refusal stands; only the time of the reset is unknown.
        if usage.current is None or usage.current.period_end is None:
            return None
        return usage.current.period_end.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def _leave(self, visit: Visit, *, succeeded: bool) -> Steps[None]:
        if visit.reservation is not None:
            end = self._settle if succeeded else self._release
            yield from end(visit, visit.reservation)
        elif succeeded and visit.is_counted:
            yield from self._record(visit.user_id, {**visit.amounts, **visit.said})

    def _record(self, user_id: str, amounts: Mapping[str, int]) -> Steps[None]:
        """Record what nothing was set aside for."""
        named = {feature_id: units for feature_id, units in amounts.items() if units}
        if len(named) == 1:
            [(feature_id, delta)] = named.items()
            usage = usage_input(user_id=user_id, feature_id=feature_id, delta=delta)
            recorded = yield from self._tried(usage, self._client.features._record(usage))  # noqa: SLF001 - has its key
            if recorded is not None and not recorded.recorded:
                self._tell(usage, recorded)
        elif named:
            usage = consume_input(user_id, named)
            consumed = yield from self._tried(usage, consume(self._core, usage))
            if consumed is not None and not consumed.granted:
                self._tell(usage, consumed)

    def _settle(self, visit: Visit, reservation: Reservation) -> Steps[None]:
        """Settle what the view used; if that does not fit, as much of it as is set aside."""
        left = {**visit.amounts, **visit.said}
        answer = yield from self._settled(visit, reservation, left)
        if answer is None or answer.granted:
            return
        if answer.reservation is not None and answer.reservation.status is ReservationStatus.OPEN:
            held = {name: min(units, visit.amounts.get(name, 0)) for name, units in left.items()}
            part = yield from self._settled(visit, reservation, held)
            if part is None or part.granted:
                left = {name: units - held[name] for name, units in left.items()}
        self._tell(consume_input(visit.user_id, {name: units for name, units in left.items() if units}), answer)

    def _settled(self, visit: Visit, reservation: Reservation, amounts: Mapping[str, int]) -> Steps[Consumed | None]:
        usage = consume_input(visit.user_id, amounts) | {"reservationId": reservation.id}
        key = usage["idempotencyKey"]
        return (yield from self._tried(usage, settle(self._core, reservation.id, amounts, idempotency_key=key)))

    def _release(self, _visit: Visit, reservation: Reservation) -> Steps[None]:
        try:
            yield from release(self._core, reservation.id)
        except KanaError as error:
            log.warning("reservation %s may stand until %s: %s", reservation.id, reservation.ends_at, error.message)

    def _tried(self, usage: Mapping[str, Any], recording: Steps[R]) -> Steps[R | None]:
        try:
            return (yield from recording)
        except KanaError as error:
            self._on_unrecorded(Unrecorded(usage=usage, reason=error.message, error=error))
            return None

    def _tell(self, usage: Mapping[str, Any], refused: RecordedUsage | Consumed) -> None:
        self._on_unrecorded(Unrecorded(usage=usage, reason=refused.reason or "refused", outcome=refused.outcome))


def pass_through(
    gate: Gate[SyncDriver], visit: Visit, view: Callable[[], R], *, status_of: Callable[[R], int]
) -> R | Problem:
    """Return the answer of a view, or a problem if the gate does not let it run.

    A view fails if it raises, or if the status of its answer is 400 or more.
    """
    if problem := gate.enter(visit):
        return problem
    try:
        with gate.at_work(visit):
            answer = view()
    except BaseException:
        gate.leave(visit, succeeded=False)
        raise
    gate.leave(visit, succeeded=status_of(answer) < _FAILED)
    return answer


async def pass_through_awaited(
    gate: Gate[AsyncDriver], visit: Visit, view: Callable[[], Awaitable[R]], *, status_of: Callable[[R], int]
) -> R | Problem:
    """Return the answer of an async view, as ``pass_through`` does."""
    if problem := await gate.enter(visit):
        return problem
    try:
        with gate.at_work(visit):
            answer = await view()
    except BaseException:
        await gate.leave(visit, succeeded=False)
        raise
    await gate.leave(visit, succeeded=status_of(answer) < _FAILED)
    return answer
