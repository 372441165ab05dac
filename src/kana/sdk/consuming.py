"""Several features in one decision, and units that are set aside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from kana.errors import InvalidValue
from kana.sdk.conversation import Steps
from kana.sdk.features import new_key
from kana.sdk.operation import Core, D, Group, operation
from kana.sdk.pages import by_id, every_page
from kana.sdk.results import LOCAL, Consumption, Outcome
from kana.sdk.wire import UNBOUNDED, Unbounded, Units, moment, mutation, query, whole


class ReservationStatus(StrEnum):
    """What has become of a reservation. Only ``OPEN`` sets units aside; ``ENDED``: its end has passed."""

    OPEN = "OPEN"
    SETTLED = "SETTLED"
    RELEASED = "RELEASED"
    ENDED = "ENDED"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservedLine:
    """What is set aside of one feature: so many ``units`` at first, of which ``held`` still are.

    ``settled`` is what was used since, of what was set aside and beyond it. ``cost_of`` is the feature that costs
    these units, None if they were asked for. ``unbounded``: nobody knew how many it may take, and ``units`` are 0.
    """

    feature_id: str
    units: int
    unbounded: bool
    settled: int
    held: int
    cost_of: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """Units that a user has set aside, until ``ends_at`` at the latest."""

    id: str
    user_id: str
    lines: tuple[ReservedLine, ...]
    status: ReservationStatus
    ends_at: datetime
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumedLine:
    """What was decided on one line; ``reason`` is None if it is recorded, ``entry_id`` if nothing was written.

    ``consumption`` is that afterwards. ``cost_of`` is the feature that costs these units, None if they were asked for.
    """

    feature_id: str
    units: int
    outcome: Outcome
    reason: str | None
    consumption: Consumption | None
    entry_id: str | None
    cost_of: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumed:
    """What was decided on several features together: ``granted`` all of them, or none.

    ``outcome`` is that of the first line that does not fit, and ``reason`` names each. ``duplicate`` says that the key
    was used before: this is then the first answer again. ``decision_id`` is empty if nothing was written.
    ``reservation`` is what is set aside, or was. ``idempotency_key`` is the key that was sent.
    """

    granted: bool
    outcome: Outcome
    reason: str | None
    duplicate: bool
    decision_id: str
    lines: tuple[ConsumedLine, ...]
    reservation: Reservation | None
    idempotency_key: str = field(default="", metadata=LOCAL)

    @property
    def was_over(self) -> bool:
        """Whether these units were recorded as new usage, since their reservation was over; ``reason`` says so too."""
        return self.granted and self.reason is not None


CONSUME: Final = mutation("consume(input: ConsumeInput!)", Consumed)
RESERVE: Final = mutation("reserve(input: ReserveInput!)", Consumed)
SETTLE: Final = mutation(
    "settleReservation(id: String!, lines: [LineInput!]!, final: Boolean, idempotencyKey: String, metadata: JSON)",
    Consumed,
)
RELEASE: Final = mutation("releaseReservation(id: String!)", Reservation)
EXTEND: Final = mutation("extendReservation(id: String!, ttlSeconds: Int!)", Reservation)
RETRIEVE: Final = query("reservation(id: String!)", Reservation)
LIST: Final = query("reservations(userId: String!, first: Int, after: String)", list[Reservation])


class Reservations(Group[D]):
    """Units that users have set aside. ``kana.reserve`` sets them aside for the time of a ``with`` block."""

    @operation
    def create(
        self,
        user_id: str,
        units: Mapping[str, Units | Unbounded] | None = None,
        /,
        *,
        ttl: timedelta | int | None = None,
        idempotency_key: str | None = None,
        metadata: Any = None,
        **features: Units | Unbounded,
    ) -> Steps[Consumed]:
        """Set units of 1 to 20 features aside, all or none, for ``ttl``: a timedelta, or whole seconds.

        It is 1 second to 24 hours, and 15 minutes by default. ``UNBOUNDED`` is for a feature of which nobody knows how
        much it may take: it is refused unless the feature, and what it costs, is unlimited or allows overage; then the
        last settlement must name it. A refusal is an answer: ``granted=False``, and each of the ``lines`` says why.
        Everything else is as in ``consume``.

        Raises:
            UserNotFound, FeatureNotFound: there is no such user or feature.
            InvalidValue: a value is not allowed; the message names it.
            IdempotencyKeyReused: the key was used before for other content; nothing was set aside.
            OutcomeUnknown: they may be set aside; call again with the exception's idempotency_key.
        """
        amounts = reserved_of(units, features)
        return reserve(self._core, reserve_input(user_id, amounts, ttl, idempotency_key, metadata))

    @operation
    def settle(
        self,
        id: str,
        units: Mapping[str, Units] | None = None,
        /,
        *,
        final: bool = True,
        idempotency_key: str | None = None,
        metadata: Any = None,
        **features: Units,
    ) -> Steps[Consumed]:
        """Say what was really used, 0 units or more of any feature: what is set aside is used first.

        ``final`` lets all the rest go, also of features that are not named; without it the rest stays set aside. What
        is used beyond is decided like new usage: if it does not fit, nothing is settled, ``granted`` is False, and the
        reservation stands. After its end all is decided like new usage, and the answer ``was_over``.

        Raises:
            ReservationNotFound, FeatureNotFound: there is no such reservation or feature.
            Conflict: it is settled already.
            InvalidValue: a value is not allowed, or the last settlement does not name what is unbounded; the message
                says so.
            IdempotencyKeyReused: the key was used before for other content; nothing was settled.
            OutcomeUnknown: it may be settled; call again with the exception's idempotency_key.
        """
        amounts = amounts_of(units, features)
        return settle(self._core, id, amounts, final=final, idempotency_key=idempotency_key, metadata=metadata)

    @operation
    def release(self, id: str) -> Steps[Reservation]:
        """Let go all that a reservation still sets aside. One that is over stays as it is.

        Raises:
            ReservationNotFound: there is no such reservation.
            Conflict: it is settled already.
            OutcomeUnknown: the answer was lost; it is safe to call again.
        """
        return release(self._core, id)

    @operation
    def extend(self, id: str, ttl: timedelta | int) -> Steps[Reservation]:
        """Let an open reservation end ``ttl`` from now, 1 second to 24 hours, instead of when it would have.

        Raises:
            ReservationNotFound: there is no such reservation.
            Conflict: it is over.
            InvalidValue: ``ttl`` is not whole seconds, or out of bounds.
            OutcomeUnknown: the answer was lost; it is safe to call again.
        """
        return extend(self._core, id, ttl)

    @operation
    def retrieve(self, id: str) -> Steps[Reservation]:
        """Return one reservation.

        Raises:
            ReservationNotFound: there is no such reservation.
        """
        return self._core.ask(RETRIEVE, id=id)

    @operation
    def list(self, user_id: str, *, first: int | None = None, after: str | None = None) -> Steps[list[Reservation]]:
        """Return the reservations of a user, the newest first, or only the ``first`` ones ``after`` an id.

        Raises:
            UserNotFound: there is no such user.
        """
        return every_page(
            lambda size, last: self._core.ask(LIST, userId=user_id, first=size, after=last),
            first=first,
            after=after,
            id_of=by_id,
        )


def consume(core: Core, asked: Mapping[str, Any]) -> Steps[Consumed]:
    """Use several features in one decision."""
    return _decide(core, CONSUME, asked)


def reserve(core: Core, asked: Mapping[str, Any]) -> Steps[Consumed]:
    """Set units aside."""
    return _decide(core, RESERVE, asked)


def _decide(core: Core, asked: Any, given: Mapping[str, Any]) -> Steps[Consumed]:
    key = given["idempotencyKey"]
    try:
        answer: Consumed = yield from core.ask(asked, idempotency_key=key, input=given)
    finally:
        # Whatever the outcome, the cached answers may no longer be right.
        for line in given["lines"]:
            core.cache.forget(given["userId"], line["featureId"])
    for decided in answer.lines:
        core.cache.forget(given["userId"], decided.feature_id)
    return replace(answer, idempotency_key=key)


def settle(
    core: Core,
    id: str,
    amounts: Mapping[str, int],
    *,
    final: bool = True,
    idempotency_key: str | None = None,
    metadata: Any = None,
) -> Steps[Consumed]:
    """Say what was really used of a reservation."""
    key = new_key() if idempotency_key is None else idempotency_key
    said: dict[str, Any] = {} if metadata is None else {"metadata": metadata}
    asked = core.ask(SETTLE, idempotency_key=key, id=id, lines=_lines(amounts), final=final, idempotencyKey=key, **said)
    answer = yield from asked
    if answer.reservation is not None:
        _forget(core, answer.reservation)
        for line in answer.lines:
            core.cache.forget(answer.reservation.user_id, line.feature_id)
    return replace(answer, idempotency_key=key)


def release(core: Core, id: str) -> Steps[Reservation]:
    """Let go what a reservation sets aside."""
    # It may be repeated without a key: released again, it is answered as it is.
    gone = yield from core.ask(RELEASE, keyed=True, id=id)
    _forget(core, gone)
    return gone


def extend(core: Core, id: str, ttl: timedelta | int) -> Steps[Reservation]:
    """Give a reservation another end."""
    return core.ask(EXTEND, keyed=True, id=id, ttlSeconds=seconds_of(ttl))


def _forget(core: Core, reservation: Reservation) -> None:
    for line in reservation.lines:
        core.cache.forget(reservation.user_id, line.feature_id)


def amounts_of(units: Mapping[str, Units] | None, features: Mapping[str, Units]) -> dict[str, int]:
    """Return the units of each feature of both.

    Raises:
        InvalidValue: ``units`` is no mapping, both name a feature, or a value is not a whole number.
    """
    return {feature_id: whole(value, feature_id) for feature_id, value in both_of(units, features).items()}


def reserved_of(
    units: Mapping[str, Units | Unbounded] | None, features: Mapping[str, Units | Unbounded]
) -> dict[str, int | Unbounded]:
    """Return how much of each feature of both is to be set aside.

    Raises:
        InvalidValue: as ``amounts_of``.
    """
    asked = both_of(units, features)
    return {name: value if value is UNBOUNDED else whole(value, name) for name, value in asked.items()}


def both_of(mapping: Mapping[str, Any] | None, features: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is said of features in a mapping and by keywords, together.

    Raises:
        InvalidValue: it is no mapping, or both name a feature.
    """
    if mapping is None:
        return dict(features)
    if not isinstance(mapping, Mapping):
        raise InvalidValue(f"units must be a mapping of feature ids to units, got {mapping!r}", field="units")
    for feature_id in features:
        if feature_id in mapping:
            message = f"{feature_id} must be named once, in the mapping or as a keyword, got both"
            raise InvalidValue(message, field=feature_id)
    return {**mapping, **features}


