"""The reference's rules of subscriptions: who is subscribed to what from when until when, as stretches of time.

Nothing of ``kana`` is imported.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from tests.reliability.accounts import Accounts, Held, Place, Refused
from tests.reliability.periods import STEPS, Anchor


@dataclass(frozen=True)
class Agreed:
    """What is agreed on when subscribing."""

    starts: datetime | None = None
    anchor: Anchor = None
    trial: datetime | None = None
    without_trial: bool = False
    ends_with_trial: bool = False


AT_ONCE = Agreed()


@dataclass
class Subscribing(Accounts):
    """A user has one base package at a time; an add-on lasts while those follow each other with which it goes."""

    def subscribe(self, user: str, names: list[str], now: datetime, agreed: Agreed = AT_ONCE) -> list[Held]:
        now = self.time(user, now)
        if not names or any(self.packages.get(name, {}).get("status") != "PUBLISHED" for name in names):
            raise Refused("SubscriptionRefused")
        start = agreed.starts or now
        if agreed.trial and agreed.trial <= max(start, now):
            raise Refused("InvalidValue")
        mine, new = self.users[user], []
        for name in names:
            trial = self._trial(mine, name, agreed, start)
            if agreed.ends_with_trial and (trial is None or trial <= now):
                raise Refused("InvalidValue")
            new.append(self._new(name, start, now, replace(agreed, trial=trial)))
        bases = [each for each in new if self._is_base(each)]
        self._check_one_base(bases, mine)
        for number, each in enumerate(new):
            if not self._is_base(each):
                self._check_addon(each, mine, bases, now)
                if any(each.package == other.package for other in new[:number]):
                    raise Refused("SubscriptionRefused")
        mine += new
        for each in new:
            self._last(each, mine, now)
        return new

    def change_base(self, user: str, name: str, now: datetime, *, later: bool = False, carry: bool = False) -> Held:
        now = self.time(user, now)
        mine = self.users[user]
        package = self.packages.get(name)
        if package is None or package["status"] != "PUBLISHED" or package["addon"]:
            raise Refused("SubscriptionRefused")
        old = next((each for each in mine if self._is_base(each) and each.gives(now)), None)
        if old is None or old.package == name:
            raise Refused("SubscriptionRefused")
        start = (old.ends or self._period_end(old, now)) if later else now
        if not later:
            for each in mine:
                if each.stands(now) and not self._goes_with(each, name):
                    raise Refused("SubscriptionRefused")
        new = self._new(name, start, now, Agreed(anchor=old.anchor if carry else None))
        if carry:
            new.carries = old
            new.brought = self._brought(old, new)
        following = self._following(old, mine, now)
        self._check_one_base([new], [each for each in mine if each is not old and each not in following])
        standing = [each for each in mine if each.stands(now)]
        self._end(old, start, now)
        mine.append(new)
        self._adjust(mine, standing, following, now)
        return new

    def cancel(self, user: str, number: int, now: datetime, *, at_period_end: bool) -> None:
        mine = self.users[user]
        held = mine[number]
        now = self.time(user, now)
        if not held.stands(now):
            return
        ends = self._period_end(held, now) if at_period_end else now
        following, standing = self._following(held, mine, now), [each for each in mine if each.stands(now)]
        if held.own_end is None or ends < held.own_end:
            held.own_end = ends
        if held.ends is None or ends < held.ends:
            self._end(held, ends, now)
        if self._is_base(held):
            self._adjust(mine, standing, following, now)

    def resume(self, user: str, number: int, now: datetime) -> None:
        mine = self.users[user]
        held = mine[number]
        now = self.time(user, now)
        if not held.stands(now):
            raise Refused("SubscriptionRefused")
        if held.ends is None:
            return
        if not self._is_base(held):
            until = self._until(held, mine, now)
            if until is not None and until <= held.ends:
                raise Refused("SubscriptionRefused")
            held.own_end, held.ends = None, until
            return
        following = self._following(held, mine, now)
        rest = [each for each in mine if each is not held and each not in following]
        self._check_one_base([Held(0, held.package, held.start)], rest)
        held.ends = held.own_end = None
        self._adjust(mine, [each for each in mine if each.stands(now)], following, now)

    # --- what they have in common

    def _trial(self, mine: list[Held], name: str, agreed: Agreed, start: datetime) -> datetime | None:
        """As agreed, or what the package gives everybody once."""
        if agreed.trial or agreed.without_trial:
            return agreed.trial
        days = self.packages[name]["trial_days"]
        tried = any(each.package == name and each.trial and each.held(each.start) for each in mine)
        return start + timedelta(days=days) if days and not tried else None

    def _new(self, package: str, start: datetime, now: datetime, agreed: Agreed) -> Held:
        ends = agreed.trial if agreed.ends_with_trial else None
        return Held(
            self._number(), package, start, ends, own_end=ends, scheduled=now < start, trial=agreed.trial,
            anchor=agreed.anchor,
        )  # fmt: skip

    def _is_base(self, held: Held) -> bool:
        return not self.packages[held.package]["addon"]

    def _goes_with(self, held: Held, base: str) -> bool:
        tied: list[str] = self.packages[held.package]["bases"]
        return not tied or base in tied

    def _brought(self, old: Held, new: Held) -> list[Place]:
        """What was counted over other periods when one took over from another, in the period of that moment."""
        before, after = (self.packages[each.package]["features"] for each in (old, new))
        found: list[Place] = []
        for feature in before.keys() & after.keys():
            place, own = (
                held.place(feature, says[feature][2], new.start) for held, says in ((old, before), (new, after))
            )
            found += [each for each in (place, *old.counting_in(place)) if each != own and each[3] < new.start]
        return found

    def _period_end(self, held: Held, now: datetime) -> datetime:
        resets = {reset for _, _, reset, *_ in self.packages[held.package]["features"].values()}
        longest = next((reset for reset in reversed(STEPS) if reset in resets), None)
        ends = held.period(longest, max(now, held.start))[1]
        if ends is None:
            raise Refused("Conflict")
        return ends

    def _end(self, held: Held, ends: datetime, now: datetime) -> None:
        held.ends, held.over = ends, ends <= now

    def _check_one_base(self, new: list[Held], others: list[Held]) -> None:
        met = [other for each in new for other in others if self._is_base(other) and other.meets(each.start, each.ends)]
        if len(new) > 1 or met:
            raise Refused("SubscriptionRefused")

    def _check_addon(self, addon: Held, mine: list[Held], bases: list[Held], now: datetime) -> None:
        standing = [each for each in mine if self._is_base(each) and each.held(addon.start)]
        if not any(self._goes_with(addon, each.package) for each in standing + bases):
            raise Refused("SubscriptionRefused")
        if standing and addon.start < now:
            raise Refused("SubscriptionRefused")
        if any(each.package == addon.package and each.meets(addon.start, addon.ends) for each in mine):
            raise Refused("SubscriptionRefused")

    def _following(self, base: Held, mine: list[Held], now: datetime) -> list[Held]:
        """The base package that was to start as this one ends."""
        return [
            each for each in mine
            if self._is_base(base) and self._is_base(each) and each.scheduled and each.stands(now)
            and each.start == base.ends
        ]  # fmt: skip

    def _adjust(self, mine: list[Held], standing: list[Held], withdrawn: list[Held], now: datetime) -> None:
        for each in withdrawn:
            self._end(each, now, now)
        for each in standing:
            self._last(each, mine, now)

    def _last(self, addon: Held, mine: list[Held], now: datetime) -> None:
        """Let an add-on last as long as its base packages, or until its own end; one that cannot start is over."""
        if self._is_base(addon):
            return
        until = self._until(addon, mine, now)
        ends: Any = min(filter(None, (until, addon.own_end)), default=None)
        if ends is not None and ends <= addon.start:
            ends = now
        if ends != addon.ends:
            addon.ends, addon.over = ends, ends is not None and ends <= now

    def _until(self, addon: Held, mine: list[Held], now: datetime) -> datetime | None:
        """When the base packages end that follow each other without a gap, with all of which it goes.

        That it went with the one that holds now was asked when it was made. The next subscription to the same add-on
        ends it too.
        """
        at, asked = max(addon.start, now), addon.start <= now
        follows = [
            each.start for each in mine
            if each is not addon and each.package == addon.package and each.stands(now) and each.start >= at
        ]  # fmt: skip
        while True:
            base = next((each for each in mine if self._is_base(each) and each.held(at)), None)
            if base is None or not (asked or self._goes_with(addon, base.package)):
                return min([at, *follows])
            if base.ends is None:
                return min(follows, default=None)
            at, asked = base.ends, False
