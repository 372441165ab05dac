"""Deciding several lines together: used or set aside at once, settled, or let go, all of them or none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from kana.model.entitlement import (
    ALLOWED_CONSUMABLE,
    DENIED,
    Consumption,
    Decision,
    Outcome,
    Place,
    Standing,
    credit_refusal,
)
from kana.model.grant import CounterKey, Posting
from kana.model.line import DecisionLine, HoldStep, Line
from kana.model.reservation import HeldLine, Reservation, ReservationStatus
from kana.model.text import counted
from kana.model.usage import Action, Entry, posted
from kana.model.user import UserRef
from kana.model.value import value_object

OTHER_LINE_REFUSED = "It would fit, but another line of the same decision does not, so none is recorded."


NO_AMOUNT = "There is a limit, and overage is not enabled, so it must be said how many units it may take at most."


class LinePlace(NamedTuple):
    """A line, and what answers for its feature; None if nothing does.

    ``left`` is what is still set aside for it, which is used first. ``cost_of`` is the feature that costs these units,
    and ``rate`` how many of them one unit of it costs.
    """

    line: Line
    place: Place | None
    left: tuple[Posting, ...] = ()
    cost_of: str | None = None
    rate: int | None = None

    @property
    def counters(self) -> list[CounterKey]:
        """Every total that deciding it needs."""
        held = [each for counter, _ in self.left for each in (counter, counter.held)]
        return held if self.place is None else [*held, *self.place.counters]


@value_object(kw_only=True)
class DecisionTerms:
    """What all entries of a decision have in common. ``step=None`` uses the units at once.

    ``is_final`` lets go what is set aside and not used; None of what is no settlement.
    """

    user: UserRef
    now: datetime
    step: HoldStep | None = None
    is_final: bool | None = None
    key: bytes | None = None
    timestamp: datetime | None = None
    metadata: object = None
    reservation_id: int | None = None


class Judged(NamedTuple):
    """A line with its decision: what it moves in which counters, and what stays set aside for it."""

    asked: LinePlace
    decision: Decision
    counter: CounterKey | None = None
    moved: tuple[Posting, ...] = ()
    left: tuple[Posting, ...] = ()

    @property
    def begins(self) -> datetime | None:
        """When what answers began."""
        return None if self.asked.place is None else self.asked.place.entitlement.begins

    @property
    def change(self) -> int:
        """By how much what is used changes."""
        return sum(part for counter, part in self.moved if not counter.is_held)


def judge(asked: Sequence[LinePlace], used: Mapping[CounterKey, int], terms: DecisionTerms) -> list[Judged]:
    """Return each line with its decision on what those before it leave. If one is refused, none moves anything."""
    so_far = {counter: used.get(counter, 0) for each in asked for counter in each.counters}
    judged = [_judge(each, so_far, terms) for each in asked]
    if all(each.decision.access for each in judged):
        return judged
    costs = {each.asked.cost_of: each for each in judged if not each.decision.access and each.asked.cost_of}
    return [_withheld(each, costs.get(each.asked.line.feature_id), used) for each in judged]


def _judge(asked: LinePlace, so_far: MutableMapping[CounterKey, int], terms: DecisionTerms) -> Judged:
    from_hold, left = _split(asked.left, asked.line.units)
    if terms.is_final:
        left = _emptied(left)
    moved = (*(each for each in from_hold if each.change), *_let_go(asked.left, left))
    _move(so_far, moved)
    units = asked.line.units - sum(part for _, part in from_hold)
    if not units and asked.left:
        decision = Decision(Outcome.RECORDED, ALLOWED_CONSUMABLE, _consumption(asked.place, so_far))
        return Judged(asked, decision, asked.left[0].counter, moved, left)
    return _taken(Judged(asked, DENIED, None, moved, left), units, so_far, terms)


def _taken(so: Judged, units: int, so_far: MutableMapping[CounterKey, int], terms: DecisionTerms) -> Judged:
    """Return a line with the decision on units that are not set aside for it."""
    place, is_hold = so.asked.place, terms.step is HoldStep.RESERVED
    if place is None:
        return so
    standing = place.standing(so_far)
    decision = _unbounded(standing) if so.asked.line.unbounded else standing.decide(units, moves=not is_hold)
    counter, split = posted(standing, units if decision.access else 0)
    if not decision.access:
        return so._replace(decision=_saying_what_fits(decision, so, standing.room), counter=counter)
    taken = split or (Posting(counter, units),)
    moved = tuple(Posting(each.held, part) for each, part in taken if part) if is_hold else taken
    _move(so_far, moved)
    counter = so.asked.left[0].counter if so.asked.left else counter
    return so._replace(
        decision=decision, counter=counter, moved=(*so.moved, *moved), left=taken if is_hold else so.left
    )


def _unbounded(standing: Standing) -> Decision:
    """Return whether any amount fits: only if nothing prevents more, since an amount is never guessed."""
    one = standing.decide(1)
    if not one.access or standing.room is None:
        return one
    return Decision(Outcome.LIMIT_EXCEEDED, NO_AMOUNT, one.consumption)


def _saying_what_fits(decision: Decision, so: Judged, room: int | None) -> Decision:
    """Say how many units would fit, where some are set aside for them."""
    if not so.asked.left or room is None:
        return decision
    fits = so.change + room
    return replace(decision, reason=f"{decision.reason} Of {counted(so.asked.line.units, 'unit')}, {fits:,} would fit.")


def _withheld(judged: Judged, cost: Judged | None, used: Mapping[CounterKey, int]) -> Judged:
    """Return a line that moves nothing: with its own refusal, that of what it costs, or for another line's sake."""
    left, counter = judged.asked.left, judged.counter
    consumption = _consumption(judged.asked.place, used)
    if not judged.decision.access:
        return judged._replace(decision=replace(judged.decision, consumption=consumption), moved=(), left=left)
    if cost is None:
        decision = Decision(Outcome.OTHER_LINE_REFUSED, OTHER_LINE_REFUSED, consumption)
    else:
        decision = credit_refusal(cost.asked.line.feature_id, cost.decision, consumption)
    return Judged(judged.asked, decision, counter, (), left)


