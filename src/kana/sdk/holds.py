"""Units that are set aside for the time of a ``with`` block, and streams that are counted as they pass."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any, Final, NamedTuple, Self, TypeVar

from kana.errors import BadInput, Conflict, InvalidValue, KanaError
from kana.sdk.consuming import (
    Consumed,
    Reservation,
    ReservationStatus,
    amounts_of,
    both_of,
    extend,
    release,
    reserve,
    settle,
)
from kana.sdk.conversation import Steps
from kana.sdk.driver import AsyncDriver, SyncDriver
from kana.sdk.errors import UsageRefused
from kana.sdk.operation import Core, D, Group, operation
from kana.sdk.wire import Units, whole

C = TypeVar("C")

_PARTS: Final = 16
"""How many settlements a stream of what is set aside takes, or so."""


class _Concluded(NamedTuple):
    """The answer to the last settlement, and what was used but is not recorded because it did not fit."""

    answer: Consumed
    unsettled: dict[str, int]


class _Meter:
    """Counts what passes in a stream, and says when to settle: every so many units, twice as many after 16 times."""

    def __init__(self, counts: Mapping[str, Callable[[Any], Units]], steps: Mapping[str, int]) -> None:
        self._counts = counts
        self._steps = steps
        self._parts = 0

    def count(self, chunk: object) -> dict[str, int]:
        """Return the units of each feature in one chunk."""
        return {feature_id: whole(count(chunk), feature_id) for feature_id, count in self._counts.items()}

    def is_due(self, waiting: Mapping[str, int]) -> bool:
        """Return whether so much waits that it is to be settled now."""
        factor = 1 << (self._parts // _PARTS)
        is_due = any(waiting[feature_id] >= step * factor for feature_id, step in self._steps.items())
        self._parts += is_due
        return is_due


class _Holding(Group[D]):
    """What both kinds of ``with`` block do."""

    def __init__(self, core: Core, driver: D, asked: Mapping[str, Any]) -> None:
        super().__init__(core, driver)
        self._asked = asked
        self._found: Reservation | None = None
        self._named: set[str] = set()
        self._waiting: dict[str, int] = {}
        self._refusal: Consumed | None = None
        self._is_unsure = False
        self._is_over = False

    @property
    def reservation(self) -> Reservation:
        """What is set aside, as the last answer has it.

        Raises:
            Conflict: the block was not entered.
        """
        if self._found is None:
            raise Conflict("nothing is set aside yet: use `with kana.reserve(...) as hold`")
        return self._found

    @property
    def id(self) -> str:
        """The id of the reservation."""
        return self.reservation.id

    @operation
    def settle(
        self,
        units: Mapping[str, Units] | None = None,
        /,
        *,
        final: bool = True,
        idempotency_key: str | None = None,
        metadata: Any = None,
        **features: Units,
    ) -> Steps[Consumed]:
        """Say what was really used, 0 units or more of any feature, and let the rest go.

        A feature that was set aside and is never named counts as it was set aside; name it with 0 to let it go. One
        that is unbounded must be named by then. With ``final=False`` only what is named is settled, and the rest stays
        set aside. What is used beyond is decided like new usage: if it does not fit, nothing is settled, ``granted`` is
        False, and the reservation stands. After its end all is decided like new usage, and the answer ``was_over``.

        Raises:
            FeatureNotFound: there is no such feature.
            Conflict: it is settled already.
            InvalidValue: a value is not allowed; the message names it.
            OutcomeUnknown: it may be settled; call again with the exception's idempotency_key.
        """
        said = amounts_of(units, features)
        if final:
            self._check_named(said)
        return self._say(
            {**self._rest(), **said} if final else said, final=final, idempotency_key=idempotency_key, metadata=metadata
        )

    @operation
    def release(self) -> Steps[Reservation]:
        """Let go all that is still set aside. What was settled stays used.

        Raises:
            Conflict: it is settled already.
            OutcomeUnknown: the answer was lost; it is safe to call again.
        """
        return self._release()

    @operation
    def extend(self, ttl: timedelta | int) -> Steps[Reservation]:
        """Let it end ``ttl`` from now, 1 second to 24 hours, a timedelta or whole seconds.

        Raises:
            Conflict: it is over.
            InvalidValue: ``ttl`` is not whole seconds, or out of bounds.
            OutcomeUnknown: the answer was lost; it is safe to call again.
        """
        return self._extend(ttl)

    def _begin(self) -> Steps[None]:
        if self._found is not None:
            raise Conflict(f"Reservation {self.id} was entered already: call reserve again")
        answer = yield from reserve(self._core, self._asked)
        if not answer.granted or answer.reservation is None:
            raise UsageRefused(answer)
        if answer.reservation.status is not ReservationStatus.OPEN:
            found = answer.reservation
            raise Conflict(f"Reservation {found.id} of this idempotency key is {found.status.lower()}")
        self._found = answer.reservation

    def _say(
        self, amounts: Mapping[str, int], *, final: bool, idempotency_key: str | None = None, metadata: Any = None
    ) -> Steps[Consumed]:
        try:
            answer = yield from settle(
                self._core, self.id, amounts, final=final, idempotency_key=idempotency_key, metadata=metadata
            )
        except BadInput:
            raise
        except KanaError:
            self._is_unsure = True
            raise
        self._found = answer.reservation or self._found
        self._is_unsure = False
        self._refusal = None if answer.granted else answer
        if answer.granted:
            self._named.update(amounts)
            self._waiting = {**self._waiting, **{name: 0 for name in amounts if name in self._waiting}}
            self._is_over = self._is_over or final
        return answer

    def _release(self) -> Steps[Reservation]:
        self._found = yield from release(self._core, self.id)
        self._is_over = True
        return self._found

    def _extend(self, ttl: timedelta | int) -> Steps[Reservation]:
        self._found = yield from extend(self._core, self.id, ttl)
        return self._found

    def _held(self) -> dict[str, int]:
        return {line.feature_id: line.held for line in self.reservation.lines if line.cost_of is None}

    def _rest(self) -> dict[str, int]:
        """Return what the last settlement counts where nothing else is said."""
        held = {name: 0 if name in self._named else units for name, units in self._held().items()}
        return {**held, **self._waiting}

    def _unsaid(self, named: Iterable[str] = ()) -> list[str]:
        """Return the features without an amount of which nobody has said how much was used, nor does now."""
        said = {*self._named, *self._waiting, *named}
        lines = self.reservation.lines
        return [
            each.feature_id for each in lines if each.unbounded and each.cost_of is None and each.feature_id not in said
        ]

    def _check_named(self, named: Iterable[str]) -> None:
        if unsaid := self._unsaid(named):
            message = f"{', '.join(unsaid)} must be named: it was set aside without an amount; 0 if none was used"
            raise InvalidValue(message, field=unsaid[0])

    def _conclude(self) -> Steps[_Concluded]:
        """Settle for the last time: all that was used, or else as much of it as is still set aside."""
        rest = self._rest()
        answer = yield from self._say(rest, final=True)
        return _Concluded(answer, {}) if answer.granted else (yield from self._cut(answer, rest))

    def _cut(self, refusal: Consumed, used: Mapping[str, int]) -> Steps[_Concluded]:
        held = self._held()
        fits = {name: min(units, held.get(name, 0)) for name, units in used.items()}
        yield from self._say(fits, final=True)
        self._is_over = True
        left = {name: units - fits[name] for name, units in used.items() if units > fits[name]}
        return _Concluded(refusal, left)

    def _leave(self, error: BaseException | None) -> Steps[str | None]:
        """End the reservation, if it is not over, and return what to warn of."""
        if self._is_over:
            return None
        if error is not None:
            yield from self._give_up(error)
            return None
        if self._is_unsure:
            return f"Reservation {self.id}: nobody knows whether it is settled. {self._stands()}"
        was_refused, said_nothing = self._refusal, not self._named and not self._waiting
        unsaid = self._unsaid()
        concluded = yield from self._conclude()
        if not concluded.answer.granted:
            return f"Reservation {self.id}: not all that was used is recorded. {concluded.answer.reason}"
        if was_refused is not None:
            return f"Reservation {self.id}: settled as it was reserved, since its settlement was refused."
        if unsaid:
            return f"Reservation {self.id}: nobody said how much of {', '.join(unsaid)} was used, so none is counted."
        return f"Reservation {self.id} was not settled: it counts as it was reserved." if said_nothing else None

    def _give_up(self, error: BaseException) -> Steps[None]:
        if self._is_unsure:
            error.add_note(self._stands())
            return
        try:
            if any(self._waiting.values()):
                yield from self._conclude()
            else:
                yield from self._release()
        except KanaError as second:
            error.add_note(f"{self._stands()} {second.message}")

    def _stands(self) -> str:
        return f"Reservation {self.id} may stand until {self.reservation.ends_at.isoformat()}, unless it is settled."

    def _meter(
        self,
        counts: Mapping[str, Callable[[Any], Units]] | None,
        features: Mapping[str, Callable[[Any], Units]],
        every: Units | None,
    ) -> _Meter:
        if self._is_over:
            raise Conflict(f"Reservation {self.id} is over: nothing can be streamed on it")
        named, held = both_of(counts, features), self._held()
        self._check_named(named)
        step = None if every is None else max(1, whole(every, "every"))
        self._waiting.update(dict.fromkeys(named, 0))
        return _Meter(named, {name: step or -(-held.get(name, 0) // _PARTS) or 1 for name in named})

    def _pass(self, chunk: object, meter: _Meter) -> Steps[None]:
        for name, units in meter.count(chunk).items():
            self._waiting[name] += units
        if not meter.is_due(self._waiting):
            return
        used = {name: units for name, units in self._rest().items() if units}
        answer = yield from self._say(used, final=False)
        if not answer.granted:
            raise _refused(*(yield from self._cut(answer, used)))

    def _finish(self) -> Steps[None]:
        concluded = yield from self._conclude()
        if not concluded.answer.granted:
            raise _refused(*concluded)


def _refused(answer: Consumed, unsettled: Mapping[str, int]) -> UsageRefused:
    return UsageRefused(answer, unsettled=unsettled)


class Hold(_Holding[SyncDriver]):
    """Units that are set aside from the beginning to the end of a ``with`` block. See ``KanaAdmin.reserve``."""

    def stream(
        self,
        chunks: Iterable[C],
        counts: Mapping[str, Callable[[C], Units]] | None = None,
        /,
        *,
        every: Units | None = None,
        **features: Callable[[C], Units],
    ) -> Iterator[C]:
        """Pass chunks on, and settle what they use: ``hold.stream(chunks, tokens=count)``.

        Each feature has a function that returns the units of one chunk. They are settled in parts as they pass, about
        ``every`` so many units, by default a sixteenth of what is set aside; after each 16 parts every part is twice as
        large. At the end the rest is let go; features that it does not count are settled as they were set aside.

        Raises:
            UsageRefused: the limit is reached, and the chunk that passes it is not passed on. As much as was set aside
                is settled; ``unsettled`` is what was used beyond.
            Conflict: the reservation is over.
            OutcomeUnknown: a part may be settled.
        """
        return self._streamed(chunks, self._meter(counts, features, every))

    def _streamed(self, chunks: Iterable[C], meter: _Meter) -> Iterator[C]:
        for chunk in chunks:
            self._driver.run(self._pass(chunk, meter))
            yield chunk
        self._driver.run(self._finish())

    def __enter__(self) -> Self:
        self._driver.run(self._begin())
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if message := self._driver.run(self._leave(error)):
            warnings.warn(message, stacklevel=2)


class AsyncHold(_Holding[AsyncDriver]):
    """Units that are set aside from the beginning to the end of an ``async with`` block. Its methods are awaited."""

    def stream(
        self,
        chunks: AsyncIterable[C],
        counts: Mapping[str, Callable[[C], Units]] | None = None,
        /,
        *,
        every: Units | None = None,
        **features: Callable[[C], Units],
    ) -> AsyncIterator[C]:
        """Pass chunks on in an ``async for`` loop, and settle what they use, as ``Hold.stream`` does."""
        return self._streamed(chunks, self._meter(counts, features, every))

    async def _streamed(self, chunks: AsyncIterable[C], meter: _Meter) -> AsyncIterator[C]:
        async for chunk in chunks:
            await self._driver.run(self._pass(chunk, meter))
            yield chunk
        await self._driver.run(self._finish())

    async def __aenter__(self) -> Self:
        await self._driver.run(self._begin())
        return self

    async def __aexit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if message := await self._driver.run(self._leave(error)):
            warnings.warn(message, stacklevel=2)
