"""The verbs check, record and show: may a user use a feature now, they have used it, and how much they used."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

from kana.engine.ports.clock import Clock, Meter
from kana.engine.ports.usage import Ledger, Snapshot
from kana.engine.usage.counted import CountedFeatures, counted_features
from kana.engine.usage.gather import Gatherer
from kana.engine.usage.recorder import Recorder
from kana.errors import InvalidValue, KanaError, UserNotFound
from kana.model.account import Account
from kana.model.catalog import Catalog
from kana.model.effective import effective
from kana.model.entitlement import DENIED, Consumption, Decision, Entitlement, Place, Standing, place_at
from kana.model.environment import Actor, Environment
from kana.model.feature import Feature
from kana.model.grant import CounterKey
from kana.model.period import CLOCKS_APART, Period
from kana.model.reversal import Reversal
from kana.model.subscription import Subscription
from kana.model.text import UNITS_MAX, shown
from kana.model.usage import Receipt, Usage
from kana.model.value import value_object

PAST_PERIODS = 24
"""How many finished periods ``show`` returns by default."""

PAST_PERIODS_MAX = 1000
"""Most finished periods that one call may ask for."""


@value_object()
class PeriodUsage:
    """What was used in one period. ``period.end=None`` never ends."""

    period: Period
    consumption: Consumption

    @property
    def period_start(self) -> datetime:
        """When the period starts."""
        return self.period.start

    @property
    def period_end(self) -> datetime | None:
        """When the period ends, if it does."""
        return self.period.end


@value_object()
class Shown:
    """A user's use of one feature: the current period, and the finished ones with the newest first."""

    current: PeriodUsage | None
    past: list[PeriodUsage]


class _Check(NamedTuple):
    """One question of ``UsageEngine.check``."""

    user_id: str
    feature_id: str
    delta: int


