"""The reference's memory: packages, users, subscriptions and what is given to single users, in plain dictionaries.

Nothing of ``kana`` is imported. Periods come from dateutil, and limits are plain numbers.
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
class Given:
    """A top-up, whose limit is its amount, or an override."""

    number: int
    feature: str
    override: bool
    start: datetime
    ends: datetime | None
    limit: float
    overage: bool = False
    reset: str | None = None
    denied: bool = False

    def held(self, moment: datetime) -> bool:
        return self.start <= moment and (self.ends is None or moment < self.ends)


@dataclass
class Pot:
    """Units that one number counts; a limit of infinity is none. Of two that end together the lower rank goes first."""

    place: tuple[int, str, str | None, datetime]
    rank: int
    since: datetime
    ends: datetime
    limit: float
    overage: bool = False
    grace: int = 0


@dataclass
class Allowed:
    """What one package, override or top-up allows, counted by ``held``."""

    held: Any
    limit: float
    overage: bool = False
    reset: str | None = None
    rank: int = 1
    rollover: tuple[int, int] | None = None
    grace: int = 0
    until: datetime | None = None
    denied: bool = False

    def period(self, moment: datetime) -> tuple[datetime, datetime | None]:
        return period(self.held.start, self.reset, max(moment, self.held.start))

    def ends(self, moment: datetime) -> datetime:
        """When what is left of it is lost."""
        return min(self.period(moment)[1] or NEVER, self.held.ends or NEVER, self.until or NEVER)

    def pot(self, feature: str, moment: datetime) -> Pot:
        start = self.period(moment)[0]
        place = (self.held.number, feature, self.reset, start)
        grace = 0 if self.limit == inf else int(self.limit) * self.grace // 100
        return Pot(place, self.rank, start, self.ends(moment), self.limit, self.overage, grace)


@dataclass
class Accounts:
    """All that Kana should remember, except for usage."""

    binary: set[str] = field(default_factory=lambda: {"chat"})
    packages: dict[str, dict[str, Any]] = field(default_factory=dict)
    users: dict[str, list[Held]] = field(default_factory=dict)
    given: dict[int, list[Given]] = field(default_factory=dict)
    lines: list[dict[tuple[int, str, str | None, datetime], int]] = field(default_factory=list)
    reversed: dict[int, int] = field(default_factory=dict)
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
        """Never before what was done to the user earlier, wherever the clock was set meanwhile.

        Changes are made at this time, and what is over is shown as of it.
        """
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
            resets = {reset for _, _, reset, *_ in self.packages[held.package]["features"].values()}
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

    # --- what is given to one user

    def top_up(
        self, user: str, feature: str, amount: int, starts: datetime | None, ends: datetime | None, now: datetime
    ) -> Given:
        self.user(user)
        now = self.time(user, now)
        self._check_feature(feature)
        start = starts or now
        if feature in self.binary or amount < 1 or (ends is not None and ends <= max(start, now)):
            raise Refused("InvalidValue")
        return self._give(user, Given(self._number(), feature, False, start, ends, amount))

    def override(
        self, user: str, feature: str, limit: int | None, *, overage: bool, denied: bool, ends: datetime | None,
        now: datetime,
    ) -> Given:  # fmt: skip
        self.user(user)
        now = self.time(user, now)
        self._check_feature(feature)
        units = limit is not None or overage
        if (units and (denied or feature in self.binary)) or (ends is not None and ends <= now):
            raise Refused("InvalidValue")
        packages = self._packages([held for held in self.users[user] if held.stands(now)], feature)
        reset = packages[0].reset if packages else None
        amount = 0.0 if denied else inf if limit is None else limit
        terms = (amount, overage, reset, denied, ends)
        for each in self.given.get(self.names[user], []):
            if each.override and each.feature == feature and each.held(now):
                if (each.limit, each.overage, each.reset, each.denied, each.ends) == terms:
                    return each
                each.ends = now
        return self._give(user, Given(self._number(), feature, True, now, ends, amount, overage, reset, denied))

    def end(self, user: str, which: int, now: datetime) -> Given | None:
        now = self.time(user, now)
        mine = self.given.get(self.names[user], [])
        if not mine:
            return None
        given = mine[which % len(mine)]
        if given.ends is None or now < given.ends:
            given.ends = max(given.start, now)
        return given

    def _give(self, user: str, given: Given) -> Given:
        self.given.setdefault(self.names[user], []).append(given)
        return given

    def _number(self) -> int:
        self.subscriptions += 1
        return self.subscriptions

    def _packages(self, mine: list[Held], feature: str) -> list[Allowed]:
        """What answers, and then what adds to it: the best of those that do not add, or else of those that do."""
        highest: list[tuple[Any, Allowed]] = []
        adding: list[tuple[Any, Allowed]] = []
        for held in mine:
            package = self.packages[held.package]
            if feature in package["features"]:
                limit, overage, reset, adds, rollover, grace = package["features"][feature]
                limit = inf if limit is None else limit
                rank = (-limit, not overage, package["addon"], held.number)
                allowed = Allowed(held, limit, overage, reset, rollover=rollover, grace=grace)
                (adding if adds else highest).append((rank, allowed))
        best = min(highest or adding, default=None, key=lambda each: each[0])
        return [best[1], *(each for rank, each in adding if rank != best[0])] if best else []

    def _check_feature(self, feature: str) -> None:
        if feature not in {"message", "chat"}:
            raise Refused("FeatureNotFound")


def period(anchor: datetime, reset: str | None, moment: datetime) -> tuple[datetime, datetime | None]:
    """The period that holds the moment, found by walking from the anchor."""
    if reset is None:
        return anchor, None
    step = STEPS[reset]
    number = max((moment - anchor) // timedelta(days=DAYS_MOST[reset]) - 1, 0)
    while anchor + step * (number + 1) <= moment:
        number += 1
    return anchor + step * number, anchor + step * (number + 1)
