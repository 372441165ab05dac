"""The resolvers of decisions over several features, and of reservations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ariadne import MutationType, QueryType

from kana.api.admin.context import Info
from kana.api.admin.inputs import Input, given_id
from kana.engine.ports.reservations import OwnedReservation
from kana.engine.turns import in_turns
from kana.engine.usage.reserving import parse_reservation_id
from kana.errors import InvalidValue
from kana.model.consumed import Consumed, LineAnswer
from kana.model.consuming import TTL_DEFAULT, Consume, ttl_of
from kana.model.entitlement import Consumption, Outcome
from kana.model.line import Line
from kana.model.reservation import HeldLine, Reservation, ReservationStatus
from kana.model.text import counted

query = QueryType()
mutation = MutationType()

FIRST = 100
"""How many reservations a list has by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationView:
    """A reservation as the API returns it, with what has become of it by the moment of the answer."""

    id: str
    user_id: str
    lines: Sequence[HeldLine]
    status: ReservationStatus
    ends_at: datetime
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LineView:
    """What was decided on one line, as the API returns it."""

    feature_id: str
    units: int
    outcome: Outcome
    reason: str | None
    consumption: Consumption | None
    entry_id: str | None
    cost_of: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumedView:
    """The answer to a decision over several features, as the API returns it."""

    granted: bool
    outcome: Outcome
    reason: str | None
    duplicate: bool
    decision_id: str
    reservation: ReservationView | None
    lines: list[LineView]


@query.field("reservations")
async def reservations(
    _root: object, info: Info, *, user_id: str, first: int | None = None, after: str | None = None
) -> list[ReservationView]:
    """Return the reservations of a user, the newest first."""
    engine, user_id = info.context.engine, given_id(user_id, field="userId")
    found = await engine.reserving.reservations(
        info.context.environment,
        user_id,
        first=FIRST if first is None else first,
        after=None if after is None else parse_reservation_id(after),
    )
    now = engine.clock()
    return await in_turns(found, lambda each: _reservation(OwnedReservation(user_id, each), now))


@query.field("reservation")
async def reservation(_root: object, info: Info, *, id: str) -> ReservationView:  # noqa: A002 - as elsewhere
    """Return one reservation."""
    engine = info.context.engine
    found = await engine.reserving.reservation(info.context.environment, parse_reservation_id(id))
    return _reservation(found, engine.clock())


@mutation.field("consume")
async def consume(_root: object, info: Info, *, input: Input) -> ConsumedView:  # noqa: A002 - as elsewhere
    """Use several features in one decision, or only try it out."""
    engine, user_id = info.context.engine, given_id(input["user_id"], field="userId")
    request = Consume(
        environment=info.context.environment,
        user_id=user_id,
        lines=_lines(input["lines"]),
        key=input.get("idempotency_key"),
        timestamp=input.get("timestamp"),
        metadata=input.get("metadata"),
    )
    decide = engine.reserving.try_out if input.get("dry_run") else engine.reserving.consume
    return _consumed(await decide(request), user_id, engine.clock())


@mutation.field("reserve")
async def reserve(_root: object, info: Info, *, input: Input) -> ConsumedView:  # noqa: A002 - as elsewhere
    """Set several features aside."""
    engine, user_id = info.context.engine, given_id(input["user_id"], field="userId")
    seconds = input.get("ttl_seconds")
    answer = await engine.reserving.reserve(
        info.context.environment,
        user_id,
        [_reserved_line(line, f"lines[{number}]") for number, line in enumerate(input["lines"])],
        ttl=TTL_DEFAULT if seconds is None else ttl_of(seconds),
        key=input.get("idempotency_key"),
        metadata=input.get("metadata"),
    )
    return _consumed(answer, user_id, engine.clock())


@mutation.field("settleReservation")
async def settle_reservation(
    _root: object,
    info: Info,
    *,
    id: str,  # noqa: A002 - as elsewhere
    lines: list[Input],
    final: bool | None = True,
    idempotency_key: str | None = None,
    metadata: object = None,
) -> ConsumedView:
    """Say what was really used of a reservation."""
    engine, number = info.context.engine, parse_reservation_id(id)
    owner, answer = await engine.reserving.settle(
        info.context.environment,
        number,
        _lines(lines),
        is_final=final is not False,
        key=idempotency_key,
        metadata=metadata,
    )
    return _consumed(answer, owner, engine.clock())


@mutation.field("releaseReservation")
async def release_reservation(_root: object, info: Info, *, id: str) -> ReservationView:  # noqa: A002 - as elsewhere
    """Let go what a reservation sets aside."""
    engine = info.context.engine
    gone = await engine.reserving.release(info.context.environment, parse_reservation_id(id))
    return _reservation(gone, engine.clock())


@mutation.field("extendReservation")
async def extend_reservation(
    _root: object,
    info: Info,
    *,
    id: str,  # noqa: A002 - as elsewhere
    ttl_seconds: int,
) -> ReservationView:
    """Give a reservation another end."""
    engine = info.context.engine
    moved = await engine.reserving.extend(info.context.environment, parse_reservation_id(id), ttl=ttl_of(ttl_seconds))
    return _reservation(moved, engine.clock())


def _lines(given: Sequence[Input]) -> list[Line]:
    return [
        Line(given_id(line["feature_id"], field=f"lines[{number}].featureId"), line["units"])
        for number, line in enumerate(given)
    ]


def _reserved_line(given: Input, name: str) -> Line:
    """Return a line to set aside.

    Raises:
        InvalidValue: it has neither units nor is unbounded, or both.
    """
    feature_id, units, unbounded = (
        given_id(given["feature_id"], field=f"{name}.featureId"),
        given.get("units"),
        bool(given.get("unbounded")),
    )
    if (units is None) != unbounded:
        got = "neither" if units is None else f"{counted(units, 'unit')} and true"
        raise InvalidValue(f"{name} must have either units or unbounded: true, got {got}", field=f"{name}.units")
    return Line(feature_id, units or 0, unbounded)


def _consumed(answer: Consumed, user_id: str, now: datetime) -> ConsumedView:
    held = answer.reservation
    return ConsumedView(
        granted=answer.granted,
        outcome=answer.outcome,
        reason=answer.reason,
        duplicate=answer.duplicate,
        decision_id="" if answer.decision_id is None else str(answer.decision_id),
        reservation=None if held is None else _reservation(OwnedReservation(user_id, held), now),
        lines=[_line(line) for line in answer.lines],
    )


def _line(line: LineAnswer) -> LineView:
    return LineView(
        feature_id=line.feature_id,
        units=line.units,
        outcome=line.outcome,
        reason=line.reason,
        consumption=line.consumption,
        entry_id=None if line.entry_id is None else str(line.entry_id),
        cost_of=line.cost_of,
    )


def _reservation(found: OwnedReservation, now: datetime) -> ReservationView:
    held: Reservation = found.reservation
    return ReservationView(
        id=str(held.id),
        user_id=found.user_id,
        lines=held.lines if held.status(now) is ReservationStatus.OPEN else held.closed(held.status(now), now).lines,
        status=held.status(now),
        ends_at=held.ends_at,
        created_at=held.created_at,
    )