class UsageEngine:
    """Decides, records and shows usage. Reads see what is committed; a check reserves nothing for a later record."""

    def __init__(self, ledger: Ledger, recorder: Recorder, *, clock: Clock, meter: Meter) -> None:
        self._ledger = ledger
        self._recorder = recorder
        self._clock = clock
        self._meter = meter
        self._checks = {each: Gatherer(partial(self._answer_checks, each)) for each in Environment}

    async def check(self, environment: Environment, user_id: str, feature_id: str, *, delta: int = 1) -> Decision:
        """Return whether ``delta`` units, 1 or more, may be used now. A no is an answer with a reason.

        Raises:
            UserNotFound, FeatureNotFound: no such id.
            InvalidValue: ``delta`` is not 1 to 2^53-1.

        Source: docs.usekana.com/reference, queries "canUseFeature".
        """
        _check_delta(delta)
        return await self._checks[environment].ask(_Check(user_id, feature_id, delta))

    async def _answer_checks(self, environment: Environment, checks: Sequence[_Check]) -> list[Decision | KanaError]:
        """Answer the checks that arrived together with a single read."""
        now = self._clock()
        asked: dict[str, set[str]] = {}
        for check in checks:
            asked.setdefault(check.user_id, set()).add(check.feature_id)

        def want(account: Account, catalog: Catalog) -> CountedFeatures:
            there = map(catalog.features.get, asked[account.user.id])
            return counted_features(account, catalog, filter(None, there), now=now)

        snapshot = await self._ledger.snapshot(environment, list(asked), want, now=now)
        answers = [_answer_check(check, snapshot) for check in checks]
        self._count(answer for answer in answers if isinstance(answer, Decision))
        return answers

    async def check_many(
        self, environment: Environment, user_ids: Sequence[str], feature_ids: Sequence[str], *, delta: int = 1
    ) -> list[list[Decision]]:
        """Return a row for each user with a decision for each feature, all at the same moment.

        Raises:
            UserNotFound, FeatureNotFound: one of the ids does not exist.
            InvalidValue: ``delta`` is not 1 to 2^53-1.
        """
        _check_delta(delta)
        now = self._clock()

        def want(account: Account, catalog: Catalog) -> CountedFeatures:
            return counted_features(account, catalog, map(catalog.feature, feature_ids), now=now)

        snapshot = await self._ledger.snapshot(environment, user_ids, want, now=now)
        _check_all_found(user_ids, feature_ids, snapshot)
        table = [
            [_decide(snapshot.wanted[user_id].get(feature_id), snapshot, delta) for feature_id in feature_ids]
            for user_id in user_ids
        ]
        self._count(decision for row in table for decision in row)
        return table

    def _count(self, decisions: Iterable[Decision]) -> None:
        self._meter.decided("check", map(_word, decisions))

    async def record(self, usage: Usage) -> Receipt:
        """Decide and record in one durable step; return after the entry is on disk. A refusal is an answer.

        Retrying with the same idempotency key counts once and gets the first answer again.

        Raises:
            UserNotFound, FeatureNotFound: no such id.
            InvalidValue: the timestamp is too far ahead, or before the subscription.
            IdempotencyKeyReused: the key was used before with other content.
            Unavailable, RateLimited: nothing was recorded.
            OutcomeUnknown: retry with the same key.

        Source: docs.usekana.com/reference, mutations "recordUsage".
        """
        return await self._recorder.record(usage)

    async def reverse(
        self, environment: Environment, entry_id: int, *, reason: str, by: Actor, user_id: str | None = None
    ) -> Receipt:
        """Undo one entry exactly where it was posted, once, in periods that are over too; the ledger keeps both.

        What is undone no longer counts on the day on which it happened. It is a refusal if some of the units were
        given back since. Reversing it again returns the first reversal. Without ``user_id`` the entry is looked for
        among all users, which takes a look-up for each of them.

        Raises:
            UserNotFound, EntryNotFound: no such id.
            InvalidValue: the entry moved nothing or is a reversal, or the reason is not 1 to 500 characters.
            Unavailable, RateLimited: nothing was reversed.
            OutcomeUnknown: call again.
        """
        if user_id is None:
            user_id = await self._ledger.entry_owner(environment, entry_id)
        reversal = Reversal(environment=environment, user_id=user_id, entry_id=entry_id, reason=reason, by=by.name)
        return await self._recorder.record(reversal)

    async def record_many(self, usages: Sequence[Usage]) -> list[Receipt | KanaError]:
        """Decide and record each usage as ``record`` does; return answers or errors in order.

        A wrong one does not affect its neighbours. They are not one step: others may record between two of
        them.
        """
        return await self._recorder.record_many(usages)

    async def show(self, environment: Environment, user_id: str, feature_id: str, *, past: int = PAST_PERIODS) -> Shown:
        """Return what a user used of a feature: now, and in finished periods, the newest first.

        The newest ``past`` periods of each subscription are considered: for the one that answers now all are
        shown, unused ones as zero; for others only those with usage. ``current`` is None for a BINARY feature
        and without a subscription.

        Raises:
            UserNotFound, FeatureNotFound: no such id.
            InvalidValue: ``past`` is not 0 to 1000.

        Source: docs.usekana.com/reference, queries "showUsage".
        """
        if not 0 <= past <= PAST_PERIODS_MAX:
            raise InvalidValue(f"past must be 0 to {PAST_PERIODS_MAX}, got {past}", field="past")
        now = self._clock()

        def want(account: Account, catalog: Catalog) -> _History:
            return _history(account, catalog, catalog.feature(feature_id), past=past, now=now)

        snapshot = await self._ledger.snapshot(environment, [user_id], want, now=now, history=True)
        _check_all_found([user_id], [feature_id], snapshot)
        return snapshot.wanted[user_id].shown(snapshot, past=past)


@value_object()
class _History:
    """The periods for which a user's usage of one feature may be shown."""

    answering: Place | None
    finished: tuple[tuple[Entitlement, Period, Period], ...]
    """Entitlement, the period as counted, and the period as shown, which ends with the subscription."""

    def counters(self) -> list[CounterKey]:
        counters = [entitlement.counter_of(period) for entitlement, period, _ in self.finished]
        return counters if self.answering is None else [*counters, *self.answering.counters]

    def shown(self, snapshot: Snapshot[_History], *, past: int) -> Shown:
        answers = None if self.answering is None else self.answering.entitlement.holder
        finished = [
            usage
            for entitlement, counted, shown in self.finished
            if entitlement.holder is answers or entitlement.counter_of(counted) in snapshot.used
            if (usage := _period_usage(_counted(entitlement, counted, snapshot), shown)) is not None
        ]
        finished.sort(key=lambda usage: usage.period.start, reverse=True)
        return Shown(self._current(snapshot), finished[:past])

    def _current(self, snapshot: Snapshot[_History]) -> PeriodUsage | None:
        """Return the period of what answers, with all that is used of what holds now."""
        if self.answering is None:
            return None
        period = self.answering.entitlement.period_at(self.answering.moment)
        return _period_usage(self.answering.standing(snapshot.used), period)


