"""The reference's memory: packages, users, subscriptions and what is given to single users, in plain dictionaries.

Nothing of ``kana`` is imported. Periods come from dateutil, and limits are plain numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any

from tests.reliability.periods import Anchor, period

TOTAL_MAX = 2**53 - 1
CLOCKS_APART = timedelta(minutes=5)
NEVER = datetime.max.replace(tzinfo=UTC)


Place = tuple[int, str, str | None, datetime]
"""What one number counts: of whom, of which feature, over which periods, and since when."""


class Refused(Exception):
    """An error of this name is to be raised."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@dataclass
class Held:
    """A subscription. ``own_end`` is when it ends whatever others do; ``carries`` is whose totals it goes on with.

    ``brought`` are those of them over other periods, which count in the period that it begins in.
    """

    number: int
    package: str
    start: datetime
    ends: datetime | None = None
    over: bool = False
    own_end: datetime | None = None
    scheduled: bool = False
    trial: datetime | None = None
    anchor: Anchor = None
    carries: Held | None = None
    brought: list[Place] = field(default_factory=list)

    @property
    def counts_as(self) -> int:
        return self.carries.counts_as if self.carries else self.number

    @property
    def counted_from(self) -> datetime:
        return self.carries.counted_from if self.carries else self.start

    def period(self, reset: str | None, moment: datetime) -> tuple[datetime, datetime | None]:
        return period(self.counted_from, reset, max(moment, self.counted_from), self.anchor)

    def place(self, feature: str, reset: str | None, moment: datetime) -> Place:
        return (self.counts_as, feature, reset, self.period(reset, moment)[0])

    def counting_in(self, place: Place) -> list[Place]:
        """What counts in with one of its numbers."""
        _, feature, reset, start = place
        first = start == self.period(reset, self.start)[0]
        return [each for each in self.brought if first and each[1] == feature and each != place]

    def stands(self, now: datetime) -> bool:
        return not self.over and not (self.ends and self.ends <= now)

    def begun(self, now: datetime) -> bool:
        return not self.scheduled or self.start <= now

    def gives(self, now: datetime) -> bool:
        return self.stands(now) and self.begun(now)

    def held(self, moment: datetime) -> bool:
        return self.start <= moment and (self.ends is None or moment < self.ends)

    def meets(self, start: datetime, ends: datetime | None) -> bool:
        return max(start, self.start) < min(ends or NEVER, self.ends or NEVER)

    def status(self, now: datetime) -> str:
        if not self.stands(now):
            return "CANCELLED"
        if not self.begun(now):
            return "SCHEDULED"
        return "TRIALING" if self.trial and now < self.trial else "ACTIVE"


@dataclass
class Given:
    """A top-up, whose limit is its amount, or an override."""

    number: int
    feature: str
    override: bool
    start: datetime
    ends: datetime | None
    limit: float
    made: datetime
    overage: bool = False
    reset: str | None = None
    denied: bool = False

    @property
    def counts_as(self) -> int:
        return self.number

    def period(self, reset: str | None, moment: datetime) -> tuple[datetime, datetime | None]:
        return period(self.start, reset, max(moment, self.start))

    def held(self, moment: datetime) -> bool:
        return self.start <= moment and (self.ends is None or moment < self.ends)


@dataclass
class Pot:
    """Units that one number counts; a limit of infinity is none. Of two that end together the lower rank goes first."""

    place: Place
    rank: int
    since: datetime
    ends: datetime
    limit: float
    overage: bool = False
    grace: int = 0
    others: list[Place] = field(default_factory=list)


