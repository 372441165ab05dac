"""The verbs consume, reserve, settle, release and extend: several features in one decision, and units set aside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from kana.engine.ports.clock import Clock
from kana.engine.ports.reservations import OwnedReservation, ReservationStore
from kana.engine.ports.usage import Ledger
from kana.engine.usage.lines import dry_run, place_lines
from kana.engine.usage.recorder import Recorder
from kana.errors import ReservationNotFound, UserNotFound
from kana.model.account import Account
from kana.model.catalog import Catalog
from kana.model.consumed import Consumed
from kana.model.consuming import TTL_DEFAULT, Consume, Extend, Release, Settle, by_hand
from kana.model.deciding import LinePlace
from kana.model.environment import Actor, Environment
from kana.model.grant import CounterKey
from kana.model.line import Line
from kana.model.page import page_size
from kana.model.reservation import Reservation
from kana.model.text import published_number, shown

FIRST_MAX = 1000
"""Most reservations that one call may ask for."""


class Settled(NamedTuple):
    """The present id of a reservation's user, and the answer."""

    user_id: str
    answer: Consumed


class _Placed(tuple[LinePlace, ...]):
    """Lines of one account, and the totals that deciding them needs."""

    __slots__ = ()

    def counters(self) -> list[CounterKey]:
        """Return the totals."""
        return [counter for each in self for counter in each.counters]


