"""Kana once more, in plain dictionaries and with other means: what the real one is compared with.

Nothing of ``kana`` is imported. Periods come from dateutil, limits are plain numbers, and
usage is one dictionary. It is slow, keeps everything and trusts nobody.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any

from dateutil.relativedelta import relativedelta

STEPS = {
    "HOUR": relativedelta(hours=1),
    "DAY": relativedelta(days=1),
    "WEEK": relativedelta(weeks=1),
    "MONTH": relativedelta(months=1),
    "QUARTER": relativedelta(months=3),
    "YEAR": relativedelta(years=1),
}
"""The shorter first."""
DAYS_MOST = {"HOUR": 1 / 24, "DAY": 1, "WEEK": 7, "MONTH": 31, "QUARTER": 92, "YEAR": 366}
TOTAL_MAX = 2**53 - 1
CLOCKS_APART = timedelta(minutes=5)
NEVER = datetime.max.replace(tzinfo=UTC)


class Refused(Exception):
    """An error of this name is to be raised."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@dataclass
class Held:
    """A subscription."""

    number: int
    package: str
    start: datetime
    ends: datetime | None = None
    over: bool = False

    def stands(self, now: datetime) -> bool:
        return not self.over and not (self.ends and self.ends <= now)

    def held(self, moment: datetime) -> bool:
        return self.start <= moment and (self.ends is None or moment < self.ends)


@dataclass
class Grant:
    """What a subscription allows of a feature; a limit of infinity is none."""

    held: Held
    limit: float
    overage: bool
    reset: str | None

    def place(self, feature: str, moment: datetime) -> tuple[int, str, str | None, datetime]:
        """Where it is counted what is used at a moment."""
        return (self.held.number, feature, self.reset, self._period(moment)[0])

    def ends(self, moment: datetime) -> datetime:
        """When what is left of it is lost."""
        return min(self._period(moment)[1] or NEVER, self.held.ends or NEVER)

    def _period(self, moment: datetime) -> tuple[datetime, datetime | None]:
        return period(self.held.start, self.reset, max(moment, self.held.start))


