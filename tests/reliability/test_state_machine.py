"""Random histories, through the engine on a real store, against a reference in plain dictionaries.

By default the same histories are drawn in every run, so that a red build is a defect of
the change under test and never chance; KANA_TEST_EXPLORE=1 draws new ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from kana.errors import KanaError
from kana.model.given import OverrideTerms
from kana.model.usage import Action, Usage
from tests.reliability.accounts import Refused, period
from tests.reliability.draws import (
    allowances,
    deltas,
    described,
    feature_names,
    features_of,
    held,
    keys,
    lateness,
    limits,
    line,
    package_names,
    steps,
    user_names,
)
from tests.reliability.reference import Reference
from tests.support.ledger import entries_of
from tests.support.stores import Place, furnish_workspace, place
from tests.support.world import TEST, TESTER, SetClock, World, a_feature, examples

__all__ = ["place"]

Content = tuple[str, int, str, str | None, datetime | None]
"""Feature, delta, action, key, timestamp."""

MACHINE = examples(200, stateful_step_count=40, suppress_health_check=list(HealthCheck), phases=list(Phase))
"""At least 200 histories of up to 40 steps."""


class Machine(RuleBasedStateMachine):
    """Does everything twice, and compares."""

    def __init__(self, place: Place, runner: asyncio.Runner) -> None:
        super().__init__()
        self.place, self.runner = place, runner
        self.clock = SetClock(datetime.fromisoformat("2024-01-31T13:05:00.250Z"))
        self.reference = Reference()
        self.ids: dict[int, int] = {}
        self.calls: list[Usage] = []
        self.lines: list[tuple[int, int]] = []
        self.world: World = self.wait(self._open())

    async def _open(self) -> World:
        await self.place.clear()
        world = World(await self.place.open(), clock=self.clock)
        await furnish_workspace(world.store)
        await world.furnish(features=[a_feature(), a_feature("chat", binary=True)])
        return world

    def wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    def teardown(self) -> None:
        """At the end of each history every counter equals its lines, and there are as many lines as recorded."""
        try:
            audit = self.wait(self.world.store.audits.audit())
            assert audit.drifts == ()
            assert audit.entries == self.reference.entries
            assert audit.counters == len(self.reference.used)
            assert self._posted() == self.reference.used
        finally:
            self.wait(self.world.store.close())

    def _posted(self) -> dict[tuple[int, str, str | None, datetime], int]:
        """What the ledger says of every counter, by what it moved in which."""
        posted: dict[tuple[int, str, str | None, datetime], int] = {}
        for user in self.reference.users:
            for entry in self.wait(entries_of(self.world.store, user)):
                for counter, change in entry.postings:
                    key = (self._number(counter.source_id), *counter[2:])
                    posted[key] = posted.get(key, 0) + change
        return posted

    def _number(self, source_id: int) -> int:
        """The reference's number of what counts something; below zero for what it carried over."""
        number = next(theirs for theirs, mine in self.ids.items() if mine == abs(source_id))
        return number if source_id > 0 else -number

    def both(self, real: Coroutine[Any, Any, Any], expected: Callable[[], Any]) -> tuple[Any, Any]:
        """Do it for real and in the reference: both give a result, or errors of the same name."""
        try:
            theirs, error = expected(), None
        except Refused as refused:
            theirs, error = None, refused.name
        try:
            mine, raised = self.wait(real), None
        except KanaError as failure:
            mine, raised = None, type(failure).__name__
        assert raised == error
        return mine, theirs

    # --- catalogue

    @initialize(base=allowances, extra=allowances, held=st.sampled_from([["basic"], ["basic", "extra"]]))
    def begin(self, base: Any, extra: Any, held: list[str]) -> None:
        """Packages that are published, all with messages, and a user who holds one or two of them."""
        for name, allowance in (("basic", base), ("pro", extra), ("extra", extra)):
            self.create_package(name, unusual=False, base=None, features={"message": allowance})
            self.move_package(name, to="PUBLISHED")
        self.create_user("ada")
        self.subscribe("ada", held)

    @rule(
        name=package_names,
        unusual=st.sampled_from([False, False, False, True]),
        base=st.none() | package_names,
        features=features_of,
    )
    def create_package(self, name: str, unusual: bool, base: str | None, features: dict[str, Any]) -> None:
        addon = (name in {"extra", "more"}) is not unusual
        bases = [base] if addon and base else []
        real = self.world.catalog.create_package(
            TEST, id=name, is_addon=addon, base_package_ids=bases, features=held(features), by=TESTER
        )
        self.both(real, lambda: self.reference.create_package(name, addon=addon, bases=bases, features=features))

    @rule(name=package_names, to=st.sampled_from(["PUBLISHED", "PUBLISHED", "PUBLISHED", "ARCHIVED", "UNARCHIVED"]))
    def move_package(self, name: str, to: str) -> None:
        catalog = self.world.catalog
        verb = {"PUBLISHED": catalog.publish_package, "ARCHIVED": catalog.archive_package}
        move = verb.get(to, catalog.unarchive_package)
        self.both(move(TEST, name, by=TESTER), lambda: self.reference.move_package(name, to=to))

    @rule(name=package_names, features=features_of, confirmed=st.sampled_from([True, True, False]))
    def change_limits(self, name: str, features: dict[str, Any], confirmed: bool) -> None:
        real = self.world.catalog.update_package(
            TEST, name, {"features": held(features)}, confirm_impact=confirmed, by=TESTER
        )
        self.both(real, lambda: self.reference.change_features(name, features, confirmed=confirmed))

    # --- users and subscriptions

    @rule(name=user_names)
    def create_user(self, name: str) -> None:
        self.both(self.world.accounts.create_user(TEST, id=name), lambda: self.reference.create_user(name))

    @rule(old=user_names, new=user_names)
    def rename_user(self, old: str, new: str) -> None:
        self.both(self.world.accounts.update_user(TEST, old, {"id": new}), lambda: self.reference.rename_user(old, new))

    @rule(user=user_names, names=st.lists(package_names, min_size=0, max_size=3))
    def subscribe(self, user: str, names: list[str]) -> None:
        now = self.clock.now
        mine, theirs = self.both(
            self.world.accounts.subscribe(TEST, user, names), lambda: self.reference.subscribe(user, names, now)
        )
        self._match(mine or [], theirs or [])

    @rule(user=user_names, name=package_names)
    def change_base(self, user: str, name: str) -> None:
        now = self.clock.now
        mine, theirs = self.both(
            self.world.accounts.change_subscription(TEST, user, name),
            lambda: self.reference.change_base(user, name, now),
        )
        self._match([mine] if mine else [], [theirs] if theirs else [])

    def _match(self, mine: list[Any], theirs: list[Any]) -> None:
        for subscribed, expected in zip(mine, theirs, strict=True):
            self.ids[expected.number] = subscribed.subscription.id
        self._compare_subscriptions()

    def _compare_subscriptions(self) -> None:
        now = self.clock.now
        listed = self.wait(self.world.accounts.subscriptions(TEST))
        found = {
            held.subscription.id: (held.user_id, held.subscription.package_id, held.subscription.start,
                                   held.subscription.ends_at, held.subscription.stands(now))
            for held in listed
        }  # fmt: skip
        assert found == {
            self.ids[held.number]: (user, held.package, held.start, held.ends, held.stands(now))
            for user, subscriptions in self.reference.users.items()
            for held in subscriptions
        }

    @rule(user=user_names, which=st.integers(0, 5), at_period_end=st.booleans())
    def cancel(self, user: str, which: int, at_period_end: bool) -> None:
        mine = self.reference.users.get(user)
        if not mine:
            return
        number = which % len(mine)
        held = mine[number]
        now = self.clock.now
        real = self.world.accounts.cancel_subscription(TEST, self.ids[held.number], at_period_end=at_period_end)
        answer, _ = self.both(real, lambda: self.reference.cancel(user, number, now, at_period_end=at_period_end))
        if answer is not None:
            assert (answer.user_id, answer.subscription.id) == (user, self.ids[held.number])
            assert answer.subscription.ends_at == held.ends
        self._compare_subscriptions()

    # --- what is given to one user

    @rule(
        user=user_names, feature=feature_names, amount=st.sampled_from([0, 1, 3, 5, 20]),
        begins=st.sampled_from([None, None, None, -86_400, 3_600, 86_400]),
        lasts=st.sampled_from([None, None, 0, 3_600, 86_400, 86_400 * 40]),
    )  # fmt: skip
    def top_up(self, user: str, feature: str, amount: int, begins: float | None, lasts: float | None) -> None:
        now = self.clock.now
        starts = None if begins is None else now + timedelta(seconds=begins)
        ends = None if lasts is None else (starts or now) + timedelta(seconds=lasts)
        real = self.world.engine.giving.create_top_up(
            TEST, user, feature, amount, reason="sold", by=TESTER, starts_at=starts, expires_at=ends
        )
        self._match_given(*self.both(real, lambda: self.reference.top_up(user, feature, amount, starts, ends, now)))

    @rule(
        user=user_names, feature=feature_names, limit=limits, overage=st.sampled_from([False, False, True]),
        denied=st.sampled_from([False, False, True]), lasts=st.sampled_from([None, 0, 3_600, 86_400 * 40]),
    )  # fmt: skip
    def override(
        self, user: str, feature: str, limit: int | None, overage: bool, denied: bool, lasts: float | None
    ) -> None:
        now = self.clock.now
        ends = None if lasts is None else now + timedelta(seconds=lasts)
        terms = OverrideTerms(limit=limit, overage_enabled=overage, denied=denied, ends_at=ends)
        real = self.world.engine.giving.set_override(TEST, user, feature, terms, reason="asked", by=TESTER)
        self._match_given(
            *self.both(
                real,
                lambda: self.reference.override(
                    user, feature, limit, overage=overage, denied=denied, ends=ends, now=now
                ),
            )
        )

    @rule(user=user_names, which=st.integers(0, 5))
    def end_given(self, user: str, which: int) -> None:
        mine = self.reference.given.get(self.reference.names.get(user, 0))
        if mine:
            now, giving = self.clock.now, self.world.engine.giving
            given = mine[which % len(mine)]
            end = giving.end_override if given.override else giving.end_top_up
            self._match_given(
                *self.both(end(TEST, self.ids[given.number], by=TESTER), lambda: self.reference.end(user, which, now))
            )

    def _match_given(self, mine: Any, theirs: Any) -> None:
        if mine is not None:
            self.ids[theirs.number] = mine.given.id
            assert (mine.given.start, mine.given.ends_at) == (theirs.start, theirs.ends)

    # --- usage

    @rule(which=st.integers(0, 30))
    def reverse(self, which: int) -> None:
        """Undo a line of the ledger, whenever it was written."""
        if self.lines:
            number = which % len(self.lines)
            entry_id, user_key = self.lines[number]
            user = next((name for name, key in self.reference.names.items() if key == user_key), "nobody")
            real = self.world.usage.reverse(TEST, entry_id, reason="wrong", by=TESTER, user_id=user)
            mine, theirs = self.both(real, lambda: self.reference.reverse(number))
            if mine is not None:
                duplicate = "duplicate" if mine.duplicate else "first"
                assert (mine.entry.outcome.value, mine.entry.change, duplicate) == theirs
                if not mine.duplicate:
                    self.lines.append((mine.entry.id, user_key))

    @rule(
        user=user_names, feature=feature_names, delta=deltas, add=st.sampled_from([True, True, True, False]),
        key=keys, late=lateness,
    )  # fmt: skip
    def record(self, user: str, feature: str, delta: int, add: bool, key: str | None, late: float | None) -> None:
        timestamp = None if late is None else self.clock.now + timedelta(seconds=late)
        self._record(user, feature, delta, "ADD" if add else "SET", key, timestamp)

    @rule(
        user=user_names, feature=feature_names, delta=deltas, which=st.integers(0, 5), at_the_end=st.booleans(),
        off=st.sampled_from([-300.001, -300, -0.001, 0, 0, 0.001]),
    )  # fmt: skip
    def record_of_a_boundary(
        self, user: str, feature: str, delta: int, which: int, at_the_end: bool, off: float
    ) -> None:
        """What happened around the moment at which one of the user's subscriptions began or ended."""
        mine = self.reference.users.get(user)
        if mine:
            held = mine[which % len(mine)]
            moment = held.ends if at_the_end and held.ends else held.start
            self._record(user, feature, delta, "ADD", None, moment + timedelta(seconds=off))

    def _record(
        self, user: str, feature: str, delta: int, action: str, key: str | None, timestamp: datetime | None
    ) -> None:
        async def real() -> Any:
            usage = Usage(
                environment=TEST, user_id=user, feature_id=feature, delta=delta, action=Action(action),
                key=key, timestamp=timestamp,
            )  # fmt: skip
            if key is not None:
                self.calls.append(usage)
            return await self.world.usage.record(usage)

        self._compare_record(real(), user, (feature, delta, action, key, timestamp))

    @rule(user=user_names, feature=feature_names, deltas=st.lists(deltas, min_size=1, max_size=4))
    def record_more(self, user: str, feature: str, deltas: list[int]) -> None:
        for delta in deltas:
            self.record(user, feature, delta, add=True, key=None, late=None)

    @rule(which=st.integers(0, 20), more=st.sampled_from([0, 0, 1]))
    def same_key_again(self, which: int, more: int) -> None:
        """A call that was made before, word for word or with another amount, whatever has happened since."""
        if not self.calls:
            return
        usage = self.calls[which % len(self.calls)]
        if not (0 < usage.delta < 100):
            return
        usage = replace(usage, delta=usage.delta + more)
        content = (usage.feature_id, usage.delta, usage.action.value, usage.key, usage.timestamp)
        self._compare_record(self.world.usage.record(usage), usage.user_id, content)

    def _compare_record(self, real: Coroutine[Any, Any, Any], user: str, content: Content) -> None:
        now = self.clock.now
        mine, theirs = self.both(real, lambda: self.reference.record(user, *content, now))
        if mine is not None:
            entry = mine.entry
            duplicate = "duplicate" if mine.duplicate else "first"
            assert (entry.outcome.value, entry.change, described(entry.consumption), duplicate) == theirs
            assert (entry.reason is None) == entry.recorded
            if not mine.duplicate:
                self.lines.append((entry.id, self.reference.names[user]))

    @rule(user=user_names, feature=feature_names, delta=st.sampled_from([1, 1, 2, 10, 0, -1]))
    def check(self, user: str, feature: str, delta: int) -> None:
        now = self.clock.now
        mine, theirs = self.both(
            self.world.usage.check(TEST, user, feature, delta=delta),
            lambda: self.reference.check(user, feature, delta, now),
        )
        if mine is not None:
            assert (mine.access, described(mine.consumption)) == theirs

    @rule(user=user_names, feature=feature_names, past=st.sampled_from([24, 24, 3, 0]))
    def show(self, user: str, feature: str, past: int) -> None:
        now = self.clock.now
        mine, theirs = self.both(
            self.world.usage.show(TEST, user, feature, past=past), lambda: self.reference.show(user, feature, past, now)
        )
        if mine is not None:
            assert (mine.current and line(mine.current), [line(usage) for usage in mine.past]) == theirs

    # --- time

    @rule(seconds=steps)
    def clock_forward(self, seconds: float) -> None:
        self.clock.advance(seconds=seconds)

    @rule(which=st.integers(0, 5), before=st.sampled_from([0, 0, 0.001]))
    def clock_to_a_boundary(self, which: int, before: float) -> None:
        """To the very millisecond at which a subscription or its day ends, or the one before it."""
        held = [held for subscriptions in self.reference.users.values() for held in subscriptions]
        if held:
            chosen = held[which % len(held)]
            ends = period(chosen.start, "DAY", max(self.clock.now, chosen.start))[1]
            self.clock.now = max(self.clock.now, (chosen.ends or ends or self.clock.now) - timedelta(seconds=before))

    @rule(seconds=st.sampled_from([0.001, 1, 3_600, 86_400, 86_400 * 32]))
    def clock_back(self, seconds: float) -> None:
        self.clock.advance(seconds=-seconds)


@pytest.fixture
def runner(patient: None) -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


def run(place: Place, runner: asyncio.Runner, how: settings) -> None:
    run_state_machine_as_test(lambda: Machine(place, runner), settings=how)  # type: ignore[arg-type]


@pytest.mark.timeout(900)
def test_random_histories_agree_with_the_reference(place: Place, runner: asyncio.Runner) -> None:
    """Whatever is done in whatever order, answers, refusals, errors, periods and totals are the reference's."""
    run(place, runner, MACHINE)