def _history(account: Account, catalog: Catalog, feature: Feature, *, past: int, now: datetime) -> _History:
    """Finished periods are each package's by itself: what it allowed together with others then is not kept."""
    if not feature.is_counted:
        return _History(None, ())
    now = account.time(now)  # What another machine's clock began, and what was used of it, is shown by this one's too.
    answering = effective(account, catalog, feature, now=now)
    finished: list[tuple[Entitlement, Period, Period]] = []
    running: set[CounterKey] = set()
    for subscription in account.subscriptions:
        held = catalog.held(subscription.package_id, feature.id)
        if held is not None and not _was_withdrawn(subscription):
            entitlement = Entitlement(feature, subscription, held.allowance)
            if answering is None or subscription is not answering.holder:
                finished += _beyond_end(entitlement)
            finished += islice(_finished(entitlement, now=now), past)
            if subscription.gives_access(now):
                running.add(entitlement.counter_at(now))
    place = None if answering is None else place_at(answering, now, has_holds=account.has_holds)
    return _History(place, tuple(_each_once(finished, running)))


def _was_withdrawn(subscription: Subscription) -> bool:
    """Whether it was cancelled before its start, which had been given for later."""
    return subscription.scheduled and subscription.ends_at is not None and subscription.ends_at <= subscription.start


def _each_once(
    finished: Sequence[tuple[Entitlement, Period, Period]], running: Collection[CounterKey]
) -> list[tuple[Entitlement, Period, Period]]:
    """Return the periods without those that a later subscription goes on with: it shows them whole."""
    by_counter = {each[0].counter_of(each[1]): each for each in finished}
    return [each for counter, each in by_counter.items() if counter not in running]


def _beyond_end(entitlement: Entitlement) -> Iterator[tuple[Entitlement, Period, Period]]:
    """Yield the period after a subscription's end in which usage may still have been counted.

    Its timestamp was slightly ahead, or the clock of the machine that decided it was. Such a period is shown
    with the same start and end.
    """
    ends_at = entitlement.holder.ends_at
    if ends_at is not None:
        counted = entitlement.period_at(ends_at + CLOCKS_APART)
        if ends_at <= counted.start:
            yield entitlement, counted, Period(counted.start, counted.start)


def _finished(entitlement: Entitlement, *, now: datetime) -> Iterator[tuple[Entitlement, Period, Period]]:
    """Yield the finished periods of a subscription, newest first; the last one is cut at the subscription's end."""
    ends_at = entitlement.holder.ends_at
    if ends_at is not None and ends_at <= now:
        last = entitlement.period_at(ends_at)
        if last.start < ends_at:
            yield entitlement, last, Period(last.start, ends_at)
        now = ends_at
    for period in entitlement.holder.periods_before(entitlement.allowance.reset_period, now):
        yield entitlement, period, period


def _counted(entitlement: Entitlement, period: Period, snapshot: Snapshot[_History]) -> Standing:
    """Return how a period of one package by itself stands."""
    counter = entitlement.counter_of(period)
    return Standing(entitlement, counter, snapshot.used.get(counter, 0))


def _period_usage(standing: Standing, shown: Period) -> PeriodUsage | None:
    consumption = standing.entitlement.consumption(standing.used)
    return None if consumption is None else PeriodUsage(shown, consumption)


def _check_delta(delta: int) -> None:
    if not 1 <= delta <= UNITS_MAX:
        raise InvalidValue(f"delta must be 1 to {UNITS_MAX} in a check, got {delta}", field="delta")


def _answer_check(check: _Check, snapshot: Snapshot[CountedFeatures]) -> Decision | KanaError:
    found = snapshot.wanted.get(check.user_id)
    if found is not None and check.feature_id in found:
        return _decide(found[check.feature_id], snapshot, check.delta)
    try:
        _check_all_found((check.user_id,), (check.feature_id,), snapshot)
    except KanaError as error:
        return error
    return DENIED


def _decide(place: Place | None, snapshot: Snapshot[CountedFeatures], delta: int) -> Decision:
    return DENIED if place is None else place.decide(delta, snapshot.used)


def _word(decision: Decision) -> str:
    """Return the word that metrics count a check under: its outcome, but ALLOWED for a yes, which records nothing."""
    return "ALLOWED" if decision.access else decision.outcome.value


def _check_all_found(user_ids: Sequence[str], feature_ids: Sequence[str], snapshot: Snapshot[Any]) -> None:
    for user_id in user_ids:
        if user_id not in snapshot.accounts:
            raise UserNotFound(f"User not found: {shown(user_id)}")
    for feature_id in feature_ids:
        snapshot.catalog.feature(feature_id)
