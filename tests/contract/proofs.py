"""What proves a sentence of a review: a house of users who subscribe and use, and for each sentence a look at both."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from kana.engine.catalog.config import ConfigEngine, ConfigRefused, ReviewLine
from kana.errors import SubscriptionRefused
from kana.model.catalog import Catalog
from kana.model.config import read_config
from kana.model.entitlement import DENIED, NO_SUBSCRIPTION, Consumption, Decision, Outcome
from kana.model.package import Package, PackageStatus
from kana.model.period import ResetPeriod, period_start_at
from kana.model.subscription import Subscription
from tests.support.world import (
    MILLISECOND,
    TEST,
    TESTER,
    World,
    a_usage,
)

APP = "test_abcdefgh"
_PACKAGE = r"(?:Package|Add-on) '(?P<id>[^']+)' "
_REACH = r"(?: \(at once for (?P<reached>\d+) subscribers?\)| \((?P<kept>\d+) subscribers? keeps? it\))?\."
_OVER = r"(?:, (?P<over>\d+) of them above (?P<above>\d+) already in their current period)?"
_RESET = f"(?:{'|'.join(reset.lower() for reset in ResetPeriod)})"
_EXTRA = rf"(?:overage|a grace of \d+ %|up to \d+ carried over for \d+ {_RESET}s?)"
_AMOUNT = (
    rf"(?:unlimited|\d+)(?: per {_RESET}| in all)?(?: with {_EXTRA}(?: and {_EXTRA})*)?(?: on top of other packages)?"
)
_TRIAL = r"(?:no trial|a trial of \d+ days?)"

SENTENCES = {
    "feature created": r"Feature '(?P<id>[^']+)' is created as (?P<type>\w+)\.",
    "feature renamed": r"Feature '(?P<id>[^']+)' is renamed from '(?P<old>[^']+)' to '(?P<new>[^']+)'\.",
    "created": _PACKAGE
    + r"is created (?P<how>and published|as a draft): (?P<held>.+?)"
    + rf"(?:, with (?P<trial>{_TRIAL}))?(?:, goes with (?P<bases>[^.]+))?\.",
    "renamed": _PACKAGE + r"is renamed from '(?P<old>[^']+)' to '(?P<new>[^']+)'" + _REACH,
    "kind": _PACKAGE + r"was (?P<old>package|add-on) and becomes (?P<new>package|add-on)\.",
    "bases": _PACKAGE + r"goes with (?P<new>[^;]+); until now with (?P<old>[^(.]+?)" + _REACH,
    "trial": _PACKAGE + rf"gives new subscriptions (?P<new>{_TRIAL}); until now (?P<old>{_TRIAL})" + _REACH,
    "loses": _PACKAGE + r"loses '(?P<feature>[^']+)'" + _REACH,
    "gains": _PACKAGE + r"gains '(?P<feature>[^']+)'(?: (?P<to>" + _AMOUNT + "))?" + _REACH,
    "changes": _PACKAGE
    + rf"changes '(?P<feature>[^']+)' from (?P<from>{_AMOUNT}) to (?P<to>{_AMOUNT})"
    + r"(?P<anew>, where usage starts at zero or, if it was counted (?:without a reset|per (?P<by>\w+)) before"
    + r"(?: in the current period)?, continues from there)?"
    + _REACH,
    "published": _PACKAGE + r"is published: users can subscribe to it\.",
    "published again": _PACKAGE + r"is published again: users can subscribe to it" + _REACH,
    "archived": _PACKAGE + r"is archived: nobody new can subscribe to it" + _REACH,
    "deleted": _PACKAGE + r"is deleted: it is a draft\.",
    "warning": r"\[WARNING\] " + _PACKAGE + r"(?P<what>.+): this touches (?P<touched>\d+) subscribers?" + _OVER + r"\.",
}
"""All that a review can say of what it would change, by what is said."""


def sentence_of(text: str) -> tuple[str, Mapping[str, str]]:
    """Which sentence a line is, and what it names; a warning repeats another and is looked for first."""
    for name in ("warning", *SENTENCES):
        found = re.fullmatch(SENTENCES[name], text)
        if found is not None:
            return name, found.groupdict()
    raise AssertionError(f"no proof for: {text}")


@dataclass
class House:
    """A world with users of each package, and a ledger of its own of what they used."""

    world: World
    config: ConfigEngine
    starts: dict[str, datetime] = field(default_factory=dict)
    used: dict[tuple[str, str, ResetPeriod | None, datetime], int] = field(default_factory=dict)
    guests: int = 0

    async def catalog(self) -> Catalog:
        return await self.config.read(TEST)

    async def decision(self, user_id: str, feature_id: str, delta: int = 1) -> Decision:
        return await self.world.usage.check(TEST, user_id, feature_id, delta=delta)

    async def members(self, package_id: str) -> list[str]:
        """The users who subscribe to a package now, looked up one by one."""
        found = []
        for user_id in self.starts:
            held = await self.world.accounts.subscriptions(TEST, user_id=user_id)
            if any(one.subscription.package_id == package_id and one.subscription.ends_at is None for one in held):
                found.append(user_id)
        return found

    async def join(self, user_id: str, *package_ids: str) -> None:
        await self.world.subscribed_user(user_id, *package_ids)
        self.starts[user_id] = self.world.clock()

    async def can_subscribe(self, *package_ids: str) -> bool:
        """Whether somebody who is new can subscribe to these."""
        return await self.visit(*package_ids) is not None

    async def visit(self, *package_ids: str) -> Subscription | None:
        """The last of the subscriptions that somebody who is new gets for a moment; None if they get none."""
        self.guests += 1
        guest = f"guest-{self.guests}"
        await self.world.accounts.create_user(TEST, id=guest)
        try:
            held = await self.world.accounts.subscribe(TEST, guest, package_ids)
        except SubscriptionRefused:
            return None
        for one in reversed(held):
            await self.world.accounts.cancel_subscription(TEST, one.subscription.id)
        return held[-1].subscription

    async def use(self, user_id: str, feature_id: str, delta: int) -> None:
        receipt = await self.world.usage.record(a_usage(delta, user_id=user_id, feature_id=feature_id))
        assert receipt.entry.recorded
        assert receipt.entry.counter is not None
        key = self.total_key(user_id, feature_id, receipt.entry.counter.reset_period)
        self.used[key] = self.used.get(key, 0) + delta

    def total_key(
        self, user_id: str, feature_id: str, reset: ResetPeriod | None
    ) -> tuple[str, str, ResetPeriod | None, datetime]:
        return user_id, feature_id, reset, period_start_at(self.starts[user_id], reset, self.world.clock())

    def total(self, user_id: str, feature_id: str, reset: ResetPeriod | None) -> int:
        """What they have used in the current period of this kind while the package counted by it."""
        return self.used.get(self.total_key(user_id, feature_id, reset), 0)

    def carried(self, user_id: str, feature_id: str, words: str) -> int:
        """What the words carry over of what earlier periods left, as long as nothing of it has been used."""
        found = re.search(r"up to (\d+) carried over for (\d+)", words)
        most, periods = (0, 0) if found is None else map(int, found.groups())
        reset, (_, _, _, at) = reset_in(words), self.total_key(user_id, feature_id, reset_in(words))
        left = 0
        while periods and at > self.starts[user_id]:
            at = period_start_at(self.starts[user_id], reset, at - MILLISECOND)
            left += max(0, int(words.split(maxsplit=1)[0]) - self.used.get((user_id, feature_id, reset, at), 0))
            periods -= 1
        return min(most, left)

    async def publish(self, file: dict[str, Any]) -> set[str]:
        """Review, publish, and prove each line; return which sentences there were."""
        config = read_config(file)
        lines = (await self.config.review(TEST, config, app_id=APP)).lines
        before = await self.catalog()
        members = {package_id: await self.members(package_id) for package_id in before.packages}
        could = {name: await self.can_subscribe(*with_base(package)) for name, package in before.packages.items()}
        decisions = {
            (user_id, feature_id): await self.decision(user_id, feature_id)
            for user_id in self.starts
            for feature_id in before.features
        }
        after = await self.config.publish(TEST, config, app_id=APP, by=TESTER)
        proven = set()
        for line in lines:
            name, said = sentence_of(line.marked)
            happened = Happened(self, line, said, before, after, members, could, decisions)
            await PROOFS[name](happened)
            proven.add(name)
        assert (await self.config.review(TEST, config, app_id=APP)).lines == ()
        return proven


def with_base(package: Package, base: str = "free") -> Sequence[str]:
    """What to subscribe to in order to have a package: an add-on needs a base."""
    return (*(package.base_package_ids or (base,))[:1], package.id) if package.is_addon else (package.id,)


@dataclass
class Happened:
    """One line of a review, and the world before and after it was published."""

    house: House
    line: ReviewLine
    said: Mapping[str, str]
    before: Catalog
    after: Catalog
    members: Mapping[str, list[str]]
    could: Mapping[str, bool]
    decisions: Mapping[tuple[str, str], Decision]

    @property
    def id(self) -> str:
        return self.said["id"]

    async def reaches(self) -> list[str]:
        """Check the number of those whom the line reaches; return them."""
        members = self.members.get(self.id, [])
        told = self.said["reached"] or self.said["kept"]
        if self.before.packages[self.id].status is PackageStatus.DRAFT:
            assert told is None
        else:
            assert int(told) == len(members)
        assert await self.house.members(self.id) == members
        return members

    async def allowed(self, user_id: str, feature_id: str, words: str | None) -> None:
        """Check that a user may use a feature as far as the words say."""
        decision = await self.house.decision(user_id, feature_id)
        if words is None:
            assert decision == Decision(Outcome.RECORDED, decision.reason)
            return
        assert decision.consumption is not None
        amount = words.split()[0]
        on_top = await self._others_limit(user_id, feature_id) if words.endswith("on top of other packages") else 0
        carried = self.house.carried(user_id, feature_id, words)
        assert decision.consumption.budget == (None if amount == "unlimited" else int(amount) + on_top + carried)
        assert decision.consumption.overage_enabled is ("with overage" in words)
        await self._stops(user_id, feature_id, decision.consumption, words)
        assert reset_in(words) is self.after.packages[self.id].feature(feature_id).allowance.reset_period  # type: ignore[union-attr]
        assert decision.consumption.used == self.house.total(user_id, feature_id, reset_in(words))

    async def _stops(self, user_id: str, feature_id: str, consumption: Consumption, words: str) -> None:
        """Check up to where a hard limit can be passed."""
        if consumption.budget is None or consumption.overage_enabled:
            return
        percent = re.search(r"a grace of (\d+) %", words)
        grace = 0 if percent is None else int(words.split(maxsplit=1)[0]) * int(percent[1]) // 100
        fits = consumption.budget + grace - consumption.used
        accesses = [await self.house.decision(user_id, feature_id, delta) for delta in (fits, fits + 1) if delta > 0]
        assert [each.access for each in accesses] == ([True, False] if fits > 0 else [False] * len(accesses))

    async def _others_limit(self, user_id: str, feature_id: str) -> int:
        """The highest limit of the other packages that a user has."""
        held = await self.house.world.accounts.subscriptions(TEST, user_id=user_id)
        packages = [self.after.packages[one.subscription.package_id] for one in held]
        features = [package.feature(feature_id) for package in packages if package.id != self.id]
        return max(each.allowance.limit or 0 for each in features if each is not None)


def reset_in(words: str) -> ResetPeriod | None:
    found = re.search(f"per ({_RESET})", words)
    return None if found is None else ResetPeriod(found[1].upper())


async def feature_created(happened: Happened) -> None:
    assert happened.id not in happened.before.features
    assert happened.after.features[happened.id].type == happened.said["type"]


async def feature_renamed(happened: Happened) -> None:
    assert happened.before.features[happened.id].name == happened.said["old"]
    assert happened.after.features[happened.id].name == happened.said["new"]


async def created(happened: Happened) -> None:
    assert happened.id not in happened.before.packages
    package = happened.after.packages[happened.id]
    published = happened.said["how"] == "and published"
    bases = happened.said["bases"]
    assert (bases is not None) is package.is_addon
    if bases not in (None, "any base package"):
        assert not await happened.house.can_subscribe("plus", package.id)
    assert await happened.house.can_subscribe(*with_base(package)) is published
    assert package.trial_days == days_in(happened.said["trial"] or "no trial")
    held = happened.said["held"].split(", ") if happened.said["held"] != "no features" else []
    assert len(held) == len(package.features)
    if published and not package.is_addon:
        await happened.house.join(f"first-of-{package.id}", package.id)
        for words in held:
            feature_id, _, amount = words.partition(" ")
            await happened.allowed(f"first-of-{package.id}", feature_id.strip("'"), amount or None)


async def renamed(happened: Happened) -> None:
    assert happened.before.packages[happened.id].name == happened.said["old"]
    for user_id in await happened.reaches():
        held = await happened.house.world.accounts.subscriptions(TEST, user_id=user_id)
        assert happened.id in [one.subscription.package_id for one in held]
    assert happened.after.packages[happened.id].name == happened.said["new"]


async def kind(happened: Happened) -> None:
    assert happened.before.packages[happened.id].is_addon is (happened.said["old"] == "add-on")
    assert happened.after.packages[happened.id].is_addon is (happened.said["new"] == "add-on")
    assert happened.members[happened.id] == []


async def bases(happened: Happened) -> None:
    for user_id in await happened.reaches():
        for feature_id in happened.before.features:
            assert await happened.house.decision(user_id, feature_id) == happened.decisions[user_id, feature_id]
    goes_with = happened.said["new"]
    for base in ("free", "plus"):
        fits = goes_with == "any base package" or repr(base) in goes_with
        assert await happened.house.can_subscribe(base, happened.id) is fits


async def trial(happened: Happened) -> None:
    """Who has the package keeps what they have; who gets it now has the trial, if it can be had."""
    assert happened.before.packages[happened.id].trial_days == days_in(happened.said["old"])
    for user_id in await happened.reaches():
        for feature_id in happened.before.features:
            assert await happened.house.decision(user_id, feature_id) == happened.decisions[user_id, feature_id]
    package = happened.after.packages[happened.id]
    assert package.trial_days == days_in(happened.said["new"])
    held = await happened.house.visit(*with_base(package))
    assert (held is not None) is (package.status is PackageStatus.PUBLISHED)
    if held is not None:
        days = timedelta(days=package.trial_days or 0)
        assert held.trial_ends_at == (held.start + days if days else None)


def days_in(words: str) -> int | None:
    found = re.search(r"\d+", words)
    return None if found is None else int(found[0])


async def loses(happened: Happened) -> None:
    for user_id in await happened.reaches():
        decision = await happened.house.decision(user_id, happened.said["feature"])
        assert decision == DENIED


async def gains(happened: Happened) -> None:
    for user_id in await happened.reaches():
        adds = (happened.said["to"] or "").endswith("on top of other packages")
        assert (happened.decisions[user_id, happened.said["feature"]].reason == NO_SUBSCRIPTION) is not adds
        await happened.allowed(user_id, happened.said["feature"], happened.said["to"])


async def changes(happened: Happened) -> None:
    resets = [reset_in(happened.said[words]) for words in ("from", "to")]
    is_draft = happened.before.packages[happened.id].status is PackageStatus.DRAFT
    assert (happened.said["anew"] is not None) is (resets[0] is not resets[1] and not is_draft)
    if happened.said["anew"]:
        assert happened.said["by"] == (None if resets[1] is None else resets[1].lower())
    for user_id in await happened.reaches():
        await happened.allowed(user_id, happened.said["feature"], happened.said["to"])


async def published(happened: Happened) -> None:
    assert not happened.could[happened.id]
    assert await happened.house.can_subscribe(*with_base(happened.after.packages[happened.id]))


async def published_again(happened: Happened) -> None:
    assert happened.before.packages[happened.id].status is PackageStatus.ARCHIVED
    await published(happened)
    assert await happened.reaches() == happened.members[happened.id]


async def archived(happened: Happened) -> None:
    assert happened.could[happened.id]
    assert not await happened.house.can_subscribe(*with_base(happened.after.packages[happened.id]))
    for user_id in await happened.reaches():
        for feature_id in happened.before.features:
            assert await happened.house.decision(user_id, feature_id) == happened.decisions[user_id, feature_id]
    again = read_config({"features": [], "packages": {"draft": [{"id": happened.id}]}, "addons": None})
    with pytest.raises(ConfigRefused, match="is archived and cannot"):
        await happened.house.config.publish(TEST, again, app_id=APP, by=TESTER)


async def deleted(happened: Happened) -> None:
    assert happened.before.packages[happened.id].status is PackageStatus.DRAFT
    assert happened.members[happened.id] == []
    assert happened.id not in happened.after.packages


async def warning(happened: Happened) -> None:
    """The numbers are those of whom the repeated sentence reaches, and of those who are above the limit afterwards."""
    members = happened.members[happened.id]
    assert int(happened.said["touched"]) == len(members)
    name, said = sentence_of(f"{happened.line.marked.removeprefix('[WARNING] ').rpartition(': this touches')[0]}.")
    assert name in ("loses", "changes", "archived")
    if happened.said["over"] is not None:
        above = int(happened.said["above"])
        totals = [happened.house.total(user_id, said["feature"], reset_in(said["to"])) for user_id in members]
        assert int(happened.said["over"]) == sum(total > above for total in totals)
        for user_id in members:
            await happened.allowed(user_id, said["feature"], said["to"])


PROOFS: Mapping[str, Callable[[Happened], Awaitable[None]]] = {
    "feature created": feature_created,
    "feature renamed": feature_renamed,
    "created": created,
    "renamed": renamed,
    "kind": kind,
    "bases": bases,
    "trial": trial,
    "loses": loses,
    "gains": gains,
    "changes": changes,
    "published": published,
    "published again": published_again,
    "archived": archived,
    "deleted": deleted,
    "warning": warning,
}