def consume_input(
    user_id: str,
    amounts: Mapping[str, int],
    *,
    idempotency_key: str | None = None,
    dry_run: bool = False,
    timestamp: datetime | None = None,
    metadata: Any = None,
) -> dict[str, Any]:
    """Return the API's input for using several features, with a new idempotency key if none is given.

    Raises:
        InvalidValue: the timestamp has no time zone.
    """
    asked = _input(user_id, amounts, idempotency_key, metadata)
    if dry_run:
        asked["dryRun"] = True
    if timestamp is not None:
        asked["timestamp"] = moment(timestamp, "timestamp")
    return asked


def reserve_input(
    user_id: str,
    amounts: Mapping[str, int | Unbounded],
    ttl: timedelta | int | None,
    idempotency_key: str | None = None,
    metadata: Any = None,
) -> dict[str, Any]:
    """Return the API's input for a reservation, with a new idempotency key if none is given.

    Raises:
        InvalidValue: ``ttl`` is not whole seconds.
    """
    asked = _input(user_id, amounts, idempotency_key, metadata)
    if ttl is not None:
        asked["ttlSeconds"] = seconds_of(ttl)
    return asked


def _input(
    user_id: str, amounts: Mapping[str, int | Unbounded], idempotency_key: str | None, metadata: Any
) -> dict[str, Any]:
    asked: dict[str, Any] = {
        "userId": user_id,
        "lines": _lines(amounts),
        "idempotencyKey": new_key() if idempotency_key is None else idempotency_key,
    }
    if metadata is not None:
        asked["metadata"] = metadata
    return asked


def _lines(amounts: Mapping[str, int | Unbounded]) -> list[dict[str, Any]]:
    return [
        {"featureId": feature_id} | ({"unbounded": True} if units is UNBOUNDED else {"units": units})
        for feature_id, units in amounts.items()
    ]


def seconds_of(ttl: timedelta | int) -> int:
    """Return a time as whole seconds.

    Raises:
        InvalidValue: it is not whole seconds.
    """
    if not isinstance(ttl, timedelta):
        return whole(ttl, "ttl")
    seconds, rest = divmod(ttl, timedelta(seconds=1))
    if rest:
        raise InvalidValue(f"ttl must be whole seconds, got {ttl}", field="ttl")
    return seconds