def _consumption(place: Place | None, used: Mapping[CounterKey, int]) -> Consumption | None:
    if place is None:
        return None
    standing = place.standing(used)
    return standing.entitlement.consumption(standing.used)


def _split(left: Sequence[Posting], units: int) -> tuple[tuple[Posting, ...], tuple[Posting, ...]]:
    """Return so many of the units that are set aside, the first ones first, and the rest of them; some may be 0."""
    taken, rest = [], []
    for counter, part in left:
        take = min(part, units)
        units -= take
        taken.append(Posting(counter, take))
        rest.append(Posting(counter, part - take))
    return tuple(taken), tuple(rest)


def _emptied(left: Iterable[Posting]) -> tuple[Posting, ...]:
    """Return what was set aside with nothing left of it. It says where the line counts."""
    return tuple(Posting(counter, 0) for counter, _ in left)


def _let_go(before: Sequence[Posting], after: Sequence[Posting]) -> list[Posting]:
    """Return by how much less is set aside."""
    pairs = zip(before, after, strict=True)
    return [Posting(old.counter.held, new.change - old.change) for old, new in pairs if new.change != old.change]


def _move(so_far: MutableMapping[CounterKey, int], moved: Iterable[Posting]) -> None:
    for counter, change in moved:
        so_far[counter] = so_far.get(counter, 0) + change


def entries_of(judged: Sequence[Judged], terms: DecisionTerms, next_id: Callable[[], int]) -> list[Entry]:
    """Return an entry for each line; the first has the caller's key."""
    ids = [next_id() for _ in judged]
    return [
        _entry(each, terms, ids[0], entry_id=entry_id, size=len(ids))
        for each, entry_id in zip(judged, ids, strict=True)
    ]


def _entry(judged: Judged, terms: DecisionTerms, decision_id: int, *, entry_id: int, size: int) -> Entry:
    decision, asked, user = judged.decision, judged.asked, terms.user
    now = terms.now if judged.begins is None else max(terms.now, judged.begins)
    change, simple = judged.change, (Posting(judged.counter, judged.change),) if judged.counter else ()
    return Entry(
        id=entry_id,
        environment=user.environment,
        bucket=user.bucket,
        user_key=user.key,
        feature_id=asked.line.feature_id,
        action=Action.ADD,
        delta=asked.line.units,
        outcome=decision.outcome,
        reason=None if decision.access else decision.reason,
        change=change,
        counter=judged.counter,
        consumption=decision.consumption,
        key=terms.key if entry_id == decision_id else None,
        timestamp=terms.timestamp,
        metadata=terms.metadata if asked.cost_of is None else None,
        occurred_at=terms.timestamp or now,
        recorded_at=now,
        split=() if judged.moved == simple else judged.moved,
        line=DecisionLine(
            decision_id=decision_id,
            size=size,
            step=terms.step,
            reservation_id=terms.reservation_id,
            cost_of=asked.cost_of,
            is_final=terms.is_final,
        ),
    )


def reserved(judged: Sequence[Judged], terms: DecisionTerms, *, reservation_id: int, ends_at: datetime) -> Reservation:
    """Return the reservation of lines that were set aside."""
    return Reservation(
        id=reservation_id,
        environment=terms.user.environment,
        bucket=terms.user.bucket,
        user_key=terms.user.key,
        lines=tuple(
            HeldLine(
                feature_id=each.asked.line.feature_id,
                units=each.asked.line.units,
                left=each.left,
                cost_of=each.asked.cost_of,
                rate=each.asked.rate,
            )
            for each in judged
        ),
        created_at=terms.now,
        ends_at=ends_at,
    )


def settled(reservation: Reservation, judged: Sequence[Judged], terms: DecisionTerms) -> Reservation:
    """Return a reservation after some of its units were used; after the last time nothing is set aside."""
    by_line = {(each.asked.line.feature_id, each.asked.cost_of): each for each in judged}
    lines = tuple(_settled(each, by_line.get((each.feature_id, each.cost_of))) for each in reservation.lines)
    after = replace(reservation, lines=lines)
    return after.closed(ReservationStatus.SETTLED, terms.now) if terms.is_final else after


def _settled(line: HeldLine, judged: Judged | None) -> HeldLine:
    return line if judged is None else replace(line, settled=line.settled + judged.change, left=judged.left)


def let_go(lines: Iterable[HeldLine]) -> list[Judged]:
    """Return what moves when lines are let go: where units are set aside, or any amount is and none was settled."""
    return [
        Judged(
            LinePlace(Line(each.feature_id, each.held), None, each.left, each.cost_of),
            Decision(Outcome.RECORDED, ALLOWED_CONSUMABLE),
            each.left[0].counter,
            tuple(_let_go(each.left, _emptied(each.left))),
            _emptied(each.left),
        )
        for each in lines
        if each.held or (each.unbounded and not each.settled)
    ]
