"""What the state machine does with several features at once, and with what is set aside."""

from __future__ import annotations

from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

from kana.errors import KanaError
from kana.model.consuming import Consume
from kana.model.line import Line
from tests.reliability.accounts import Hold
from tests.reliability.doing import Doing, later
from tests.reliability.draws import described, keys, lateness, numbers, some_lines, user_names, yes_or_no
from tests.reliability.driving import choice, rule
from tests.reliability.reserving import Lines
from tests.support.world import TEST

ttls = choice(1, 60, 3_600, 86_400)


def _lines(lines: Lines) -> list[Line]:
    return [Line(feature, units) for feature, units in lines.items()]


class SettingAside(Doing):
    """Does everything twice, and compares: consume, reserve, settle, release, extend."""

    @rule(user=user_names, lines=some_lines, key=keys, late=lateness)
    def consume(self, user: str, lines: Lines, key: str | None, late: float | None) -> None:
        self._consume(user, lines, key, later(self.clock.now, late), None)

    @rule(often=2, user=user_names, lines=some_lines, key=keys, ttl=ttls)
    def reserve(self, user: str, lines: Lines, key: str | None, ttl: int) -> None:
        self._consume(user, lines, key, None, ttl)

    @rule(which=choice(*range(21)), more=choice(0, 0, 1))
    def same_lines_again(self, which: int, more: int) -> None:
        """A call that was made before, with its key, word for word or with another amount."""
        if self.consumed:
            user, lines, key, at, ttl = self.consumed[which % len(self.consumed)]
            if max(lines.values()) < 100:
                self._consume(user, {feature: units + more for feature, units in lines.items()}, key, at, ttl)

    def _consume(self, user: str, lines: Lines, key: str | None, at: Any, ttl: int | None) -> None:
        now = self.clock.now
        request = Consume(
            environment=TEST, user_id=user, lines=_lines(lines), key=key, timestamp=at,
            ttl=None if ttl is None else timedelta(seconds=ttl),
        )  # fmt: skip
        if key is not None:
            self.consumed.append((user, lines, key, at, ttl))
        tried = None
        with suppress(KanaError):
            tried = self.wait(self.world.engine.reserving.try_out(request))
        count = len(self.reference.holds)
        mine = self._compare_lines(
            self.world.engine.reserving.consume(request),
            lambda: self.reference.consume(user, lines, key, at, ttl, now),
            user,
        )
        if mine is not None and not mine.duplicate:
            assert tried is not None
            assert [replace(each, entry_id=None) for each in mine.lines] == list(tried.lines)
        if mine is not None and len(self.reference.holds) > count:
            assert mine.reservation.ends_at == self.reference.holds[-1].ends
            self.reservations.append(mine.reservation.id)

    @rule(often=2, which=numbers, lines=some_lines, final=yes_or_no, key=choice(None, None, None, "s1"))
    def settle(self, which: int, lines: Lines, final: bool, key: str | None) -> None:
        """Of one feature or several, fewer units or more, and of features of which nothing is set aside."""
        found = self._hold(which)
        if found is not None:
            number, hold, user, now = *found, self.clock.now

            async def real() -> Any:
                engine = self.world.engine.reserving
                return (await engine.settle(TEST, number, _lines(lines), is_final=final, key=key)).answer

            self._compare_lines(real(), lambda: self.reference.settle(user, hold, lines, key, now, final=final), user)

    @rule(often=2, which=numbers, off=choice(-1, 0, 0, 2))
    def settle_all(self, which: int, off: int) -> None:
        """Just what is set aside, or of each feature one unit less or some more."""
        found = self._hold(which)
        if found is not None:
            held = {name: line for (name, cost_of), line in found[1].lines.items() if cost_of is None}
            units = {name: sum(part for _, part in line) + off for name, line in held.items()}
            self.settle(
                which, {name: min(max(0, number), 2**53 - 1) for name, number in units.items()}, final=True, key=None
            )

    @rule(which=numbers)
    def release(self, which: int) -> None:
        found = self._hold(which)
        if found is not None:
            number, hold, user, now = *found, self.clock.now
            real = self.world.engine.reserving.release(TEST, number)
            self.both(real, lambda: self.reference.release(user, hold, now))

    @rule(which=numbers, ttl=ttls)
    def extend(self, which: int, ttl: int) -> None:
        found = self._hold(which)
        if found is not None:
            number, hold, user, now = *found, self.clock.now
            real = self.world.engine.reserving.extend(TEST, number, ttl=timedelta(seconds=ttl))
            mine, _ = self.both(real, lambda: self.reference.extend(user, hold, ttl, now))
            assert mine is None or mine.reservation.ends_at == hold.ends

    @rule(which=numbers, before=choice(0, 0, 0.001))
    def clock_to_an_end(self, which: int, before: float) -> None:
        """To the moment at which something that is set aside ends, or just before."""
        found = self._hold(which)
        if found is not None:
            self.clock.now = max(self.clock.now, found[1].ends - timedelta(seconds=before))

    def _hold(self, which: int) -> tuple[int, Hold, str] | None:
        """One of the newest reservations, and whose it is."""
        if not self.reservations:
            return None
        number = -1 - which % min(3, len(self.reservations))
        hold = self.reference.holds[number]
        user = next(name for name, owner in self.reference.names.items() if owner == hold.owner)
        return self.reservations[number], hold, user

    def _compare_lines(self, real: Coroutine[Any, Any, Any], expected: Any, user: str) -> Any:
        mine, theirs = self.both(real, expected)
        if mine is None:
            return None
        found = [(each.outcome.value, described(each.consumption)) for each in mine.lines]
        assert (found, "duplicate" if mine.duplicate else "first") == theirs
        if not mine.duplicate:
            for number, each in enumerate(mine.lines, self.reference.decided):
                self.lines.append((each.entry_id, self.reference.names[user], number))
        return mine
