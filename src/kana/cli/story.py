"""The data of `kana demo`: a year of an invented product, recorded through the engine."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import TypeAlias

from kana.engine.access.access import Initialised
from kana.engine.ids import IdMaker
from kana.engine.ports.store import Store
from kana.engine.usage.batch import Batch
from kana.errors import Conflict
from kana.model.allowance import UNLIMITED, Allowance
from kana.model.environment import Actor, Environment
from kana.model.feature import FeatureType
from kana.model.package import PackageFeature
from kana.model.period import ResetPeriod, to_precision
from kana.model.usage import Receipt, Usage

WORKSPACE = "Gullpost (demo)"
ENVIRONMENT = Environment.TEST
ACTOR = Actor(kind="cli", name="kana demo")
DAYS = 365
USERS = 200
SEED = 20_211_125

_DAY = timedelta(days=1)
_MONTH = ResetPeriod.MONTH
_Held: TypeAlias = dict[str, Allowance]

_FEATURES = {
    "letters": ("Letters sent", "letter", "letters"),
    "drafts": ("Drafts written by the gull", "draft", "drafts"),
    "api-calls": ("API calls", "call", "calls"),
    "postcards": ("Printed postcards", "postcard", "postcards"),
}
_SWITCHES = {"export": "Export", "own-stamp": "Your own stamp", "night-delivery": "Delivery at night"}

_PACKAGES: dict[str, tuple[str, _Held]] = {
    "egg": ("Egg", {
        "letters": Allowance(limit=120, reset_period=_MONTH),
        "drafts": Allowance(limit=10, reset_period=_MONTH),
        "api-calls": Allowance(limit=40, reset_period=ResetPeriod.DAY),
    }),
    "nest": ("Nest", {
        "letters": Allowance(limit=1_500, reset_period=_MONTH),
        "drafts": Allowance(limit=80, reset_period=_MONTH),
        "api-calls": Allowance(limit=400, reset_period=ResetPeriod.DAY),
        "export": UNLIMITED,
    }),
    "colony": ("Colony", {
        "letters": Allowance(limit=8_000, overage_enabled=True, reset_period=_MONTH),
        "drafts": Allowance(limit=500, reset_period=_MONTH),
        "api-calls": UNLIMITED,
        "export": UNLIMITED,
        "own-stamp": UNLIMITED,
    }),
    "early-bird": ("Early bird", {
        "letters": Allowance(limit=1_000, reset_period=_MONTH),
        "drafts": Allowance(limit=60, reset_period=_MONTH),
        "export": UNLIMITED,
    }),
}  # fmt: skip
_ADDONS: dict[str, tuple[str, _Held, Sequence[str]]] = {
    "postcards-pack": ("Postcards", {"postcards": Allowance(limit=50, reset_period=ResetPeriod.YEAR)}, ()),
    "night-owl": (
        "Night owl",
        {"night-delivery": UNLIMITED, "drafts": Allowance(limit=900, reset_period=_MONTH)},
        ("nest", "colony"),
    ),
}
_LARGER = {"egg": "nest", "nest": "colony", "early-bird": "colony"}
_HABITS = {"letters": (1.0, 22), "drafts": (0.35, 4), "api-calls": (0.4, 30), "postcards": (0.05, 2),
           "export": (0.08, 1), "own-stamp": (0.04, 1), "night-delivery": (0.1, 1)}  # fmt: skip
"""How often a keen user uses each feature on a weekday, and about how many units at a time."""

_COLOURS = ("Amber", "Blue", "Coral", "Dusky", "Grey", "Ivory", "Jade", "Plum", "Rosy", "Silver")
_BIRDS = ("Auk", "Curlew", "Dunlin", "Fulmar", "Gannet", "Heron", "Kittiwake", "Petrel", "Plover", "Puffin", "Ruff",
          "Shearwater", "Skua", "Stilt", "Teal", "Tern", "Turnstone", "Whimbrel", "Wigeon", "Willet")  # fmt: skip


@dataclass(slots=True)
class _Member:
    """A user of the story: how keen they are, their subscriptions, and how often they were refused lately."""

    id: str
    joined: datetime
    keenness: float
    package: str
    addons: list[str] = field(default_factory=list)
    stopped: int = 0

    @property
    def features(self) -> list[str]:
        held = dict(_PACKAGES[self.package][1])
        for addon in self.addons:
            held |= _ADDONS[addon][1]
        return sorted(held)


class Story:
    """A year of an invented product, recorded day by day through the engine; the same for each seed and day."""

    def __init__(self, store: Store, *, now: datetime) -> None:
        self.now = now
        self.time = now - DAYS * _DAY
        self.entries = 0
        self._store = store
        from kana.app import create_engine

        self._engine = create_engine(store, clock=lambda: self.time)
        self._ids = IdMaker(lambda: self.time)
        self._draw = random.Random(SEED)  # noqa: S311 - a story, not a secret
        self._members: list[_Member] = []
        self._names = [f"{colour} {bird}" for bird in _BIRDS for colour in _COLOURS]
        self._draw.shuffle(self._names)
        self._arrivals = sorted(int(DAYS * self._draw.random() ** 0.7) for _ in range(USERS))

    async def tell(self) -> Initialised:
        """Create the catalogue, record each day, and return the keys.

        Raises:
            Conflict: the database is not empty; nothing was written.
        """
        made = await self._engine.access.initialise(WORKSPACE, by=ACTOR)
        if made is None:
            raise Conflict("the database already has a workspace, and the demo needs an empty one; nothing was changed")
        await self._make_catalog()
        for day in range(DAYS):
            await self._live(day)
        self.time = self.now
        return made

    async def _make_catalog(self) -> None:
        catalog = self._engine.catalog
        for feature_id, (name, label, plural) in _FEATURES.items():
            await catalog.create_feature(
                ENVIRONMENT, id=feature_id, type=FeatureType.CONSUMABLE, name=name, unit_label=label,
                unit_label_plural=plural, by=ACTOR,
            )  # fmt: skip
        for feature_id, name in _SWITCHES.items():
            await catalog.create_feature(ENVIRONMENT, id=feature_id, type=FeatureType.BINARY, name=name, by=ACTOR)
        for package_id, (name, held) in _PACKAGES.items():
            await catalog.create_package(ENVIRONMENT, id=package_id, name=name, features=_features(held), by=ACTOR)
            await catalog.publish_package(ENVIRONMENT, package_id, by=ACTOR)
        for package_id, (name, held, bases) in _ADDONS.items():
            await catalog.create_package(
                ENVIRONMENT, id=package_id, name=name, is_addon=True, features=_features(held),
                base_package_ids=bases, by=ACTOR,
            )  # fmt: skip
            await catalog.publish_package(ENVIRONMENT, package_id, by=ACTOR)

    async def _live(self, day: int) -> None:
        morning = self.now - (DAYS - day) * _DAY
        self.time = morning
        if day == DAYS // 3:
            await self._engine.catalog.archive_package(ENVIRONMENT, "early-bird", by=ACTOR)
        if day == DAYS - 20:
            await self._engine.catalog.duplicate_package(ENVIRONMENT, "colony", new_id="continent", by=ACTOR)
        for _ in range(self._arrivals.count(day)):
            await self._join(early=day < DAYS // 3)
        usages = [usage for member in self._members for usage in self._uses(member, morning, day)]
        self.time = morning + _DAY
        await self._record(usages)
        for member in list(self._members):
            await self._decide(member)

    async def _join(self, *, early: bool) -> None:
        draw, name = self._draw, self._names.pop()
        package = draw.choices(["egg", "nest", "colony", "early-bird"], [60, 25, 8, 20 if early else 0])[0]
        user_id = name.lower().replace(" ", "-")
        self.time += timedelta(minutes=draw.randrange(1, 30))
        await self._engine.accounts.create_user(
            ENVIRONMENT, id=user_id, name=f"The {name} Gazette", email=f"{user_id}@example.com"
        )
        await self._engine.accounts.subscribe(ENVIRONMENT, user_id, [package])
        self._members.append(_Member(user_id, self.time, draw.lognormvariate(-0.6, 0.7), package))

    def _uses(self, member: _Member, morning: datetime, day: int) -> Iterator[Usage]:
        """Yield a user's usage of a day: less on weekends, more over the year, and now and then a correction."""
        draw = self._draw
        pace = member.keenness * (0.35 if (morning + _DAY / 2).weekday() >= 5 else 1.0) * (0.7 + 0.6 * day / DAYS)
        for feature_id in member.features:
            often, size = _HABITS[feature_id]
            for _ in range(_times(draw, often * pace)):
                at = max(member.joined, morning + timedelta(seconds=min(draw.gauss(39_600, 9_000), 86_000) % 86_400))
                units = 1 if size == 1 else max(1, round(draw.expovariate(1 / size)))
                yield _usage(member, feature_id, units, at)
                if size > 1 and draw.random() < 0.01:
                    yield _usage(member, feature_id, -1, at)

    async def _record(self, usages: Sequence[Usage]) -> None:
        """Record a day in as few transactions as its lanes allow, and count refusals by user."""
        lanes: dict[int, list[Usage]] = {}
        for usage in usages:
            lanes.setdefault(self._store.ledger.lane(ENVIRONMENT, usage.user_id), []).append(usage)
        members = {member.id: member for member in self._members}
        for mine in lanes.values():
            batch = Batch(mine, clock=lambda: self.time, next_id=count(self._ids.reserve(len(mine))).__next__)
            await self._store.ledger.append(batch)
            self.entries += len(batch.entries)
            for usage, answer in zip(mine, batch.answers, strict=True):
                if isinstance(answer, Receipt) and not answer.entry.recorded:
                    members[usage.user_id].stopped += 1

    async def _decide(self, member: _Member) -> None:
        """Let a user who was refused often upgrade, a content one add an add-on, and a few leave."""
        draw, accounts = self._draw, self._engine.accounts
        larger = _LARGER.get(member.package)
        if larger is not None and member.stopped > 8 and draw.random() < 0.08:
            await accounts.change_subscription(ENVIRONMENT, member.id, larger)
            member.package, member.stopped = larger, 0
        elif draw.random() < 0.0012 and "postcards-pack" not in member.addons:
            await accounts.subscribe(ENVIRONMENT, member.id, ["postcards-pack"])
            member.addons.append("postcards-pack")
        elif member.package in _ADDONS["night-owl"][2] and draw.random() < 0.001 and "night-owl" not in member.addons:
            await accounts.subscribe(ENVIRONMENT, member.id, ["night-owl"])
            member.addons.append("night-owl")
        elif draw.random() < 0.0006:
            held = await accounts.subscriptions(ENVIRONMENT, user_id=member.id)
            state = [each for each in held if each.subscription.package_id == member.package]
            await accounts.cancel_subscription(ENVIRONMENT, state[-1].subscription.id)
            self._members.remove(member)


def _features(held: _Held) -> list[PackageFeature]:
    return [PackageFeature(feature_id=feature_id, allowance=allowance) for feature_id, allowance in held.items()]


def _usage(member: _Member, feature_id: str, delta: int, at: datetime) -> Usage:
    return Usage(
        environment=ENVIRONMENT, user_id=member.id, feature_id=feature_id, delta=delta, timestamp=to_precision(at)
    )


def _times(draw: random.Random, mean: float) -> int:
    """Return a random count with a given mean, from a Poisson distribution."""
    times, chance = 0, draw.random()
    threshold = total = 2.718281828459045**-mean
    while chance > total and times < 60:
        times += 1
        threshold *= mean / times
        total += threshold
    return times
