"""Receives what Segment sends: each message is stored as it came, and processed once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from kana.engine.ids import IdMaker
from kana.engine.ports.clock import Clock, Meter
from kana.engine.ports.segment import SegmentStore
from kana.engine.ports.users import AccountStore
from kana.engine.usage.usage import UsageEngine
from kana.errors import (
    BadInput,
    Conflict,
    IdempotencyKeyReused,
    InvalidValue,
    KanaError,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Unavailable,
    UserNotFound,
)
from kana.model.environment import Environment, bucket_of
from kana.model.segment import (
    EventStatus,
    Identity,
    MappingRule,
    Message,
    MessageType,
    SegmentEvent,
    identity_of,
    is_import,
    received,
    same_person,
    tried_again,
)
from kana.model.text import new_identifier, shown
from kana.model.usage import Receipt
from kana.model.user import User

WAITING_MAX = 1000
"""How many events that wait for a user are recorded when they are identified; others follow within the hour."""

TOGETHER_MAX = 100
"""Most messages that one transaction stores or settles, so that a record does not wait for more."""

_TRIES = 5
_SAME_EMAIL_MAX = 100
_Value = TypeVar("_Value")
_LATER = (RateLimited, Unavailable, OutcomeUnknown)


class SegmentEngine:
    """Receives messages and processes them."""

    def __init__(
        self,
        store: SegmentStore,
        users: AccountStore,
        usage: UsageEngine,
        *,
        clock: Clock,
        ids: IdMaker,
        meter: Meter,
        read_again: Callable[[SegmentEvent], Message] | None = None,
    ) -> None:
        """``read_again`` returns the message of a stored event, read by the present rules."""
        self._store = store
        self._users = users
        self._usage = usage
        self._clock = clock
        self._ids = ids
        self._meter = meter
        self._read_again = read_again
        self._keeping = asyncio.Lock()

    async def receive(self, environment: Environment, messages: Sequence[Message]) -> None:
        """Store messages, then process what can be processed; each once, however often it is sent.

        They are processed in parts, so that others get a turn. What is stored is not lost: the ``Replayer``
        processes what a crash leaves open, and a message that is sent again is stored once.

        Raises:
            Unavailable, OutcomeUnknown: send them again, as some may not be stored.
        """
        now = self._clock()
        for some in _pieces(messages):
            await self._receive_together(environment, some, now=now)

    async def _receive_together(self, environment: Environment, messages: Sequence[Message], *, now: datetime) -> None:
        """Receive messages in one transaction; only one such transaction runs at a time."""
        first = self._ids.reserve(len(messages))

        def read(rules: Sequence[MappingRule]) -> list[SegmentEvent]:
            return [
                received(message, rules, environment=environment, number=first + place, now=now)
                for place, message in enumerate(messages)
            ]

        async with self._keeping:
            kept = await self._store.keep_events(environment, read)
        once = {(event.bucket, event.message_id): event for event in kept}.values()
        self._count(event for event in once if event.number >= first and event.status is not EventStatus.PENDING)
        await self.carry_out([event for event in once if event.status is EventStatus.PENDING])

    async def retry(self, environment: Environment, number: int) -> SegmentEvent:
        """Try a failed event again; return it with the result.

        Raises:
            NotFound: no failed event has this number.
        """

        def again(event: SegmentEvent, rules: Sequence[MappingRule]) -> SegmentEvent:
            return self.again(event, rules) if event.number == number else event

        events, last = await self._store.reopen_events(environment, after=number - 1, limit=1, map_event=again)
        if last != number:
            raise NotFound(f"Failed event not found: {shown(str(number))}")
        await self.carry_out(events)
        [event] = await self._store.segment_events(environment, status=None, limit=1, before=number + 1)
        return event

    def again(self, event: SegmentEvent, rules: Sequence[MappingRule]) -> SegmentEvent:
        """Return a failed event as it is when it is tried again; unchanged if its message still cannot be read."""
        try:
            message = None if self._read_again is None else self._read_again(event)
        except InvalidValue:
            return event
        return event if message is None else tried_again(event, message, rules)

    def _count(self, events: Iterable[SegmentEvent]) -> None:
        self._meter.segment(event.status.value for event in events)

    async def carry_out(self, events: Sequence[SegmentEvent]) -> None:
        """Process events in order; tracks between two identifies are recorded together.

        Events that need nothing, or are not mapped, are skipped.
        """
        tracks: list[SegmentEvent] = []
        for event in events:
            if event.status not in (EventStatus.PENDING, EventStatus.WAITING):
                continue
            if event.type is MessageType.TRACK:
                tracks.append(event)
                continue
            await self._record(tracks)
            tracks = []
            await self._identify(event)
        await self._record(tracks)

    async def _record(self, events: Sequence[SegmentEvent]) -> None:
        """Record mapped tracks and store the result of each; those that may succeed later stay open."""
        for some in _pieces(events):
            await self._record_together(some)

    async def _record_together(self, events: Sequence[SegmentEvent]) -> None:
        outcomes = await self._usage.record_many([event.usage() for event in events])
        settled = [_settled(event, outcome) for event, outcome in zip(events, outcomes, strict=True)]
        changed = [new for old, new in zip(events, settled, strict=True) if new != old]
        await self._settle(changed)

    async def _settle(self, events: Sequence[SegmentEvent]) -> None:
        if events:
            await self._store.settle_events(events)
            self._count(events)

    async def _identify(self, event: SegmentEvent) -> None:
        """Create or change the user, store the result, and record events that waited for them."""
        assert event.user_id is not None, "an identify without a user is never processed"
        try:
            await self._put_user(event.environment, identity_of(event))
        except _LATER:
            return
        except BadInput as error:
            await self._settle([replace(event, status=EventStatus.FAILED, reason=error.message)])
            return
        await self._settle([replace(event, status=EventStatus.IDENTIFIED)])
        await self._record(await self._store.waiting_events(event.environment, event.user_id, limit=WAITING_MAX))

    async def _put_user(self, environment: Environment, identity: Identity) -> None:
        for _ in range(_TRIES):
            with suppress(Conflict, UserNotFound):  # One of them was created, renamed or changed meanwhile.
                return await self._put_user_once(environment, identity)
        raise Unavailable("the user is being changed by others; send it again", retry_after_s=1)

    async def _put_user_once(self, environment: Environment, identity: Identity) -> None:
        by_id = await self._user(environment, identity.user_id)
        by_email: list[User] = []
        if by_id is not None:
            identity = replace(identity, user_id=by_id.id)  # Another one if this id was merged into that user.
        if by_id is None and identity.email is not None:
            by_email = await self._users.users_by_email(environment, identity.email, limit=_SAME_EMAIL_MAX)
        found = same_person(by_id, by_email)
        if found is None:
            await self._users.create_user(identity.merged(self._stranger(environment, identity.user_id)))
        elif found != identity.merged(found):
            await self._users.update_user(
                environment, found.id, lambda user: _merged(user, found, identity), clock=self._clock
            )

    async def _user(self, environment: Environment, user_id: str) -> User | None:
        try:
            return await self._users.user(environment, user_id)
        except UserNotFound:
            return None

    def _stranger(self, environment: Environment, user_id: str) -> User:
        bucket = bucket_of(environment, new_identifier(user_id, field="userId"))
        return User(
            environment=environment, bucket=bucket, key=self._ids(), id=user_id, metadata={}, created_at=self._clock()
        )


def _pieces(values: Sequence[_Value]) -> Iterator[Sequence[_Value]]:
    """Yield values in order, at most ``TOGETHER_MAX`` at a time."""
    return (values[start : start + TOGETHER_MAX] for start in range(0, len(values), TOGETHER_MAX))


def _settled(event: SegmentEvent, outcome: Receipt | KanaError) -> SegmentEvent:
    """Return an event with the result of its usage; unchanged if trying again may help."""
    if isinstance(outcome, Receipt):
        status = EventStatus.RECORDED if outcome.entry.recorded else EventStatus.REFUSED
        return replace(event, status=status, reason=outcome.entry.reason)
    if isinstance(outcome, NotFound):
        return replace(event, status=EventStatus.WAITING, reason=outcome.message)
    if isinstance(outcome, BadInput | IdempotencyKeyReused):
        return replace(event, status=EventStatus.FAILED, reason=outcome.message)
    return event


def _merged(user: User, found: User, identity: Identity) -> User:
    """Return the user that was found, under its lock, with what the message says.

    Raises:
        Conflict: it is another user by now.
    """
    if user.key != found.key or (user.id != identity.user_id and not is_import(user)):
        raise Conflict("the user was changed meanwhile")
    return identity.merged(user)