@dataclass
class Reference:
    """All that Kana should remember."""

    binary: set[str] = field(default_factory=lambda: {"chat"})
    packages: dict[str, dict[str, Any]] = field(default_factory=dict)
    users: dict[str, list[Held]] = field(default_factory=dict)
    used: dict[tuple[int, str, str | None, datetime], int] = field(default_factory=dict)
    answers: dict[tuple[int, str], tuple[Any, Any]] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=dict)
    people: int = 0
    entries: int = 0
    subscriptions: int = 0

    # --- catalogue

    def create_package(self, name: str, *, addon: bool, bases: list[str], features: dict[str, Any]) -> None:
        if name in self.packages:
            raise Refused("Conflict")
        for base in bases:
            if base not in self.packages:
                raise Refused("PackageNotFound")
            if self.packages[base]["addon"]:
                raise Refused("InvalidValue")
        self.packages[name] = {"status": "DRAFT", "addon": addon, "bases": bases, "features": dict(features)}

    def move_package(self, name: str, *, to: str) -> None:
        package = self.package(name)
        if package["status"] in {"PUBLISHED": ("ARCHIVED",), "ARCHIVED": ("DRAFT",), "UNARCHIVED": ("DRAFT",)}[to]:
            raise Refused("Conflict")
        package["status"] = "PUBLISHED" if to == "UNARCHIVED" else to

    def change_features(self, name: str, features: dict[str, Any], *, confirmed: bool) -> None:
        package = self.package(name)
        if package["status"] == "ARCHIVED" or (package["status"] == "PUBLISHED" and not confirmed):
            raise Refused("Conflict")
        package["features"] = dict(features)

    def package(self, name: str) -> dict[str, Any]:
        if name not in self.packages:
            raise Refused("PackageNotFound")
        return self.packages[name]

    # --- users and subscriptions

    def create_user(self, name: str) -> None:
        if name in self.users:
            raise Refused("Conflict")
        self.users[name] = []
        self.people += 1
        self.names[name] = self.people

    def rename_user(self, old: str, new: str) -> None:
        self.user(old)
        if new in self.users and new != old:
            raise Refused("Conflict")
        self.users[new] = self.users.pop(old)
        self.names[new] = self.names.pop(old)

    def user(self, name: str) -> list[Held]:
        if name not in self.users:
            raise Refused("UserNotFound")
        return self.users[name]

    def time(self, user: str, clock: datetime) -> datetime:
        """Never before what was done to the user earlier, wherever the clock was set meanwhile."""
        done = [held.start for held in self.user(user)] + [held.ends for held in self.user(user) if held.over]
        return max(clock, *[moment for moment in done if moment]) if any(done) else clock

    def subscribe(self, user: str, names: list[str], now: datetime) -> list[Held]:
        now = self.time(user, now)
        mine = [held for held in self.user(user) if held.stands(now)]
        if not names or any(self.packages.get(name, {}).get("status") != "PUBLISHED" for name in names):
            raise Refused("SubscriptionRefused")
        bases = [held.package for held in mine if not self.packages[held.package]["addon"]]
        bases += [name for name in names if not self.packages[name]["addon"]]
        addons = [held.package for held in mine if self.packages[held.package]["addon"]]
        if len(bases) > 1:
            raise Refused("SubscriptionRefused")
        for name in names:
            if self.packages[name]["addon"]:
                tied = self.packages[name]["bases"]
                if not bases or (tied and bases[0] not in tied) or name in addons:
                    raise Refused("SubscriptionRefused")
                addons.append(name)
        ends = next((held.ends for held in mine if not self.packages[held.package]["addon"]), None)
        return [self._new(user, name, now, ends) for name in names]

    def _new(self, user: str, package: str, now: datetime, ends: datetime | None = None) -> Held:
        self.subscriptions += 1
        held = Held(self.subscriptions, package, now, ends)
        self.users[user].append(held)
        return held

    def change_base(self, user: str, name: str, now: datetime) -> Held:
        now = self.time(user, now)
        mine = [held for held in self.user(user) if held.stands(now)]
        package = self.packages.get(name)
        if package is None or package["status"] != "PUBLISHED" or package["addon"]:
            raise Refused("SubscriptionRefused")
        old = [held for held in mine if not self.packages[held.package]["addon"]]
        left_behind = [
            h for h in mine if self.packages[h.package]["bases"] and name not in self.packages[h.package]["bases"]
        ]
        if not old or old[0].package == name or left_behind:
            raise Refused("SubscriptionRefused")
        old[0].ends, old[0].over = now, True
        return self._new(user, name, now)

    def cancel(self, user: str, number: int, now: datetime, *, at_period_end: bool) -> None:
        held = self.users[user][number]
        if not held.stands(now):
            return
        now = self.time(user, now)
        if not held.stands(now):
            return
        ends = now
        if at_period_end:
            resets = {reset for _, _, reset, _ in self.packages[held.package]["features"].values()}
            longest = next((reset for reset in reversed(STEPS) if reset in resets), None)
            if longest is None:
                raise Refused("Conflict")
            ends = period(held.start, longest, max(now, held.start))[1] or now
        ending = [held]
        if not self.packages[held.package]["addon"]:
            ending += [h for h in self.users[user] if h.stands(now) and self.packages[h.package]["addon"]]
        for each in ending:
            if each.ends is None or each.ends > ends:
                each.ends, each.over = ends, ends <= now

    # --- usage

    def _holding(self, user: str, feature: str, now: datetime) -> list[Grant]:
        return self._grants([held for held in self.users[user] if held.stands(now)], feature)

    def _holding_at(self, user: str, feature: str, at: datetime) -> list[Grant]:
        """What held then; else what began first within five minutes, and with it what began with it."""
        found = self._grants([held for held in self.users[user] if held.held(at)], feature)
        for later in sorted({held.start for held in self.users[user] if at < held.start <= at + CLOCKS_APART}):
            found = found or self._grants([h for h in self.users[user] if h.start == later and h.held(later)], feature)
        return found

    def _grants(self, mine: list[Held], feature: str) -> list[Grant]:
        """What answers, and then what adds to it: the best of those that do not add, or else of those that do."""
        highest: list[tuple[Any, Grant]] = []
        adding: list[tuple[Any, Grant]] = []
        for held in mine:
            package = self.packages[held.package]
            if feature in package["features"]:
                limit, overage, reset, adds = package["features"][feature]
                limit = inf if limit is None else limit
                rank = (-limit, not overage, package["addon"], held.number)
                (adding if adds else highest).append((rank, Grant(held, limit, overage, reset)))
        best = min(highest or adding, default=None, key=lambda each: each[0])
        return [best[1], *(each for rank, each in adding if rank != best[0])] if best else []

    def _check_feature(self, feature: str) -> None:
        if feature not in {"message", "chat"}:
            raise Refused("FeatureNotFound")

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

    def _decide(self, found: list[Grant], feature: str, delta: int, action: str, moment: datetime) -> tuple[Any, ...]:
        if not found:
            return ("NO_SUBSCRIPTION", 0, None)
        limit, overage = sum(each.limit for each in found), any(each.overage for each in found)
        before = sum(self.used.get(each.place(feature, moment), 0) for each in found)
        after = delta if action == "SET" else before + delta
        outcome = "RECORDED"
        if after < 0:
            outcome = "BELOW_ZERO"
        elif after > before and after > TOTAL_MAX:
            outcome = "TOTAL_TOO_LARGE"
        elif after > before and after > limit and not overage:
            outcome = "LIMIT_EXCEEDED"
        if outcome == "RECORDED":
            self._post(found, feature, after - before, moment)
        else:
            after = before
        shown = None if feature in self.binary else self._shown(after, found)
        return (outcome, after - before, shown)

    def _shown(self, used: int, found: list[Grant]) -> tuple[Any, ...]:
        limit = sum(each.limit for each in found)
        return (
            min(used, TOTAL_MAX),
            None if limit == inf else min(limit, TOTAL_MAX),
            any(each.overage for each in found),
        )

    def _post(self, found: list[Grant], feature: str, change: int, moment: datetime) -> None:
        """In the order in which they end, the older first; what is beyond all from one with overage, if it answers it.

        Back the other way round, what is beyond first.
        """
        in_order = sorted(found, key=lambda each: (each.ends(moment), each.held.start, each.held.number))
        places = [each.place(feature, moment) for each in in_order]
        if change == 0 or len(found) == 1:
            self.used[found[0].place(feature, moment)] = self.used.get(found[0].place(feature, moment), 0) + change
            return
        left = change
        for each, place in zip(in_order, places, strict=True):
            part = max(0, min(left, each.limit - self.used.get(place, 0)))
            left -= self._move(place, part) if left > 0 else 0
        for beyond in (True, False):
            for each, place in zip(in_order[::-1], places[::-1], strict=True):
                there = self.used.get(place, 0) - (each.limit if beyond else 0)
                if left < 0 and there > 0:
                    left += self._move(place, -min(-left, int(there)))
        if left:
            takes = next((each for each in [found[0], *in_order] if each.overage), found[0])
            self._move(takes.place(feature, moment), left)

    def _move(self, place: Any, part: float) -> int:
        """Move one counter; return by how much, whichever way. One that never moved is not there."""
        if part:
            self.used[place] = self.used.get(place, 0) + int(part)
        return abs(int(part))

    def check(self, user: str, feature: str, delta: int, now: datetime) -> tuple[Any, ...]:
        if delta < 1:
            raise Refused("InvalidValue")
        self.user(user)
        self._check_feature(feature)
        found = self._holding(user, feature, now)
        if not found:
            return (False, None)
        if feature in self.binary:
            return (True, None)
        used = sum(self.used.get(each.place(feature, now), 0) for each in found)
        fits = used + delta <= min(TOTAL_MAX, sum(each.limit for each in found))
        overage = any(each.overage for each in found) and used + delta <= TOTAL_MAX
        return (overage or fits, self._shown(used, found))

    def show(self, user: str, feature: str, past: int, now: datetime) -> tuple[Any, list[Any]]:
        self.user(user)
        self._check_feature(feature)
        if feature in self.binary:
            return (None, [])
        found = self._holding(user, feature, now)
        finished: list[tuple[Any, ...]] = []
        for held in self.users[user]:
            if feature in self.packages[held.package]["features"]:
                answers = bool(found) and found[0].held is held
                finished += self._finished(held, feature, past, now, answers=answers)
        finished.sort(key=lambda line: line[0], reverse=True)
        current = None
        if found:
            start, end = period(found[0].held.start, found[0].reset, max(now, found[0].held.start))
            used = sum(self.used.get(each.place(feature, now), 0) for each in found)
            current = (start, end, *self._shown(used, found))
        return (current, finished[:past])

    def _finished(self, held: Held, feature: str, past: int, now: datetime, *, answers: bool) -> list[tuple[Any, ...]]:
        limit, overage, reset, _ = self.packages[held.package]["features"][feature]
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


def period(anchor: datetime, reset: str | None, moment: datetime) -> tuple[datetime, datetime | None]:
    """The period that holds the moment, found by walking from the anchor."""
    if reset is None:
        return anchor, None
    step = STEPS[reset]
    number = max((moment - anchor) // timedelta(days=DAYS_MOST[reset]) - 1, 0)
    while anchor + step * (number + 1) <= moment:
        number += 1
    return anchor + step * number, anchor + step * (number + 1)
