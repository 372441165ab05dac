"""Usage: what callers say was used, and the ledger entry that ``Entitlement.decide`` leads to.

An entry is one line of the ledger and is never updated. It contains the answer that was given,
so that the same idempotency key gets the first answer again, word for word.
"""

from __future__ import annotations

import json
from dataclasses import field
from datetime import datetime
from typing import assert_never

from kana.errors import InvalidValue
from kana.model.account import Account
from kana.model.entitlement import DENIED, Consumption, Outcome, Standing
from kana.model.environment import Environment
from kana.model.grant import CounterKey, Posting
from kana.model.line import DecisionLine
from kana.model.period import CLOCKS_APART
from kana.model.text import UNITS_MAX, idempotency_key, key_digest, metadata
from kana.model.user import UserRef
from kana.model.value import value_object
from kana.model.word import Word


class Action(Word):
    """How ``delta`` is applied: ``ADD`` adds it, ``SET`` makes it the total.

    Source: docs.usekana.com/reference, enums "RecordUsageAction".
    """

    ADD = "ADD"
    SET = "SET"


@value_object(kw_only=True)
class Usage:
    """What a caller says was used: ``delta`` units of a feature by a user.

    ``timestamp=None`` is now. The caller's ``key`` makes a retry safe: it counts once, without a
    time limit; ``key_digest`` is what is stored.

    Raises:
        InvalidValue: a field is not allowed; the message names it.

    Source: docs.usekana.com/reference, inputs "CreateUsageEventInput"; key, timestamp and metadata are ours.
    """

    environment: Environment
    user_id: str
    feature_id: str
    delta: int = 1
    action: Action = Action.ADD
    key: str | None = None
    timestamp: datetime | None = None
    metadata: object = None
    key_digest: bytes | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        problem = self._problem()
        if problem is not None:
            raise InvalidValue(problem, field="delta")
        if not -UNITS_MAX <= self.delta <= UNITS_MAX:
            raise InvalidValue(f"delta must be at most {UNITS_MAX} either way, got {self.delta}", field="delta")
        digest = None if self.key is None else key_digest(idempotency_key(self.key))
        object.__setattr__(self, "key_digest", digest)  # The only way to set a derived field.
        if self.metadata is not None:
            metadata(self.metadata)

    def _problem(self) -> str | None:
        """Return what is wrong with the delta for this action, if anything is."""
        match self.action:
            case Action.ADD:
                return "delta must not be 0 with ADD: there is nothing to record" if self.delta == 0 else None
            case Action.SET:
                return f"delta must be 0 or more with SET, got {self.delta}" if self.delta < 0 else None
            case _:
                assert_never(self.action)

    def change_of(self, used: int) -> int:
        """Return by how much a total of ``used`` would change."""
        match self.action:
            case Action.ADD:
                return self.delta
            case Action.SET:
                return self.delta - used
            case _:
                assert_never(self.action)


@value_object(kw_only=True)
class Entry:
    """One line of the ledger: a usage, what was decided, and the answer.

    ``change`` is by how much the total changed: 0 for a refusal, the difference for a ``SET``.
    ``counter`` is None if no subscription answered. ``consumption`` is what the answer said.
    ``key`` is the digest of the caller's idempotency key. ``split`` is empty if all of ``change`` went to
    ``counter``; otherwise it says how much went to which counter, ``counter`` first. Where a subscription goes on with
    another one's counters, ``counter`` has the subscription's own id, and ``split`` names the other one's.
    ``reverses`` is the id of the entry that this one undoes. ``line`` says which line of a decision over several
    features it is, or of a reservation; None if it was decided by itself.
    """

    id: int
    environment: Environment
    bucket: int
    user_key: int
    feature_id: str
    action: Action
    delta: int
    outcome: Outcome
    reason: str | None
    change: int
    counter: CounterKey | None
    consumption: Consumption | None
    key: bytes | None
    timestamp: datetime | None
    metadata: object
    occurred_at: datetime
    recorded_at: datetime
    split: tuple[Posting, ...] = ()
    reverses: int | None = None
    line: DecisionLine | None = None

    @property
    def postings(self) -> tuple[Posting, ...]:
        """What it moves in which counters: ``change`` in all. A refusal moves nothing."""
        if self.split or self.counter is None or not self.recorded:
            return self.split
        return (Posting(self.counter, self.change),)

    @property
    def recorded(self) -> bool:
        """Whether it counts."""
        return self.outcome is Outcome.RECORDED

    @property
    def in_grace(self) -> bool:
        """Whether a hard limit is passed with it. It follows from the answer that is kept, so it is always the same."""
        said = self.consumption
        return said is not None and said.is_passed_by(said.used) and self.recorded and self.change > 0

    def differing_fields(self, usage: Usage) -> list[str]:
        """Return the published names of the fields in which a usage differs from the one recorded here."""
        if self.line is not None and (self.line.step or self.line.reservation_id) is not None:
            return ["the calls"]
        pairs = (
            ("featureId", self.feature_id, usage.feature_id),
            ("delta", self.delta, usage.delta),
            ("action", self.action, usage.action),
            ("timestamp", self.timestamp, usage.timestamp),
            ("metadata", as_json(self.metadata), as_json(usage.metadata)),
        )
        return [name for name, mine, theirs in pairs if mine != theirs]


