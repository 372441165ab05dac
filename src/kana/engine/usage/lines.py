"""Placing and deciding what is about several lines: consuming, reserving, settling, releasing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import count
from typing import NamedTuple

from kana.errors import Conflict, IdempotencyKeyReused, InvalidValue
from kana.model.account import Account
from kana.model.catalog import Catalog
from kana.model.consumed import Consumed, answer_of, tried
from kana.model.consuming import Consume, Extend, Release, Settle
from kana.model.deciding import DecisionTerms, LinePlace, entries_of, judge, let_go, reserved, settled
from kana.model.entitlement import Credit, Place
from kana.model.grant import CounterKey
from kana.model.line import LETS_GO, DecisionLine, HoldStep, Line
from kana.model.placing import place_now, place_then
from kana.model.reservation import HeldLine, Reservation, ReservationStatus
from kana.model.text import shown
from kana.model.usage import Entry, Usage, as_json, check_time
from kana.model.user import UserRef

_OVER = frozenset({ReservationStatus.RELEASED, ReservationStatus.ENDED})


class Decided(NamedTuple):
    """What deciding leads to: entries, a reservation that is new or has changed, and the answer."""

    entries: Sequence[Entry]
    reservation: Reservation | None
    answer: Consumed | Reservation


class Undecided(NamedTuple):
    """Lines that wait to be decided, and the totals that this needs."""

    counters: Iterable[CounterKey]
    decide: Callable[[Mapping[CounterKey, int], Callable[[], int]], Decided]


def place_lines(
    lines: Sequence[Line], account: Account, catalog: Catalog, *, timestamp: datetime | None, now: datetime
) -> list[LinePlace]:
    """Return what answers for each line now, or at its timestamp, and after it what it costs.

    Raises:
        FeatureNotFound: a line names a feature that does not exist.
        InvalidValue: the timestamp is too far ahead, or before the subscription.
    """
    if timestamp is not None:
        check_time(timestamp, account, now=now)
    where = _Where(account, catalog, timestamp, now)
    return [each for line in lines for each in where.with_cost(line)]


class _Where(NamedTuple):
    """What lines are placed by."""

    account: Account
    catalog: Catalog
    timestamp: datetime | None
    now: datetime

    def with_cost(self, line: Line) -> list[LinePlace]:
        """Return what answers for a line, and what answers for what it costs."""
        found = self.by_itself(line)
        credit = None if found.place is None else found.place.credit
        return [found] if credit is None else [found, costs(line, credit)]

    def by_itself(self, line: Line) -> LinePlace:
        """Return what answers for a line."""
        feature = self.catalog.feature(line.feature_id)
        if self.timestamp is None:
            return LinePlace(line, place_now(self.account, self.catalog, feature, now=self.now))
        return LinePlace(line, place_then(self.account, self.catalog, feature, moment=self.timestamp, now=self.now))


def costs(line: Line, credit: Credit) -> LinePlace:
    """Return what a line costs."""
    cost = Line(credit.feature_id, line.units * credit.rate, line.unbounded)
    return LinePlace(cost, credit.place, cost_of=line.feature_id, rate=credit.rate)


def consuming(request: Consume, account: Account, catalog: Catalog, *, now: datetime, reservation_id: int) -> Undecided:
    """Return the lines of a call that uses them or sets them aside, ready to be decided.

    Raises:
        FeatureNotFound, InvalidValue: as ``place_lines``.
    """
    asked = place_lines(request.lines, account, catalog, timestamp=request.timestamp, now=now)
    terms = DecisionTerms(
        user=account.user,
        now=now,
        step=None if request.ttl is None else HoldStep.RESERVED,
        key=request.key_digest,
        timestamp=request.timestamp,
        metadata=request.metadata,
    )

    def decide(used: Mapping[CounterKey, int], next_id: Callable[[], int]) -> Decided:
        judged = judge(asked, used, terms)
        made = None
        if request.ttl is not None and judged[0].decision.access:
            made = reserved(judged, terms, reservation_id=reservation_id, ends_at=now + request.ttl)
        entries = entries_of(judged, replace(terms, reservation_id=None if made is None else made.id), next_id)
        return Decided(entries, made, answer_of(entries, made))

    return Undecided([counter for each in asked for counter in each.counters], decide)


def dry_run(
    request: Consume, asked: Sequence[LinePlace], used: Mapping[CounterKey, int], user: UserRef, *, now: datetime
) -> Consumed:
    """Return what would be decided on lines that were placed; nothing of it is written."""
    terms = DecisionTerms(user=user, now=now, step=HoldStep.RESERVED if request.ttl is not None else None)
    return tried(answer_of(entries_of(judge(asked, used, terms), terms, count(1).__next__), None))


def using(usage: Usage, place: Place, credit: Credit, user: UserRef, *, now: datetime) -> Undecided:
    """Return a usage of a feature that costs a credit, with what it costs, ready to be decided."""
    terms = DecisionTerms(user=user, now=now, key=usage.key_digest, timestamp=usage.timestamp, metadata=usage.metadata)

    def decide(used: Mapping[CounterKey, int], next_id: Callable[[], int]) -> Decided:
        line = Line(usage.feature_id, usage.change_of(place.standing(used).used))
        first, *rest = entries_of(judge([LinePlace(line, place), costs(line, credit)], used, terms), terms, next_id)
        entries = [replace(first, action=usage.action, delta=usage.delta), *rest]
        return Decided(entries, None, answer_of(entries, None))

    return Undecided(place.counters, decide)


def settling(
    request: Settle, reservation: Reservation, account: Account, catalog: Catalog, *, now: datetime
) -> Undecided:
    """Return the lines that are settled, ready to be decided: what is set aside is used first.

    What is settled of a reservation that is over is decided like new usage.

    Raises:
        FeatureNotFound: a line names a feature that does not exist.
        Conflict: the reservation is settled already.
        InvalidValue: the last settlement does not name what was set aside without an amount.
    """
    status = reservation.status(now)
    if status is ReservationStatus.SETTLED:
        raise Conflict(f"reservation '{reservation.id}' is settled already: nothing of it is set aside any more")
    if request.is_final:
        _check_named(request, reservation)
    where = _Where(account, catalog, None, now)
    is_late = status in _OVER
    asked = [each for line in request.lines for each in _settled_line(line, reservation, where, is_late=is_late)]
    terms = DecisionTerms(
        user=account.user,
        now=now,
        step=None if is_late else HoldStep.SETTLED,
        is_final=request.is_final,
        key=request.key_digest,
        metadata=request.metadata,
        reservation_id=reservation.id,
    )
    named = {(each.line.feature_id, each.cost_of) for each in asked}
    others = [each for each in reservation.lines if (each.feature_id, each.cost_of) not in named]

    def decide(used: Mapping[CounterKey, int], next_id: Callable[[], int]) -> Decided:
        judged = judge(asked, used, terms)
        entries = entries_of(judged, terms, next_id)
        after = None
        if judged[0].decision.access and not is_late:
            after = settled(reservation, judged, terms)
            if terms.is_final:
                entries = _with_released(entries, others, terms, next_id)
        return Decided(entries, after, answer_of(entries, after or reservation))

    counters = [counter for each in asked for counter in each.counters]
    return Undecided([*counters, *reservation.counters], decide)


def _check_named(request: Settle, reservation: Reservation) -> None:
    """Refuse to end what was set aside without an amount as long as nobody says how much it was."""
    named = {line.feature_id for line in request.lines}
    missing = [shown(each) for each in reservation.unbounded if each not in named]
    if missing:
        names = ", ".join(missing)
        message = f"lines must name {names}, which was set aside without an amount; 0 units if none were used"
        raise InvalidValue(message, field="lines")


def _settled_line(line: Line, reservation: Reservation, where: _Where, *, is_late: bool) -> list[LinePlace]:
    held = None if is_late else reservation.line(line.feature_id)
    if held is None:
        return where.with_cost(line)
    paying = [
        where.by_itself(Line(each.feature_id, line.units * each.rate))._replace(
            left=each.left, cost_of=line.feature_id, rate=each.rate
        )
        for each in reservation.lines
        if each.cost_of == line.feature_id and each.rate is not None
    ]
    return [where.by_itself(line)._replace(left=held.left), *paying]


def _with_released(
    entries: Sequence[Entry], others: Sequence[HeldLine], terms: DecisionTerms, next_id: Callable[[], int]
) -> list[Entry]:
    """Return the entries of a last settlement with those of what it does not name, which is let go."""
    rest = entries_of(let_go(others), replace(terms, step=HoldStep.RELEASED, key=None, is_final=None), next_id)
    return [*entries, *rest]


def closing(reservation: Reservation, request: Release | None, user: UserRef, *, now: datetime) -> Undecided:
    """Return what lets go of all that a reservation sets aside, ready to be decided; without a request it has ended.

    What was released before stays so.

    Raises:
        Conflict: the reservation is settled already.
    """
    status = reservation.status(now)
    if request is not None and status is ReservationStatus.SETTLED:
        raise Conflict(f"reservation '{reservation.id}' is settled already: nothing of it is set aside any more")
    step = HoldStep.ENDED if request is None else HoldStep.RELEASED
    terms = DecisionTerms(
        user=user,
        now=now,
        step=step,
        metadata=None if request is None else request.metadata,
        reservation_id=reservation.id,
    )

    def decide(_used: Mapping[CounterKey, int], next_id: Callable[[], int]) -> Decided:
        if reservation.closed_as is not None:
            return Decided((), None, reservation)
        after = reservation.closed(ReservationStatus[step.value], now)
        return Decided(entries_of(let_go(reservation.lines), terms, next_id), after, after)

    return Undecided(reservation.counters, decide)


def extending(request: Extend, reservation: Reservation, *, now: datetime) -> Undecided:
    """Return what gives a reservation another end, ready to be decided.

    Raises:
        Conflict: it is over.
    """
    status = reservation.status(now)
    if status is not ReservationStatus.OPEN:
        raise Conflict(f"reservation '{reservation.id}' is {status.lower()}: only an open one can be extended")
    after = replace(reservation, ends_at=now + request.ttl)
    return Undecided((), lambda _used, _next_id: Decided((), after, after))


def answer_again(entries: Sequence[Entry], request: Consume | Settle, reservation: Reservation | None) -> Consumed:
    """Return the first answer to a key.

    Raises:
        IdempotencyKeyReused: the content differs.
    """
    check_same(request.key, list(_differing(entries, request)))
    return answer_of(entries, reservation, duplicate=True)


def check_same(key: str | None, differing: Sequence[str]) -> None:
    """Refuse a key that was used before with other content.

    Raises:
        IdempotencyKeyReused: some fields differ.
    """
    if differing:
        raise IdempotencyKeyReused(
            f"idempotencyKey {shown(key)} was used before with other content: {', '.join(differing)}"
            " differ; nothing was recorded"
        )


def _differing(entries: Sequence[Entry], request: Consume | Settle) -> Iterator[str]:
    first = entries[0]
    if first.line is None or _kind_of(first.line) != _kind_of_request(request):
        yield "the calls"
        return
    said = [
        (entry.feature_id, entry.delta)
        for entry in entries
        if entry.line is not None and entry.line.cost_of is None and entry.line.step not in LETS_GO
    ]
    pairs = (
        ("lines", said, [(line.feature_id, line.units) for line in request.lines]),
        ("timestamp", first.timestamp, request.timestamp),
        ("metadata", as_json(first.metadata), as_json(request.metadata)),
    )
    yield from (name for name, mine, theirs in pairs if mine != theirs)
    if isinstance(request, Settle):
        if first.line.reservation_id != request.reservation_id:
            yield "id"
        if first.line.is_final is (not request.is_final):
            yield "final"


def _kind_of(line: DecisionLine) -> str:
    if line.step is HoldStep.RESERVED:
        return "reserve"
    return "consume" if line.reservation_id is None else "settle"


def _kind_of_request(request: Consume | Settle) -> str:
    if isinstance(request, Settle):
        return "settle"
    return "consume" if request.ttl is None else "reserve"
