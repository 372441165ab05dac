"""A plain model of consuming and setting aside, and random histories that compare it with the engine.

Slow and obvious: for each feature and period what is used, and for each reservation what is held. Nothing of the
product's code decides here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from kana.errors import Conflict
from kana.model.allowance import Allowance, Cost
from kana.model.consumed import Consumed
from kana.model.consuming import Consume
from kana.model.line import Line
from kana.model.package import PackageFeature
from tests.support.world import DAY, NOON, TEST, World, a_feature, a_package, a_usage, allows

FEATURES = ("message", "token", "image", "credit")
RATE = 3
"""How many credits an image costs."""

Counter = tuple[str, int]
"""A feature and a period: the number of the day, or 0 for what never resets."""


@dataclass
class Hold:
    """What is set aside, by feature: in which period, and how much is left."""

    ends_at: datetime
    left: dict[str, tuple[Counter, int]]
    state: str = "OPEN"


@dataclass
class Plain:
    """What is used and held, and the limits as they are."""

    limits: dict[str, int] = field(default_factory=lambda: {"message": 10, "token": 40, "image": 9, "credit": 20})
    used: dict[Counter, int] = field(default_factory=dict)
    holds: dict[int, Hold] = field(default_factory=dict)
    now: datetime = NOON

    def counter(self, feature: str) -> Counter:
        """Where usage of now counts: messages by day, the others for ever."""
        return feature, (self.now - NOON) // timedelta(days=1) if feature == "message" else 0

    def is_open(self, hold: Hold) -> bool:
        """Whether it still sets something aside."""
        return hold.state == "OPEN" and self.now < hold.ends_at

    def held(self, counter: Counter) -> int:
        """How much is set aside of a counter."""
        parts = (part for hold in self.holds.values() if self.is_open(hold) for part in hold.left.values())
        return sum(units for where, units in parts if where == counter)

    def room(self, feature: str) -> int:
        """How many more units fit."""
        counter = self.counter(feature)
        return max(0, self.limits[feature] - self.used.get(counter, 0) - self.held(counter))

    def costing(self, units: dict[str, int]) -> dict[str, int]:
        """The same with what images cost."""
        return units | ({"credit": units["image"] * RATE} if "image" in units else {})

    def fits(self, units: dict[str, int]) -> bool:
        """Whether all of it fits together."""
        return all(self.room(feature) >= number for feature, number in self.costing(units).items() if number)

    def use(self, units: dict[str, int]) -> bool:
        """Use all of it, or nothing."""
        if not self.fits(units):
            return False
        for feature, number in self.costing(units).items():
            self.add(self.counter(feature), number)
        return True

    def add(self, counter: Counter, units: int) -> None:
        """Count units as used."""
        self.used[counter] = self.used.get(counter, 0) + units

    def hold(self, number: int, units: dict[str, int], ends_at: datetime) -> None:
        """Set all of it aside."""
        left = {feature: (self.counter(feature), part) for feature, part in self.costing(units).items()}
        self.holds[number] = Hold(ends_at, left)

    def settle(self, number: int, units: dict[str, int], *, is_final: bool) -> bool:
        """Use what is set aside first; what goes beyond it must fit."""
        hold = self.holds[number]
        if not self.is_open(hold):
            return self.use(units)
        kept = dict(hold.left)
        taken, beyond = {}, {}
        for feature, wanted in self.costing(units).items():
            counter, left = hold.left.get(feature, (self.counter(feature), 0))
            taken[feature] = min(left, wanted)
            hold.left[feature] = counter, 0 if is_final else left - taken[feature]
            beyond[feature] = wanted - taken[feature]
        before = dict(self.used)
        for feature, part in taken.items():
            self.add(hold.left[feature][0], part)
        if any(self.room(feature) < more for feature, more in beyond.items() if more):
            hold.left, self.used = kept, before
            return False
        for feature, more in beyond.items():
            self.add(self.counter(feature), more)
        if is_final:
            hold.state = "SETTLED"
        return True


class Histories:
    """Random steps of one user, each compared with the plain model."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.random, self.plain = world, Random(seed), Plain()
        self.reserving = world.engine.reserving
        self.answers: list[tuple[Consume, Consumed]] = []
        self.seen: set[str] = set()

    async def run(self, steps: int) -> None:
        """Furnish the world, and take so many steps."""
        await self.furnish()
        await self.world.subscribed_user("ada")
        for _ in range(steps):
            await self.step()

    async def furnish(self) -> None:
        """Put the limits as they are into the package."""
        limits = self.plain.limits
        cost = Cost(feature_id="credit", units=RATE)
        image = PackageFeature(feature_id="image", allowance=Allowance(limit=limits["image"], cost=cost))
        others = [allows(limits[name], None, feature=name) for name in ("token", "credit")]
        package = a_package("basic", allows(limits["message"], DAY), image, *others)
        await self.world.furnish(package, features=[a_feature(name) for name in FEATURES])

    def units(self, least: int = 1) -> dict[str, int]:
        """Some of one to three features."""
        names = self.random.sample(("message", "token", "image"), self.random.randint(1, 3))
        return {name: self.random.randint(least, 6) for name in names}

    async def step(self) -> None:
        """Do something, and compare."""
        steps = (
            self.consume, self.consume, self.reserve, self.reserve, self.settle, self.settle, self.record,
            self.release, self.extend, self.wait, self.change_limit, self.repeat,
        )  # fmt: skip
        await self.random.choice(steps)()
        await self.compare()

    async def compare(self) -> None:
        """What a check says of each feature is what the plain model says."""
        for feature in FEATURES:
            said = await self.world.usage.check(TEST, "ada", feature)
            room = self.plain.room(feature)
            if feature == "image":
                assert said.affords == self.plain.room("credit") // RATE
                room = min(room, self.plain.room("credit") // RATE)
            assert said.consumption is not None
            assert (said.consumption.used, said.access) == (
                self.plain.used.get(self.plain.counter(feature), 0),
                room >= 1,
            ), feature
            if room:
                assert (await self.world.usage.check(TEST, "ada", feature, delta=room)).access
            assert not (await self.world.usage.check(TEST, "ada", feature, delta=room + 1)).access

    async def consume(self) -> None:
        """Use something, after trying it out."""
        units = self.units()
        request = Consume(environment=TEST, user_id="ada", lines=_lines(units), key=self.key())
        tried = await self.reserving.try_out(request)
        answer = await self.reserving.consume(request)
        assert answer.granted == tried.granted == self.plain.use(units)
        self.answers.append((request, answer))
        self.seen.add(f"consume {answer.outcome}")

    async def record(self) -> None:
        """Use one feature, as ever."""
        [(feature, number), *_] = self.units().items()
        receipt = await self.world.usage.record(a_usage(number, feature_id=feature))
        assert receipt.entry.recorded == self.plain.use({feature: number})
        self.seen.add(f"record {receipt.entry.outcome}")

    async def reserve(self) -> None:
        """Set something aside."""
        units, ttl = self.units(), timedelta(minutes=self.random.choice((1, 60, 1440)))
        fits = self.plain.fits(units)
        request = Consume(environment=TEST, user_id="ada", lines=_lines(units), key=self.key(), ttl=ttl)
        answer = await self.reserving.consume(request)
        assert answer.granted == fits
        assert (answer.reservation is not None) == fits
        if answer.reservation is not None:
            self.plain.hold(answer.reservation.id, units, self.plain.now + ttl)
            assert answer.reservation.ends_at == self.plain.now + ttl
        self.answers.append((request, answer))
        self.seen.add(f"reserve {answer.outcome}")

    async def settle(self) -> None:
        """Settle something of something that was set aside, be it over or not."""
        if not self.plain.holds:
            return
        number, is_final = self.random.choice([*self.plain.holds]), self.random.random() < 0.6
        hold, units = self.plain.holds[number], self.units(least=0)
        if not self.plain.is_open(hold) and 0 in units.values():
            return
        call = self.reserving.settle(TEST, number, _lines(units), is_final=is_final)
        if hold.state == "SETTLED":
            self.seen.add("settle twice")
            try:
                await call
            except Conflict:
                return
            raise AssertionError("it was settled before")
        was_open = self.plain.is_open(hold)
        answer = (await call).answer
        assert answer.granted == self.plain.settle(number, units, is_final=is_final)
        assert answer.is_late != was_open
        self.seen.add(f"settle {answer.outcome} {was_open} {is_final}")

    async def release(self) -> None:
        """Let something go; what was settled cannot be."""
        if not self.plain.holds:
            return
        number = self.random.choice([*self.plain.holds])
        hold = self.plain.holds[number]
        try:
            await self.reserving.release(TEST, number)
        except Conflict:
            assert hold.state == "SETTLED"
        else:
            assert hold.state != "SETTLED"
            hold.state = "RELEASED" if self.plain.is_open(hold) else hold.state
        self.seen.add(f"release {hold.state}")

    async def extend(self) -> None:
        """Let something end later; what is over cannot be."""
        if not self.plain.holds:
            return
        number = self.random.choice([*self.plain.holds])
        hold, was_open = self.plain.holds[number], self.plain.is_open(self.plain.holds[number])
        try:
            await self.reserving.extend(TEST, number, ttl=timedelta(hours=2))
        except Conflict:
            assert not was_open
        else:
            assert was_open
            hold.ends_at = self.plain.now + timedelta(hours=2)
        self.seen.add(f"extend {was_open}")

    async def wait(self) -> None:
        """Let time pass."""
        self.plain.now = self.world.clock.advance(minutes=self.random.choice((1, 30, 90, 700, 1440)))

    async def change_limit(self) -> None:
        """Lower or raise one limit."""
        feature = self.random.choice(FEATURES)
        self.plain.limits[feature] = self.random.randint(0, 30)
        await self.furnish()

    async def repeat(self) -> None:
        """Ask something again with its key: the answer is the first one, and nothing moves."""
        if self.answers:
            request, first = self.random.choice(self.answers)
            again = await self.reserving.consume(request)
            assert (again.duplicate, again.lines, again.decision_id) == (True, first.lines, first.decision_id)
            assert (again.reservation is None) == (first.reservation is None)
            self.seen.add("repeat")

    def key(self) -> str:
        """A key that no other request has."""
        return f"key-{len(self.answers)}"


def _lines(units: dict[str, int]) -> list[Line]:
    return [Line(feature_id, number) for feature_id, number in units.items()]
