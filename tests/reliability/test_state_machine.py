"""Random histories, through the engine on a real store, against a reference in plain dictionaries.

By default the same histories are drawn in every run, so that a red build is a defect of
the change under test and never chance; KANA_TEST_EXPLORE=1 draws new ones, and KANA_TEST_DEEP=1 more and longer ones.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from math import inf
from typing import Any

import pytest

from kana.model.given import OverrideTerms
from kana.model.usage import Action, Usage
from tests.reliability.draws import (
    deltas,
    described,
    feature_names,
    keys,
    lateness,
    limits,
    line,
    numbers,
    resets,
    some_deltas,
    steps,
    user_names,
    yes_or_no,
)
from tests.reliability.driving import choice, live_all, rule
from tests.reliability.periods import STEPS
from tests.reliability.setting_aside import SettingAside
from tests.support.stores import Place, place
from tests.support.world import EXPLORES, IS_DEEP, TEST, TESTER

__all__ = ["place"]

Content = tuple[str, int, str, str | None, datetime | None]
"""Feature, delta, action, key, timestamp."""

HISTORIES, STEPS_OF_EACH = (300, 60) if IS_DEEP else (200, 40)


class Machine(SettingAside):
    """Does everything twice, and compares."""

    # --- what is given to one user

    @rule(
        user=user_names, feature=feature_names, amount=choice(0, 1, 3, 5, 20),
        begins=choice(None, None, None, -86_400, 3_600, 86_400),
        lasts=choice(None, None, 0, 3_600, 86_400, 86_400 * 40),
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
        user=user_names, feature=feature_names, limit=limits, overage=choice(False, False, True),
        denied=choice(False, False, True), lasts=choice(None, 0, 3_600, 86_400 * 40),
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

    @rule(user=user_names, which=numbers)
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

    @rule(which=choice(*range(31)))
    def reverse(self, which: int) -> None:
        """Undo a line of the ledger, whenever it was written."""
        if self.lines:
            number = which % len(self.lines)
            entry_id, user_key, known = self.lines[number]
            now = self.clock.now
            user = next((name for name, key in self.reference.names.items() if key == user_key), "nobody")
            real = self.world.usage.reverse(TEST, entry_id, reason="wrong", by=TESTER, user_id=user)
            mine, theirs = self.both(real, lambda: self.reference.reverse(user, known, now))
            if mine is not None:
                duplicate = "duplicate" if mine.duplicate else "first"
                assert (mine.entry.outcome.value, mine.entry.change, duplicate) == theirs
                if not mine.duplicate:
                    self.lines.append((mine.entry.id, user_key, len(self.reference.lines) - 1))

    @rule(
        often=2, user=user_names, feature=feature_names, delta=deltas, add=choice(True, True, True, False),
        key=keys, late=lateness,
    )  # fmt: skip
    def record(self, user: str, feature: str, delta: int, add: bool, key: str | None, late: float | None) -> None:
        timestamp = None if late is None else self.clock.now + timedelta(seconds=late)
        self._record(user, feature, delta, "ADD" if add else "SET", key, timestamp)

    @rule(
        user=user_names, feature=feature_names, delta=deltas, which=numbers,
        of=choice("its start", "its end", "its trial", *STEPS),
        off=choice(-300.001, -300, -0.001, 0, 0, 0.001),
    )  # fmt: skip
    def record_of_a_boundary(self, user: str, feature: str, delta: int, which: int, of: str, off: float) -> None:
        """What happened around the moment at which one of the user's subscriptions, or its period, began or ended."""
        mine = self.reference.users.get(user)
        if mine:
            held = mine[which % len(mine)]
            moment = {"its start": held.start, "its end": held.ends, "its trial": held.trial}.get(of)
            if of in STEPS:
                moment = held.period(of, self.clock.now)[0]
            moment = moment or held.start
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

    @rule(often=2, user=user_names, feature=feature_names, deltas=some_deltas)
    def record_more(self, user: str, feature: str, deltas: list[int]) -> None:
        for delta in deltas:
            self.record(user, feature, delta, add=True, key=None, late=None)

    @rule(user=user_names, feature=feature_names, grace=yes_or_no, off=choice(-1, 0, 0, 0, 1))
    def use_up(self, user: str, feature: str, grace: bool, off: int) -> None:
        """All that is left, one unit less, or one more."""
        left = self.reference.left(user, feature, self.clock.now, grace=grace)
        if 0 < left + off < inf:
            self._record(user, feature, int(left) + off, "ADD", None, None)

    @rule(which=choice(*range(21)), more=choice(0, 0, 1))
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
                self.lines.append((entry.id, self.reference.names[user], self.reference.decided))

    @rule(user=user_names, feature=feature_names, delta=choice(1, 1, 2, 10, 0, -1))
    def check(self, user: str, feature: str, delta: int) -> None:
        now = self.clock.now
        mine, theirs = self.both(
            self.world.usage.check(TEST, user, feature, delta=delta),
            lambda: self.reference.check(user, feature, delta, now),
        )
        if mine is not None:
            assert (mine.access, described(mine.consumption), mine.affords) == theirs

    @rule(user=user_names, feature=feature_names, past=choice(24, 24, 3, 0))
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

    @rule(
        which=numbers, reset=resets, before=choice(0, 0, 0.001),
    )  # fmt: skip
    def clock_to_a_boundary(self, which: int, reset: str | None, before: float) -> None:
        """To the very millisecond at which a subscription, its trial or a period begins or ends, or the one before."""
        held = [held for subscriptions in self.reference.users.values() for held in subscriptions]
        if held:
            now = self.clock.now
            chosen = held[which % len(held)]
            moments = [chosen.start, chosen.ends, chosen.trial, chosen.period(reset, now)[1]]
            later = [moment for moment in moments if moment and moment > now]
            self.clock.now = max(now, min(later, default=now) - timedelta(seconds=before))

    @rule(seconds=choice(0.001, 1, 3_600, 86_400, 86_400 * 32))
    def clock_back(self, seconds: float) -> None:
        self.clock.advance(seconds=-seconds)


@pytest.fixture
def runner(patient: None) -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.mark.timeout(1800)
def test_random_histories_agree_with_the_reference(place: Place, runner: asyncio.Runner) -> None:
    """Whatever is done in whatever order, answers, refusals, errors, periods and totals are the reference's."""
    first = time.time_ns() if EXPLORES else 0
    live_all(Machine, lambda: Machine(place, runner), range(first, first + HISTORIES), steps=STEPS_OF_EACH)
