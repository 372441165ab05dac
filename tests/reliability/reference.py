"""Kana once more, in plain dictionaries and with other means: what the real one is compared with.

Nothing of ``kana`` is imported. Usage is one dictionary. It is slow, keeps everything and trusts nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from math import inf
from typing import Any

from tests.reliability.accounts import CLOCKS_APART, NEVER, TOTAL_MAX, Allowed, Held, Hold, Place, Pot, Refused
from tests.reliability.periods import MILLISECOND
from tests.reliability.subscribing import Subscribing


@dataclass
class Reference(Subscribing):
    """What Kana should decide and show. ``decided`` is the first line of what was decided last."""

    decided: int = 0

    def _holding(self, user: str, feature: str, now: datetime) -> list[Allowed]:
        packages = self._packages([held for held in self.users[user] if held.gives(now)], feature)
        return self._allowed(user, packages, feature, now)

    def _holding_at(self, user: str, feature: str, at: datetime, now: datetime) -> list[Allowed]:
        """What held then; else what began first within five minutes, and with it what began with it.

        What was given a later start begins exactly then.
        """
        mine = self.users[user]
        found = [held for held in mine if held.held(at)]
        near = [held for held in mine if not held.scheduled and at < held.start <= at + CLOCKS_APART]
        for later in sorted({held.start for held in near}):
            if not self._packages(found, feature):
                found = [held for held in near if held.start == later and held.held(later)]
        shared = {held.number: self._shared(held, mine, feature, at, now) for held in found}
        return self._allowed(user, self._packages(found, feature, shared), feature, at)

    def _shared(self, held: Held, mine: list[Held], feature: str, at: datetime, now: datetime) -> Any:
        """The most generous limit of all that count in the same total by now, because it is what all of them allowed.

        What an earlier period left is only known of one that is held to its own limit.
        """
        own = self.packages[held.package]["features"].get(feature)
        if own is None:
            return None
        start, end = held.period(own[2], at)
        best = own
        for each in mine:
            other = self.packages[each.package]["features"].get(feature)
            if (
                other and (each.counts_as, other[2]) == (held.counts_as, own[2]) and each.held(each.start)
                and each.start <= now and each.meets(start, end)
            ):  # fmt: skip
                best = max(best, other, key=lambda terms: (inf if terms[0] is None else terms[0], terms[1]))
        limit, overage, reset, _, _, grace, _ = best
        return (limit, overage, reset, own[3], own[4] if best == own else None, grace, own[6])

    def _allowed(self, user: str, packages: list[Allowed], feature: str, moment: datetime) -> list[Allowed]:
        """What answers, and then what is added: packages that add, and top-ups. An override replaces what does not."""
        given = [g for g in self.given.get(self.names[user], []) if g.feature == feature and g.held(moment)]
        top_ups = [Allowed(each, each.limit, rank=2) for each in given if not each.override]
        for each in given:
            if each.override:
                highest = [one for one in packages if not self._adds(one, feature)]
                packages = [one for one in packages if self._adds(one, feature)]
                if not (each.denied and (packages or top_ups)):
                    held = highest[0].held if highest else each
                    new = Allowed(held, each.limit, each.overage, each.reset, until=each.ends, denied=each.denied,
                                  replaces=True, cost=highest[0].cost if highest else None)  # fmt: skip
                    packages.insert(0, new)
        return packages + top_ups

    def _adds(self, allowed: Allowed, feature: str) -> bool:
        return bool(self.packages[allowed.held.package]["features"][feature][3])

    def _pots(self, found: list[Allowed], feature: str, moment: datetime) -> list[Pot]:
        """The pots of what was found, in that order, and then what their earlier periods left."""
        pots = [each.pot(feature, moment) for each in found]
        for each in found:
            if each.rollover:
                pots += self._carried(each, feature, moment, *each.rollover)
        return pots

    def _carried(self, allowed: Allowed, feature: str, moment: datetime, most: int, periods: int) -> list[Pot]:
        """A pot for what each of the last periods left, the oldest first, together no more than so much left."""
        pots: list[Pot] = []
        starts = [allowed.period(moment)[0]]
        while len(starts) <= periods and starts[0] > allowed.held.start:
            starts.insert(0, allowed.period(starts[0] - MILLISECOND)[0])
        room = most
        for start in starts[:-1]:
            place = (allowed.held.counts_as, feature, allowed.reset, start)
            mine = (-allowed.held.counts_as, *place[1:])
            spent = sum(self._taken(each) for each in (place, *allowed.held.counting_in(place)))
            rest = min(most, max(0, int(allowed.limit) - spent))
            limit = min(rest, self._taken(mine) + room)
            room -= max(0, limit - self._taken(mine))
            ends: datetime | None = start
            for _ in range(periods + 1):
                ends = allowed.period(ends)[1] if ends else None
            since = allowed.period(start)[1] or start
            if limit or self._taken(mine):
                pots.append(Pot(mine, 0, since, min(ends or NEVER, allowed.held.ends or NEVER), limit))
        return pots

    def record(
        self, user: str, feature: str, delta: int, action: str, key: str | None, at: datetime | None, now: datetime
    ) -> tuple[Any, ...]:
        if (action == "ADD" and delta == 0) or (action == "SET" and delta < 0):
            raise Refused("InvalidValue")
        self.user(user)
        self.let_go_what_ended(user, now)
        self._check_feature(feature)
        content = (feature, delta, action, at)
        earlier = self._answered(user, key, content)
        if earlier is not None:
            return (*earlier, "duplicate")
        self._check_time(user, at, now)
        self.decided = len(self.lines)
        answer = self._answer(user, feature, delta, action, at, now)
        self._remember(user, key, content, answer)
        return (*answer, "first")

    def _answer(
        self, user: str, feature: str, delta: int, action: str, at: datetime | None, now: datetime
    ) -> tuple[Any, ...]:
        return self._decide(self._found(user, feature, at, now), feature, delta, action, at or now)

    def _answered(self, user: str, key: str | None, content: Any) -> Any:
        """The first answer to a key; None if it is new."""
        first, answer = self.answers.get((self.names[user], key or ""), (content, None))
        if first != content:
            raise Refused("IdempotencyKeyReused")
        return answer

    def _remember(self, user: str, key: str | None, content: Any, answer: Any) -> None:
        if key:
            self.answers[self.names[user], key] = (content, answer)

    def _check_time(self, user: str, at: datetime | None, now: datetime) -> None:
        if at is not None:
            begun = [held.start for held in self.users[user] if held.held(held.start) and held.begun(now)]
            if at > now + CLOCKS_APART or (begun and at < min(begun) - CLOCKS_APART):
                raise Refused("InvalidValue")

    def _found(self, user: str, feature: str, at: datetime | None, now: datetime) -> list[Allowed]:
        return self._holding(user, feature, now) if at is None else self._holding_at(user, feature, at, now)

    def _decide(self, found: list[Allowed], feature: str, delta: int, action: str, moment: datetime) -> tuple[Any, ...]:
        self._write({})
        if not found:
            return ("NO_SUBSCRIPTION", 0, None)
        pots = self._pots(found, feature, moment)
        before = sum(map(self._used, pots))
        after = delta if action == "SET" else before + delta
        outcome = self._judge(found, pots, after - before)
        if outcome == "RECORDED":
            self._post(pots, after - before)
        else:
            after = before
        shown = None if feature in self.binary else self._shown(after, pots)
        return (outcome, after - before, shown)

    def _write(self, line: dict[Any, int]) -> None:
        """A line of the ledger, with what it moves."""
        self.entries += 1
        self.lines.append(line)

    def _judge(self, found: list[Allowed], pots: list[Pot], change: int) -> str:
        used, held = sum(map(self._used, pots)), sum(map(self._held, pots))
        is_too_large = change > 0 and used + held + change > TOTAL_MAX
        if used + change >= 0 and not is_too_large and self._fits(pots, change):
            return "RECORDED"
        if found[0].denied:
            return "DENIED"
        if used + change < 0:
            return "BELOW_ZERO"
        return "TOTAL_TOO_LARGE" if is_too_large else "LIMIT_EXCEEDED"

    def _fits(self, pots: list[Pot], change: int) -> bool:
        """Whether it goes into what is left of each, and their grace; what is beyond one takes nothing from others."""
        if change <= 0 or any(pot.overage for pot in pots):
            return True
        return change <= sum(max(0, pot.limit + pot.grace - self._used(pot) - self._held(pot)) for pot in pots)

    def _shown(self, used: int, pots: list[Pot]) -> tuple[Any, ...]:
        limit = sum(pot.limit for pot in pots)
        return (
            min(used, TOTAL_MAX),
            None if limit == inf else min(limit, TOTAL_MAX),
            any(pot.overage for pot in pots),
        )

    def _post(self, pots: list[Pot], change: int) -> None:
        """In the order in which they end, then by rank, the older first; then the one with overage, or each grace.

        Back the other way round, what is beyond first.
        """
        if change > 0:
            for place, part in self._taken_from(pots, change):
                self._move(place, part)
            return
        in_order = sorted(pots, key=lambda pot: (pot.ends, pot.rank, pot.since, abs(pot.place[0])))
        if change == 0 or (len(pots) == 1 and not pots[0].others):
            self._move(pots[0].place, change, at_least_there=True)
            return
        left = -change
        for beyond in (True, False):
            for pot in in_order[::-1]:
                there = min(self._used(pot) + self._held(pot) - pot.limit if beyond else inf, self._used(pot))
                if left > 0 and there > 0:
                    left -= self._give_back(pot, min(left, int(there)))
        if left:
            self._move(pots[0].place, -left)

    def _taken_from(self, pots: list[Pot], units: int) -> list[tuple[Place, int]]:
        """How many units are taken from which number, whether they are used or set aside."""
        in_order = sorted(pots, key=lambda pot: (pot.ends, pot.rank, pot.since, abs(pot.place[0])))
        taken: dict[Place, int] = {pot.place: 0 for pot in in_order}
        overage = next((pot for pot in [pots[0], *in_order] if pot.overage), None)
        for grace in (False, True):
            for pot in in_order:
                most = pot.limit + (pot.grace if grace and not overage else 0)
                part = max(0, min(units, most - self._used(pot) - self._held(pot) - taken[pot.place]))
                taken[pot.place] += int(part)
                units -= int(part)
        taken[(overage or pots[0]).place] += units
        return [(place, part) for place, part in taken.items() if part]

    def _held(self, pot: Pot) -> int:
        return sum(self._set_aside(each) for each in (pot.place, *pot.others))

    def _set_aside(self, place: Place) -> int:
        return sum(hold.sets_aside(place, self.now) for hold in self.holds)

    def _taken(self, place: Place) -> int:
        return self.used.get(place, 0) + self._set_aside(place)

    def let_go_what_ended(self, user: str, now: datetime) -> None:
        """Whatever is written for a user, what had ended is let go before, with a line for each feature."""
        self.now = now
        for hold in self.holds:
            if hold.owner == self.names[user] and hold.over is None and hold.ends <= now:
                self.let_go(hold, "ENDED")

    def let_go(self, hold: Hold, why: str) -> None:
        for line in hold.lines.values():
            if any(part for _, part in line):
                self._write({})
            self._keep([(place, -part) for place, part in line if part])
            line[:] = [(place, 0) for place, _ in line]
        hold.over = why

    def _keep(self, parts: list[tuple[Place, int]]) -> None:
        for place, part in parts:
            self.kept[place] = self.kept.get(place, 0) + part

    def _used(self, pot: Pot) -> int:
        return sum(self.used.get(each, 0) for each in (pot.place, *pot.others))

    def _give_back(self, pot: Pot, units: int) -> int:
        """Its own first, and then what counts in with it."""
        rest = units
        for place in (pot.place, *pot.others):
            rest -= self._move(place, -max(0, min(rest, self.used.get(place, 0))))
        return units

    def _move(self, place: Any, part: float, *, at_least_there: bool = False) -> int:
        """Move one counter; return by how much, whichever way. One that never moved is not there."""
        if part or at_least_there:
            self.used[place] = self.used.get(place, 0) + int(part)
            self.lines[-1][place] = self.lines[-1].get(place, 0) + int(part)
        return abs(int(part))

    def reverse(self, user: str, line: int, now: datetime) -> tuple[Any, ...]:
        """Undo a line where it moved something, once; refused where what it took has been given back."""
        self.let_go_what_ended(user, now)
        if line in self.reversed:
            return ("RECORDED", self.reversed[line], "duplicate")
        moved = {place: part for place, part in self.lines[line].items() if part}
        if not moved or self.lines[line].get("reverses"):  # type: ignore[call-overload]
            raise Refused("InvalidValue")
        self._write({"reverses": 1})
        for place, part in moved.items():
            total = self.used.get(place, 0) - part
            if not 0 <= total <= TOTAL_MAX:
                return ("BELOW_ZERO" if total < 0 else "TOTAL_TOO_LARGE", 0, "first")
        for place, part in moved.items():
            self.used[place] -= part
        change = -sum(moved.values())
        self.reversed[line] = change
        return ("RECORDED", change, "first")

    def left(self, user: str, feature: str, now: datetime, *, grace: bool) -> float:
        """How much may still be used, without the grace or with it; infinity where nothing prevents more."""
        if user not in self.users:
            return 0
        self.now = now
        pots = self._pots(self._holding(user, feature, now), feature, now)
        if any(pot.overage for pot in pots):
            return inf
        return sum(max(0, pot.limit + pot.grace * grace - self._used(pot) - self._held(pot)) for pot in pots)

    def check(self, user: str, feature: str, delta: int, now: datetime) -> tuple[Any, ...]:
        if delta < 1:
            raise Refused("InvalidValue")
        self.user(user)
        self._check_feature(feature)
        self.now = now
        found = self._holding(user, feature, now)
        if not found:
            return (False, None, None)
        pots, rate = self._pots(found, feature, now), found[0].cost
        access = self._judge(found, pots, delta) == "RECORDED"
        shown = None if feature in self.binary else self._shown(sum(map(self._used, pots)), pots)
        if not rate:
            return (access, shown, None)
        paying = self._holding(user, "token", now)
        access &= bool(paying) and self._judge(paying, self._pots(paying, "token", now), delta * rate) == "RECORDED"
        left = self.left(user, "token", now, grace=True)
        return (access, shown, None if left == inf else left // rate)

    def show(self, user: str, feature: str, past: int, now: datetime) -> tuple[Any, list[Any]]:
        self.user(user)
        self._check_feature(feature)
        if feature in self.binary:
            return (None, [])
        now = self.now = self.time(user, now)
        found = self._holding(user, feature, now)
        answering, running = found[0].held if found else None, set()
        finished: dict[Any, tuple[Any, ...]] = {}
        for held in self.users[user]:
            terms = self.packages[held.package]["features"].get(feature)
            if terms and not (held.scheduled and held.ends and held.ends <= held.start):
                limit, overage, reset, *_ = terms
                for start, shown in self._finished(held, reset, past, now, answers=held is answering):
                    place = (held.counts_as, feature, reset, start)
                    used = self.used.get(place)
                    if held is answering or used is not None:
                        finished[place] = (*shown, used or 0, limit, overage)
                if held.gives(now):
                    running.add((held.counts_as, feature, reset, held.period(reset, now)[0]))
        lines = [line for place, line in finished.items() if place not in running]
        lines.sort(key=lambda line: line[0], reverse=True)
        current = None
        if found:
            start, end = found[0].period(now)
            pots = self._pots(found, feature, now)
            used = sum(map(self._used, pots))
            current = (start, end, *self._shown(used, pots))
        return (current, lines[:past])

    def _finished(self, held: Held, reset: str | None, past: int, now: datetime, *, answers: bool) -> list[Any]:
        """When its periods began as they are counted, and from when until when they are shown."""
        found: list[Any] = []
        if held.ends and not answers:  # What was counted after it: told to happen ahead, or from a clock that is.
            start, _ = held.period(reset, held.ends + CLOCKS_APART)
            if start >= held.ends:
                found.append((start, (start, start)))
        last = held.ends if held.ends and held.ends <= now else now
        start, _ = held.period(reset, last)
        lines = [(start, (start, last))] if last is held.ends and start < last else []
        start, _ = held.period(reset, max(held.start, last))
        while start > held.start and len(lines) < past:
            before, end = held.period(reset, start - MILLISECOND)
            lines.append((before, (before, end or last)))
            start = before
        return found + lines[:past]