@dataclass(eq=False)
class Hold:
    """What one user has set aside: of each feature how many units of which numbers, until when, if it is not over.

    What a feature costs is set aside beside it, under both their names; ``rates`` say how many a unit of it costs.
    """

    owner: int
    ends: datetime
    lines: dict[tuple[str, str | None], list[tuple[Place, int]]]
    rates: dict[str, int] = field(default_factory=dict)
    over: str | None = None

    def sets_aside(self, place: Place, now: datetime) -> int:
        parts = [part for line in self.lines.values() for where, part in line if where == place]
        return sum(parts) if self.over is None and now < self.ends else 0


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
    replaces: bool = False
    cost: int | None = None

    def period(self, moment: datetime) -> tuple[datetime, datetime | None]:
        found: tuple[datetime, datetime | None] = self.held.period(self.reset, moment)
        return found

    def ends(self, moment: datetime) -> datetime:
        """When what is left of it is lost."""
        return min(self.period(moment)[1] or NEVER, self.held.ends or NEVER, self.until or NEVER)

    def pot(self, feature: str, moment: datetime) -> Pot:
        start = self.period(moment)[0]
        place = (self.held.counts_as, feature, self.reset, start)
        others = self.held.counting_in(place) if isinstance(self.held, Held) and not self.replaces else []
        grace = 0 if self.limit == inf else int(self.limit) * self.grace // 100
        return Pot(place, self.rank, start, self.ends(moment), self.limit, self.overage, grace, others)


@dataclass
class Accounts:
    """All that Kana should remember, except for usage."""

    binary: set[str] = field(default_factory=lambda: {"chat"})
    packages: dict[str, dict[str, Any]] = field(default_factory=dict)
    users: dict[str, list[Held]] = field(default_factory=dict)
    given: dict[int, list[Given]] = field(default_factory=dict)
    lines: list[dict[Place, int]] = field(default_factory=list)
    reversed: dict[int, int] = field(default_factory=dict)
    used: dict[Place, int] = field(default_factory=dict)
    answers: dict[tuple[int, str], tuple[Any, Any]] = field(default_factory=dict)
    kept: dict[Place, int] = field(default_factory=dict)
    holds: list[Hold] = field(default_factory=list)
    now: datetime = NEVER
    names: dict[str, int] = field(default_factory=dict)
    people: int = 0
    entries: int = 0
    subscriptions: int = 0

    # --- catalogue

    def create_package(
        self, name: str, *, addon: bool, bases: list[str], features: dict[str, Any], trial_days: int | None
    ) -> None:
        if name in self.packages:
            raise Refused("Conflict")
        for base in bases:
            if base not in self.packages:
                raise Refused("PackageNotFound")
            if self.packages[base]["addon"]:
                raise Refused("InvalidValue")
        self.packages[name] = {
            "status": "DRAFT", "addon": addon, "bases": bases, "features": dict(features), "trial_days": trial_days
        }  # fmt: skip

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

    # --- users

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
        done = [held.start for held in self.user(user) if not held.scheduled]
        done += [held.ends for held in self.user(user) if held.over and held.ends]
        done += [given.made for given in self.given.get(self.names[user], [])]
        return max([clock, *done])

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
        return self._give(user, Given(self._number(), feature, False, start, ends, amount, now))

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
        packages = self._packages([held for held in self.users[user] if held.gives(now)], feature)
        reset = packages[0].reset if packages else None
        amount = 0.0 if denied else inf if limit is None else limit
        terms = (amount, overage, reset, denied, ends)
        for each in self.given.get(self.names[user], []):
            if each.override and each.feature == feature and each.held(now):
                if (each.limit, each.overage, each.reset, each.denied, each.ends) == terms:
                    return each
                each.ends = now
        return self._give(user, Given(self._number(), feature, True, now, ends, amount, now, overage, reset, denied))

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

    def _packages(self, mine: list[Held], feature: str, terms: dict[int, Any] | None = None) -> list[Allowed]:
        """What answers, and then what adds to it: the best of those that do not add, or else of those that do.

        ``terms`` are in place of what the packages say.
        """
        highest: list[tuple[Any, Allowed]] = []
        adding: list[tuple[Any, Allowed]] = []
        for held in mine:
            package = self.packages[held.package]
            if feature in package["features"]:
                says = terms[held.number] if terms else package["features"][feature]
                limit, overage, reset, adds, rollover, grace, cost = says
                limit = inf if limit is None else limit
                rank = (-limit, not overage, package["addon"], held.number)
                allowed = Allowed(held, limit, overage, reset, rollover=rollover, grace=grace, cost=cost)
                (adding if adds else highest).append((rank, allowed))
        best = min(highest or adding, default=None, key=lambda each: each[0])
        return [best[1], *(each for rank, each in adding if rank != best[0])] if best else []

    def _check_feature(self, feature: str) -> None:
        if feature not in {"message", "chat", "token"}:
            raise Refused("FeatureNotFound")