class ReservingEngine:
    """Decides several features together: all lines or none, in one durable step, under one idempotency key."""

    def __init__(self, store: ReservationStore, ledger: Ledger, recorder: Recorder, *, clock: Clock) -> None:
        self._store = store
        self._ledger = ledger
        self._recorder = recorder
        self._clock = clock

    async def consume(self, request: Consume) -> Consumed:
        """Use several features at once, or with a ``ttl`` set them aside; return after that is on disk.

        If one line does not fit, none is recorded, and the answer names each that does not. A retry with the same key
        counts once and gets the first answer again.

        Raises:
            UserNotFound, FeatureNotFound: no such id.
            InvalidValue: the timestamp is too far ahead, or before the subscription.
            IdempotencyKeyReused: the key was used before with other content.
            Unavailable, RateLimited: nothing was recorded.
            OutcomeUnknown: retry with the same key.
        """
        answer = await self._recorder.decide(request)
        assert isinstance(answer, Consumed), "lines are answered together"
        return answer

    async def try_out(self, request: Consume) -> Consumed:
        """Return what ``consume`` would answer now, and write nothing. The key plays no part.

        Raises:
            UserNotFound, FeatureNotFound: no such id.
            InvalidValue: the timestamp is too far ahead, or before the subscription.
        """
        now = self._clock()

        def want(account: Account, catalog: Catalog) -> _Placed:
            if request.ttl is not None:  # What one line sets aside, the next ones must see.
                account = replace(account, holds_end=account.holds_end or now)
            return _Placed(place_lines(request.lines, account, catalog, timestamp=request.timestamp, now=now))

        snapshot = await self._ledger.snapshot(
            request.environment, [request.user_id], want, now=now, history=request.timestamp is not None
        )
        if request.user_id not in snapshot.wanted:
            raise UserNotFound(f"User not found: {shown(request.user_id)}")
        user = snapshot.accounts[request.user_id].user
        return dry_run(request, snapshot.wanted[request.user_id], snapshot.used, user, now=now)

    async def reserve(
        self,
        environment: Environment,
        user_id: str,
        lines: Sequence[Line],
        *,
        ttl: timedelta = TTL_DEFAULT,
        key: str | None = None,
        metadata: object = None,
    ) -> Consumed:
        """Set several features aside for 1 second to 24 hours, all or none, as ``consume``."""
        return await self.consume(
            Consume(environment=environment, user_id=user_id, lines=lines, ttl=ttl, key=key, metadata=metadata)
        )

    async def settle(
        self,
        environment: Environment,
        reservation_id: int,
        lines: Sequence[Line],
        *,
        is_final: bool = True,
        key: str | None = None,
        metadata: object = None,
    ) -> Settled:
        """Say what was really used of a reservation, of any feature: what is set aside is used first.

        What is used beyond it is decided like new usage; if that does not fit, nothing is settled, and the answer says
        how much would fit. The last settlement, ``is_final``, lets the rest go. A reservation that has ended, or was
        released, sets nothing aside any more: all is decided like new usage, and the answer says so.

        Raises:
            ReservationNotFound, FeatureNotFound: no such id.
            Conflict: it is settled already.
            IdempotencyKeyReused, Unavailable, RateLimited, OutcomeUnknown: as ``consume``.
        """
        found = await self._store.reservation(environment, reservation_id)
        answer = await self._recorder.decide(
            Settle(
                environment=environment,
                user_id=found.user_id,
                reservation_id=reservation_id,
                lines=lines,
                is_final=is_final,
                key=key,
                metadata=metadata,
            )
        )
        assert isinstance(answer, Consumed), "lines are answered together"
        return Settled(found.user_id, answer)

    async def release(
        self, environment: Environment, reservation_id: int, *, reason: str | None = None, by: Actor | None = None
    ) -> OwnedReservation:
        """Let go all that a reservation sets aside. Released again, or after its end, it is returned as it is.

        ``reason`` and ``by`` are for the ledger, where a colleague does it by hand.

        Raises:
            ReservationNotFound: no such id.
            Conflict: it is settled already.
            Unavailable, RateLimited: nothing was changed.
            OutcomeUnknown: call again.
        """
        said = None if by is None else by_hand(reason or "", by.name)
        found = await self._store.reservation(environment, reservation_id)
        release = Release(environment=environment, user_id=found.user_id, reservation_id=reservation_id, metadata=said)
        return found._replace(reservation=await self._changed(release))

    async def extend(self, environment: Environment, reservation_id: int, *, ttl: timedelta) -> OwnedReservation:
        """Let a reservation end ``ttl`` from now, 1 second to 24 hours, instead of when it would have.

        Raises:
            ReservationNotFound: no such id.
            Conflict: it is over.
            InvalidValue: ``ttl`` is out of bounds.
            Unavailable, RateLimited: nothing was changed.
            OutcomeUnknown: call again.
        """
        found = await self._store.reservation(environment, reservation_id)
        extend = Extend(environment=environment, user_id=found.user_id, reservation_id=reservation_id, ttl=ttl)
        return found._replace(reservation=await self._changed(extend))

    async def _changed(self, request: Release | Extend) -> Reservation:
        answer = await self._recorder.decide(request)
        assert isinstance(answer, Reservation), "that is the answer to a change of one"
        return answer

    async def reservation(self, environment: Environment, reservation_id: int) -> OwnedReservation:
        """Return a reservation, with the present id of its user.

        Raises:
            ReservationNotFound: no such id.
        """
        return await self._store.reservation(environment, reservation_id)

    async def reservations(
        self, environment: Environment, user_id: str, *, first: int = 100, after: int | None = None
    ) -> Sequence[Reservation]:
        """Return the ``first`` reservations of a user, 1 to 1,000, the newest first, before the one with an id.

        Raises:
            UserNotFound: no such id.
            InvalidValue: ``first`` is out of bounds.
        """
        limit = page_size(first, most=FIRST_MAX)
        return await self._store.reservations(environment, user_id, limit=limit, after=after)

    async def open_reservations(
        self, environment: Environment, user_id: str, *, now: datetime, first: int = 100
    ) -> Sequence[Reservation]:
        """Return the ``first`` reservations of a user that are open, 1 to 1,000, the first to end first.

        Raises:
            UserNotFound: no such id.
            InvalidValue: ``first`` is out of bounds.
        """
        limit = page_size(first, most=FIRST_MAX)
        return await self._store.open_reservations(environment, user_id, now=now, limit=limit)


def parse_reservation_id(text: str) -> int:
    """Return the number of a reservation's published id, which is decimal digits.

    Raises:
        ReservationNotFound: it cannot be the id of one.
    """
    return published_number(text, ReservationNotFound, "Reservation")