def as_json(value: object) -> str:
    """Return the JSON text, which is the same for equal values. In Python ``True`` equals ``1``."""
    return json.dumps(value, sort_keys=True)


@value_object()
class Receipt:
    """The answer to a usage: the entry, and whether its key had been used before."""

    entry: Entry
    duplicate: bool = False


def entry_for(usage: Usage, user: UserRef, standing: Standing | None, *, entry_id: int, now: datetime) -> Entry:
    """Return the entry for a usage: recorded or refused, with its answer. ``standing=None``: nothing answers.

    ``standing`` includes everything that was recorded before. The entry has everything a store needs to write. It is
    never recorded before the start of what it is taken from, which another machine may have set with a clock that is
    slightly ahead.
    """
    counter, decision, change = None, DENIED, 0
    split: tuple[Posting, ...] = ()
    if standing is not None:
        counter = standing.counter
        now = max(now, standing.entitlement.begins)
        change = usage.change_of(standing.used)
        decision = standing.decide(change, moves=True)
        counter, split = posted(standing, change if decision.access else 0)
        split = split if decision.access else ()
    recorded = decision.outcome is Outcome.RECORDED
    return Entry(
        id=entry_id,
        environment=user.environment,
        bucket=user.bucket,
        user_key=user.key,
        feature_id=usage.feature_id,
        action=usage.action,
        delta=usage.delta,
        outcome=decision.outcome,
        reason=None if recorded else decision.reason,
        change=change if recorded else 0,
        counter=counter,
        consumption=decision.consumption,
        key=usage.key_digest,
        timestamp=usage.timestamp,
        metadata=usage.metadata,
        occurred_at=usage.timestamp or now,
        recorded_at=now,
        split=split,
    )


def posted(standing: Standing, change: int) -> tuple[CounterKey, tuple[Posting, ...]]:
    """Return the counter that an entry names, and what it moves in which, if that is not its change in this one."""
    if standing.grants is None and standing.counter.source_id == standing.entitlement.holder.id:
        return standing.counter, ()  # As nearly always.
    moved = () if standing.grants is None else standing.grants.postings(change)
    counter = moved[0].counter if moved else standing.counter
    told = counter.told_of(_holder_id(standing, counter))
    if told == counter:
        return counter, moved if len(moved) > 1 else ()
    return told, moved or (Posting(counter, change),)


def package_of(entry: Entry, standing: Standing) -> str:
    """Return the package that an entry counts for."""
    if standing.grants is None:
        return standing.entitlement.holder.package_id
    return standing.grants.of(entry.split[0].counter if entry.split else entry.counter).package_id


def _holder_id(standing: Standing, counter: CounterKey) -> int:
    return standing.entitlement.holder.id if standing.grants is None else standing.grants.of(counter).holder_id


def check_time(timestamp: datetime, account: Account, *, now: datetime, field: str = "timestamp") -> None:
    """Refuse a timestamp that is too far ahead, or from before the user's first subscription.

    The account must include ended subscriptions. A user who never had one is refused later, for having none.

    Raises:
        InvalidValue: it is more than five minutes ahead of ``now``, or before the first subscription.
    """
    if timestamp > now + CLOCKS_APART:
        raise InvalidValue(
            f"{field} must be at most 5 minutes ahead of {now.isoformat()}, got {timestamp.isoformat()}",
            field=field,
        )
    since = account.subscribed_since(now)
    if since is not None and timestamp < since and since - timestamp > CLOCKS_APART:
        raise InvalidValue(
            f"{field} must not be before {since.isoformat()}, since when the user has been subscribed,"
            f" got {timestamp.isoformat()}",
            field=field,
        )
