"""Kana once more, in plain dictionaries and with other means: what the real one is compared with.

Nothing of ``kana`` is imported. Usage is one dictionary. It is slow, keeps everything and trusts nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import inf
from typing import Any

from tests.reliability.accounts import (
    CLOCKS_APART,
    DAYS_MOST,
    NEVER,
    TOTAL_MAX,
    Accounts,
    Allowed,
    Held,
    Pot,
    Refused,
    period,
)


@dataclass
class Reference(Accounts):
    """What Kana should decide and show."""

    def _holding(self, user: str, feature: str, now: datetime) -> list[Allowed]:
        return self._allowed(user, [held for held in self.users[user] if held.stands(now)], feature, now)

    def _holding_at(self, user: str, feature: str, at: datetime) -> list[Allowed]:
        """What held then; else what began first within five minutes, and with it what began with it."""
        found = [held for held in self.users[user] if held.held(at)]
        for later in sorted({held.start for held in self.users[user] if at < held.start <= at + CLOCKS_APART}):
            if not self._packages(found, feature):
                found = [h for h in self.users[user] if h.start == later and h.held(later)]
        return self._allowed(user, found, feature, at)

    def _allowed(self, user: str, mine: list[Held], feature: str, moment: datetime) -> list[Allowed]:
        """What answers, and then what is added: packages that add, and top-ups. An override replaces what does not."""
        packages = self._packages(mine, feature)
        given = [g for g in self.given.get(self.names[user], []) if g.feature == feature and g.held(moment)]
        top_ups = [Allowed(each, each.limit, rank=2) for each in given if not each.override]
        for each in given:
            if each.override:
                highest = [one for one in packages if not self._adds(one, feature)]
                packages = [one for one in packages if self._adds(one, feature)]
                if not (each.denied and (packages or top_ups)):
                    held = highest[0].held if highest else each
                    new = Allowed(held, each.limit, each.overage, each.reset, until=each.ends, denied=each.denied)
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
            starts.insert(0, period(allowed.held.start, allowed.reset, starts[0] - timedelta(milliseconds=1))[0])
        room = most
        for start in starts[:-1]:
            place = (allowed.held.number, feature, allowed.reset, start)
            mine = (-allowed.held.number, *place[1:])
            used = self.used.get(mine, 0)
            rest = min(most, max(0, int(allowed.limit) - self.used.get(place, 0)))
            limit = min(rest, used + room)
            room -= max(0, limit - used)
            ends: datetime | None = start
            for _ in range(periods + 1):
                ends = period(allowed.held.start, allowed.reset, ends)[1] if ends else None
            since = period(allowed.held.start, allowed.reset, start)[1] or start
            if limit or used:
                pots.append(Pot(mine, 0, since, min(ends or NEVER, allowed.held.ends or NEVER), limit))
        return pots

    def record(
        self, user: str, feature: str, delta: int, action: str, key: str | None, at: datetime | None, now: datetime
    ) -> tuple[Any, ...]:
        if (action == "ADD" and delta == 0) or (action == "SET" and delta < 0):
            raise Refused("InvalidValue")
        self.user(user)
        self._check_feature(feature)
        content = (feature, delta, action, at)
        slot = (self.names[user], key or "")
        if key and slot in self.answers:
            first, answer = self.answers[slot]
            if first != content:
                raise Refused("IdempotencyKeyReused")
            return (*answer, "duplicate")
        if at is not None:
            begun = [held.start for held in self.users[user] if held.held(held.start)]
            if at > now + CLOCKS_APART or (begun and at < min(begun) - CLOCKS_APART):
                raise Refused("InvalidValue")
        found = self._holding(user, feature, now) if at is None else self._holding_at(user, feature, at)
        answer = self._decide(found, feature, delta, action, at or now)
        self.entries += 1
        if key:
            self.answers[slot] = (content, answer)
        return (*answer, "first")

    def _decide(self, found: list[Allowed], feature: str, delta: int, action: str, moment: datetime) -> tuple[Any, ...]:
        self.lines.append({})
        if not found:
            return ("NO_SUBSCRIPTION", 0, None)
        pots = self._pots(found, feature, moment)
        before = sum(self.used.get(pot.place, 0) for pot in pots)
        after = delta if action == "SET" else before + delta
        outcome = "RECORDED"
        if not (after >= 0 and (after <= before or after <= TOTAL_MAX) and self._fits(pots, after - before)):
            outcome = self._why(found[0].denied, before, after)
        if outcome == "RECORDED":
            self._post(pots, after - before)
        else:
            after = before
        shown = None if feature in self.binary else self._shown(after, pots)
        return (outcome, after - before, shown)

    def _why(self, denied: bool, before: int, after: int) -> str:
        if denied:
            return "DENIED"
        if after < 0:
            return "BELOW_ZERO"
        return "TOTAL_TOO_LARGE" if after > TOTAL_MAX else "LIMIT_EXCEEDED"

    def _fits(self, pots: list[Pot], change: int) -> bool:
        """Whether it goes into what is left of each, and their grace; what is beyond one takes nothing from others."""
        if change <= 0 or any(pot.overage for pot in pots):
            return True
        return change <= sum(max(0, pot.limit + pot.grace - self.used.get(pot.place, 0)) for pot in pots)

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
        in_order = sorted(pots, key=lambda pot: (pot.ends, pot.rank, pot.since, abs(pot.place[0])))
        if change == 0 or len(pots) == 1:
            self._move(pots[0].place, change, at_least_there=True)
            return
        left = change
        overage = next((pot for pot in [pots[0], *in_order] if pot.overage), None)
        for grace in (False, True):
            for pot in in_order:
                most = pot.limit + (pot.grace if grace and not overage else 0)
                if left > 0:
                    left -= self._move(pot.place, max(0, min(left, most - self.used.get(pot.place, 0))))
        for beyond in (True, False):
            for pot in in_order[::-1]:
                there = self.used.get(pot.place, 0) - (pot.limit if beyond else 0)
                if left < 0 and there > 0:
                    left += self._move(pot.place, -min(-left, int(there)))
        if left:
            self._move((overage or pots[0]).place, left)

    def _move(self, place: Any, part: float, *, at_least_there: bool = False) -> int:
        """Move one counter; return by how much, whichever way. One that never moved is not there."""
        if part or at_least_there:
            self.used[place] = self.used.get(place, 0) + int(part)
            self.lines[-1][place] = self.lines[-1].get(place, 0) + int(part)
        return abs(int(part))

    def reverse(self, line: int) -> tuple[Any, ...]:
        """Undo a line where it moved something, once; refused where what it took has been given back."""
        if line in self.reversed:
            return ("RECORDED", self.reversed[line], "duplicate")
        moved = {place: part for place, part in self.lines[line].items() if part}
        if not moved or line in self.reversed.values() or self.lines[line].get("reverses"):  # type: ignore[call-overload]
            raise Refused("InvalidValue")
        self.entries += 1
        self.lines.append({"reverses": 1})  # type: ignore[dict-item]
        for place, part in moved.items():
            total = self.used.get(place, 0) - part
            if not 0 <= total <= TOTAL_MAX:
                return ("BELOW_ZERO" if total < 0 else "TOTAL_TOO_LARGE", 0, "first")
        for place, part in moved.items():
            self.used[place] -= part
        change = -sum(moved.values())
        self.reversed[line] = change
        return ("RECORDED", change, "first")

    def check(self, user: str, feature: str, delta: int, now: datetime) -> tuple[Any, ...]:
        if delta < 1:
            raise Refused("InvalidValue")
        self.user(user)
        self._check_feature(feature)
        found = self._holding(user, feature, now)
        if not found:
            return (False, None)
        pots = self._pots(found, feature, now)
        used = sum(self.used.get(pot.place, 0) for pot in pots)
        access = used + delta <= TOTAL_MAX and self._fits(pots, delta)
        return (access, None if feature in self.binary else self._shown(used, pots))

    def show(self, user: str, feature: str, past: int, now: datetime) -> tuple[Any, list[Any]]:
        self.user(user)
        self._check_feature(feature)
        if feature in self.binary:
            return (None, [])
        now = self.time(user, now)
        found = self._holding(user, feature, now)
        finished: list[tuple[Any, ...]] = []
        for held in self.users[user]:
            if feature in self.packages[held.package]["features"]:
                answers = bool(found) and found[0].held is held
                finished += self._finished(held, feature, past, now, answers=answers)
        finished.sort(key=lambda line: line[0], reverse=True)
        current = None
        if found:
            start, end = found[0].period(now)
            pots = self._pots(found, feature, now)
            used = sum(self.used.get(pot.place, 0) for pot in pots)
            current = (start, end, *self._shown(used, pots))
        return (current, finished[:past])

    def _finished(self, held: Held, feature: str, past: int, now: datetime, *, answers: bool) -> list[tuple[Any, ...]]:
        limit, overage, reset, *_ = self.packages[held.package]["features"][feature]
        last = min(held.ends, now) if held.ends else now
        ended = held.ends is not None and held.ends <= now
        lines: list[tuple[Any, ...]] = []
        long_ago = timedelta() if reset is None else (past + 2) * timedelta(days=DAYS_MOST[reset])
        start, end = period(held.start, reset, max(held.start, last - long_ago))
        while start < last and (ended or (end is not None and end <= last)):
            used = self.used.get((held.number, feature, reset, start))
            lines.append((start, min(end, last) if end else last, used, limit, overage))
            if end is None:
                break
            start, end = period(held.start, reset, end)
        newest = lines[::-1][:past]
        if held.ends and not answers:  # What was counted after it: told to happen ahead, or from a clock that is.
            start, _ = period(held.start, reset, max(held.start, held.ends + CLOCKS_APART))
            if start >= held.ends:
                newest.append((start, start, self.used.get((held.number, feature, reset, start)), limit, overage))
        return [(a, b, used or 0, c, d) for a, b, used, c, d in newest if answers or used is not None]
