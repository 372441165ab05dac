"""What the state machine does to the catalogue and to subscriptions, and how it compares."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any

from kana.errors import KanaError
from kana.model.period import Calendar
from kana.model.terms import ChangeTime, ChangeUsage, Terms
from kana.model.usage import Usage
from tests.reliability.accounts import Place as Counted
from tests.reliability.accounts import Refused
from tests.reliability.draws import (
    AT_ONCE,
    BEGINNING,
    Agreement,
    agreements,
    allowances,
    base_names,
    beginnings,
    features_of,
    held,
    numbers,
    package_names,
    some_packages,
    tokens,
    trials,
    user_names,
    yes_or_no,
)
from tests.reliability.driving import choice, rule
from tests.reliability.reserving import Lines, Reserving
from tests.reliability.subscribing import Agreed
from tests.support.ledger import entries_of
from tests.support.stores import Place, furnish_workspace
from tests.support.world import TEST, TESTER, SetClock, World, a_feature


def later(now: datetime, seconds: float | None) -> datetime | None:
    return None if seconds is None else now + timedelta(seconds=seconds)


class Doing:
    """Does everything twice, and compares: the world, its catalogue, and who is subscribed to what."""

    def __init__(self, place: Place, runner: asyncio.Runner) -> None:
        self.place, self.runner = place, runner
        self.clock = SetClock(BEGINNING)
        self.reference = Reserving()
        self.ids: dict[int, int] = {}
        self.calls: list[Usage] = []
        self.lines: list[tuple[int, int, int]] = []
        self.consumed: list[tuple[str, Lines, str, datetime | None, int | None]] = []
        self.reservations: list[int] = []
        self.world: World = self.wait(self._open())

    async def _open(self) -> World:
        await self.place.clear()
        world = World(await self.place.open(), clock=self.clock)
        await furnish_workspace(world.store)
        await world.furnish(features=[a_feature(), a_feature("chat", binary=True), a_feature("token")])
        return world

    def wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    def check_what_is_stored(self) -> None:
        """Every counter equals its lines, and there are as many lines as recorded."""
        audit = self.wait(self.world.store.audits.audit())
        assert audit.drifts == ()
        assert audit.entries == self.reference.entries
        assert self._posted() == (self.reference.used, self.reference.kept)
        assert audit.counters == len(self.reference.used) + len(self.reference.kept)

    def close(self) -> None:
        self.wait(self.world.store.close())

    def _posted(self) -> tuple[dict[Counted, int], dict[Counted, int]]:
        """What the ledger says of every counter of what is used, and is set aside, by what it moved in which."""
        used: dict[Counted, int] = {}
        kept: dict[Counted, int] = {}
        for user in self.reference.users:
            for entry in self.wait(entries_of(self.world.store, user)):
                for counter, change in entry.postings:
                    place: Counted = (self._number(counter.source_id), *counter[2:5])
                    posted = kept if counter.is_held else used
                    posted[place] = posted.get(place, 0) + change
        return used, kept

    def _number(self, source_id: int) -> int:
        """The reference's number of what counts something; below zero for what it carried over."""
        number = next(theirs for theirs, mine in self.ids.items() if mine == abs(source_id))
        return number if source_id > 0 else -number

    def both(self, real: Coroutine[Any, Any, Any], expected: Callable[[], Any]) -> tuple[Any, Any]:
        """Do it for real and in the reference: both give a result, or errors of the same name."""
        try:
            theirs, error = expected(), None
        except Refused as refused:
            theirs, error = None, refused.name
        try:
            mine, raised = self.wait(real), None
        except KanaError as failure:
            mine, raised = None, type(failure).__name__
        assert raised == error
        return mine, theirs

    # --- catalogue

    @rule(
        base=allowances, extra=allowances, held=choice(["basic"], ["pro"], ["basic", "extra"], ["pro", "extra"]),
        since=beginnings, alike=yes_or_no, agreed=agreements, trial_days=trials, goes_with=choice(None, "basic", "pro"),
        tokens=tokens,
    )  # fmt: skip
    def begin(
        self, base: Any, extra: Any, held: list[str], since: datetime = BEGINNING, alike: bool = False,
        agreed: Agreement = AT_ONCE, trial_days: int | None = None, goes_with: str | None = None, tokens: Any = None,
    ) -> None:  # fmt: skip
        """Packages that are published, all with messages, and a user who holds one or two of them.

        Where they are alike, what was used can be carried from one to the other.
        """
        self.clock.now = since
        if alike and base[2] and extra[2]:
            extra = (*extra[:2], base[2], *extra[3:])
        for name, allowance in (("basic", base), ("pro", extra), ("extra", extra), ("more", base)):
            days, tied = trial_days if name == "pro" else None, goes_with if name == "more" else None
            features = {"message": allowance} | ({"token": tokens} if tokens else {})
            self.create_package(name, unusual=False, base=tied, features=features, trial_days=days)
            self.move_package(name, to="PUBLISHED")
        self.create_user("ada")
        self.subscribe("ada", held, agreed)

    @rule(
        name=package_names,
        unusual=choice(False, False, False, True),
        base=choice(None, None, "basic", "pro"),
        features=features_of,
        trial_days=trials,
    )
    def create_package(
        self, name: str, unusual: bool, base: str | None, features: dict[str, Any], trial_days: int | None
    ) -> None:
        addon = (name in {"extra", "more"}) is not unusual
        bases = [base] if addon and base else []
        real = self.world.catalog.create_package(
            TEST, id=name, is_addon=addon, base_package_ids=bases, features=held(features), trial_days=trial_days,
            by=TESTER,
        )  # fmt: skip
        self.both(
            real,
            lambda: self.reference.create_package(
                name, addon=addon, bases=bases, features=features, trial_days=trial_days
            ),
        )

    @rule(name=package_names, to=choice("PUBLISHED", "PUBLISHED", "PUBLISHED", "ARCHIVED", "UNARCHIVED"))
    def move_package(self, name: str, to: str) -> None:
        catalog = self.world.catalog
        verb = {"PUBLISHED": catalog.publish_package, "ARCHIVED": catalog.archive_package}
        move = verb.get(to, catalog.unarchive_package)
        self.both(move(TEST, name, by=TESTER), lambda: self.reference.move_package(name, to=to))

    @rule(name=package_names, features=features_of, confirmed=choice(True, True, False))
    def change_limits(self, name: str, features: dict[str, Any], confirmed: bool) -> None:
        real = self.world.catalog.update_package(
            TEST, name, {"features": held(features)}, confirm_impact=confirmed, by=TESTER
        )
        self.both(real, lambda: self.reference.change_features(name, features, confirmed=confirmed))

    # --- users and subscriptions

    @rule(name=user_names)
    def create_user(self, name: str) -> None:
        self.both(self.world.accounts.create_user(TEST, id=name), lambda: self.reference.create_user(name))

    @rule(old=user_names, new=user_names)
    def rename_user(self, old: str, new: str) -> None:
        self.both(self.world.accounts.update_user(TEST, old, {"id": new}), lambda: self.reference.rename_user(old, new))

    @rule(user=user_names, names=some_packages, agreed=agreements)
    def subscribe(self, user: str, names: list[str], agreed: Agreement = AT_ONCE) -> None:
        now = self.clock.now
        starts = later(now, agreed[0])
        anchor = agreed[1] if isinstance(agreed[1], str) else later(now, agreed[1])
        trial = None if isinstance(agreed[2], str) else later(now, agreed[2])

        async def real() -> Any:
            terms = Terms(
                starts_at=starts,
                anchor=Calendar(anchor) if isinstance(anchor, str) else anchor,
                trial_ends_at=trial,
                without_trial=agreed[2] == "none",
                ends_with_trial=agreed[3],
            )
            return await self.world.accounts.subscribe(TEST, user, names, terms=terms)

        said = Agreed(starts, anchor, trial, agreed[2] == "none", agreed[3])
        self._match(*self.both(real(), lambda: self.reference.subscribe(user, names, now, said)))

    @rule(user=user_names, names=some_packages, which=numbers)
    def subscribe_at_an_end(self, user: str, names: list[str], which: int) -> None:
        """From the very moment at which one of the user's subscriptions ends."""
        ends = [held.ends for held in self.reference.users.get(user, ()) if held.ends]
        if ends:
            seconds = (ends[which % len(ends)] - self.clock.now).total_seconds()
            self.subscribe(user, names, (seconds, None, None, False))

    @rule(often=2, user=user_names, name=base_names, later=yes_or_no, carry=yes_or_no)
    def change_base(self, user: str, name: str, later: bool, carry: bool) -> None:
        now = self.clock.now
        mine, theirs = self.both(
            self.world.accounts.change_subscription(
                TEST, user, name, when=ChangeTime.PERIOD_END if later else ChangeTime.NOW,
                usage=ChangeUsage.CARRY if carry else ChangeUsage.RESET,
            ),
            lambda: self.reference.change_base(user, name, now, later=later, carry=carry),
        )  # fmt: skip
        self._match(mine and [mine], theirs and [theirs])

    def _match(self, mine: list[Any] | None, theirs: list[Any] | None) -> None:
        for subscribed, expected in zip(mine or [], theirs or [], strict=True):
            self.ids[expected.number] = subscribed.subscription.id
        self._compare_subscriptions()

    def _compare_subscriptions(self) -> None:
        now = self.clock.now
        listed = self.wait(self.world.accounts.subscriptions(TEST))
        found = {
            held.subscription.id: (held.user_id, held.subscription.package_id, held.subscription.start,
                                   held.subscription.ends_at, held.subscription.status.value)
            for held in listed
        }  # fmt: skip
        assert found == {
            self.ids[held.number]: (user, held.package, held.start, held.ends, held.status(now))
            for user, subscriptions in self.reference.users.items()
            for held in subscriptions
        }

    @rule(user=user_names, which=numbers, at_period_end=yes_or_no)
    def cancel(self, user: str, which: int, at_period_end: bool) -> None:
        mine = self.reference.users.get(user)
        if not mine:
            return
        number = which % len(mine)
        held = mine[number]
        now = self.clock.now
        real = self.world.accounts.cancel_subscription(TEST, self.ids[held.number], at_period_end=at_period_end)
        answer, _ = self.both(real, lambda: self.reference.cancel(user, number, now, at_period_end=at_period_end))
        if answer is not None:
            assert (answer.user_id, answer.subscription.id) == (user, self.ids[held.number])
            assert answer.subscription.ends_at == held.ends
        self._compare_subscriptions()

    @rule(often=2, user=user_names, which=numbers)
    def resume(self, user: str, which: int) -> None:
        mine = self.reference.users.get(user)
        if mine:
            number, now = which % len(mine), self.clock.now
            real = self.world.accounts.resume_subscription(TEST, self.ids[mine[number].number])
            answer, _ = self.both(real, lambda: self.reference.resume(user, number, now))
            if answer is not None:
                assert answer.subscription.ends_at == mine[number].ends
            self._compare_subscriptions()
