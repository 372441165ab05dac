"""Random histories of one user, in memory: the model's rules change the account, and a batch decides and counts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from random import Random

from kana.engine.usage.batch import Batch
from kana.errors import KanaError
from kana.model.account import Account
from kana.model.allowance import Allowance, Combine, Rollover
from kana.model.catalog import Catalog
from kana.model.entitlement import Outcome
from kana.model.given import Given, Override
from kana.model.grant import CounterKey
from kana.model.package import Package, PackageFeature, PackagePrice, PackageStatus
from kana.model.period import Calendar, ResetPeriod
from kana.model.subscribing import cancel, change_base, resume, subscribe
from kana.model.subscription import Subscription, SubscriptionStatus
from kana.model.terms import ChangeTime, ChangeUsage, Terms
from kana.model.usage import Receipt, Usage
from tests.support.world import (
    NOON,
    TEST,
    a_catalog,
    a_feature,
    a_package,
    a_top_up,
    a_usage,
    an_account,
    an_override,
    holds,
)

FEATURES = ("message", "chat")
_RESETS = (None, ResetPeriod.HOUR, ResetPeriod.DAY, ResetPeriod.MONTH)
_STATUSES = (
    PackageStatus.PUBLISHED, PackageStatus.PUBLISHED, PackageStatus.PUBLISHED, PackageStatus.DRAFT,
)  # fmt: skip


class History:
    """One user in a random catalogue, whose clock only goes forward."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.catalog = self._random_catalog()
        self.account = an_account()
        self.totals: dict[CounterKey, int] = {}
        self.now = NOON
        self._ids = count(1)

    def steps(self, number: int) -> Iterator[tuple[Usage, Account]]:
        """Do so many things, and yield each usage before it is decided, with the account as it is."""
        for _ in range(number):
            if self.random.random() < 0.4:
                usage = self._random_usage()
                yield usage, self.account
                self.record(usage)
            else:
                self._random_change()

    def record(self, usage: Usage) -> Outcome | None:
        """Decide as a record does, and count it; None if it is an error."""
        outcome, totals = self.decide(usage, self.account, self.now)
        self.totals |= totals
        return outcome

    def decide(self, usage: Usage, account: Account, now: datetime) -> tuple[Outcome | None, dict[CounterKey, int]]:
        """Decide as a record at a moment does, and return what it comes to, with the totals that it changes."""
        if usage.timestamp is None:
            account = replace(account, subscriptions=tuple(account.state(now)))
        batch = Batch([usage], clock=lambda: now, next_id=lambda: 1)
        batch.begin()
        batch.place({TEST: self.catalog}, {(TEST, "ada"): account}, {})
        batch.decide(self.totals)
        [answer] = batch.answers
        return (answer.entry.outcome if isinstance(answer, Receipt) else None), batch.totals

    def with_package(self, package_id: str) -> Account | None:
        """The account after subscribing to a package or changing to it now, whichever the rules allow."""
        now = self.account.time(self.now)
        with suppress(KanaError):
            return self._with(*subscribe(self.account, self.catalog, [package_id], now=now, next_id=self._next_id))
        with suppress(KanaError):
            return self._with(*change_base(self.account, self.catalog, package_id, now=now, next_id=self._next_id))
        return None

    def _next_id(self) -> int:
        return next(self._ids)

    def _with(self, *changed: Subscription | Given) -> Account:
        subscriptions = {each.id: each for each in self.account.subscriptions}
        given = {each.id: each for each in self.account.given}
        for each in changed:
            if isinstance(each, Subscription):
                subscriptions[each.id] = each
            else:
                given[each.id] = each
        return replace(self.account, subscriptions=tuple(subscriptions.values()), given=tuple(given.values()))

    def _random_usage(self) -> Usage:
        delta = self.random.choice((-5, -1, 1, 1, 2, 5, 10, 20, 40))
        timestamp = None
        if self.random.random() < 0.2:
            timestamp = self.now - self.random.choice((0, 1, 1, 2)) * timedelta(hours=self.random.randint(0, 40))
        return a_usage(delta, feature_id=self.random.choice((*FEATURES, "message")), timestamp=timestamp)

    def _random_change(self) -> None:
        change = self.random.choice(
            (self._subscribe, self._subscribe, self._agree, self._agree, self._carry, self._cancel, self._resume,
             self._set_status, self._give, self._override, self._go_on, self._go_on, self._end)
        )  # fmt: skip
        change()

    def _subscribe(self) -> None:
        changed = self.with_package(self.random.choice(list(self.catalog.packages)))
        self.account = self.account if changed is None else changed

    def _agree(self) -> None:
        """Subscribe from some moment on, with periods from elsewhere and a trial."""
        now = self.account.time(self.now)
        start = now + timedelta(hours=self.random.choice((0, 0, 0, -90, 3, 40)))
        trial = self.random.choice((None, None, start + timedelta(hours=self.random.randint(1, 100))))
        anchor = self.random.choice((None, Calendar("Europe/Berlin"), now - timedelta(hours=1007)))
        terms = Terms(
            starts_at=start, anchor=anchor, trial_ends_at=trial, ends_with_trial=trial is not None and trial.hour < 12
        )
        packages = [self.random.choice(list(self.catalog.packages))]
        with suppress(KanaError):
            self.account = self._with(
                *subscribe(self.account, self.catalog, packages, terms=terms, now=now, next_id=self._next_id)
            )

    def _carry(self) -> None:
        """Change the base package and take usage along."""
        now, package_id = self.account.time(self.now), self.random.choice(list(self.catalog.packages))
        when, usage = self.random.choice(list(ChangeTime)), ChangeUsage.CARRY
        with suppress(KanaError):
            self.account = self._with(
                *change_base(
                    self.account, self.catalog, package_id, when=when, usage=usage, now=now, next_id=self._next_id
                )
            )

    def _cancel(self) -> None:
        standing = self.account.state(self.now)
        if standing:
            held = self.random.choice(standing)
            try:
                ended = cancel(
                    self.account, self.catalog, held.id, at_period_end=self.random.random() < 0.5, now=self.now
                )
            except KanaError:
                return
            self.account = self._with(*ended)

    def _resume(self) -> None:
        now = self.account.time(self.now)
        ending = [each for each in self.account.state(now) if each.ends_at is not None]
        if ending:
            with suppress(KanaError):
                self.account = self._with(*resume(self.account, self.catalog, self.random.choice(ending).id, now=now))

    def _set_status(self) -> None:
        standing = self.account.state(self.now)
        if standing:
            statuses = (SubscriptionStatus.PAST_DUE, SubscriptionStatus.ACTIVE, SubscriptionStatus.ACTIVE)
            self.account = self._with(replace(self.random.choice(standing), status=self.random.choice(statuses)))

    def _give(self) -> None:
        start = self.now + timedelta(hours=self.random.choice((0, 0, 3, 30)))
        ends_at = self.random.choice((None, start + timedelta(hours=self.random.randint(1, 100))))
        amount = self.random.choice((1, 5, 15))
        self.account = self._with(a_top_up(self._next_id(), amount, start=start, ends_at=ends_at, created_at=self.now))

    def _override(self) -> None:
        feature_id = self.random.choice(FEATURES)
        ended = [
            replace(each, ends_at=self.now)
            for each in self.account.given
            if isinstance(each, Override) and each.feature_id == feature_id and each.holds(self.now)
        ]
        denied = self.random.random() < 0.4
        new = an_override(
            self._next_id(),
            feature_id=feature_id,
            limit=None if denied or feature_id == "chat" else self.random.choice((0, 10, 30, None)),
            denied=denied,
            reset_period=self.random.choice(_RESETS),
            start=self.now,
            ends_at=self.random.choice((None, self.now + timedelta(hours=self.random.randint(1, 100)))),
        )
        self.account = self._with(*ended, new)

    def _end(self) -> None:
        holding = [each for each in self.account.given if each.holds(self.now)]
        if holding:
            self.account = self._with(replace(self.random.choice(holding), ends_at=self.now))

    def _go_on(self) -> None:
        self.now += timedelta(hours=self.random.choice((1, 5, 24, 24 * 20)), minutes=self.random.randint(0, 59))

    def _random_catalog(self) -> Catalog:
        packages = [self._random_package(f"base-{number}", is_addon=False) for number in range(3)]
        addons = [self._random_package(f"addon-{number}", is_addon=True) for number in range(3)]
        return a_catalog(a_feature(), a_feature("chat", binary=True), *packages, *addons)

    def _random_package(self, package_id: str, *, is_addon: bool) -> Package:
        features = [
            each
            for each in (PackageFeature(feature_id="message", allowance=self._random_allowance()), holds("chat"))
            if self.random.random() < 0.8
        ]
        price = PackagePrice(id="p", provider="x", amount=self.random.randint(1, 99), currency="eur", interval="month")
        return a_package(
            package_id,
            *features,
            is_addon=is_addon,
            base_package_ids=("base-0",) if is_addon and self.random.random() < 0.3 else (),
            status=self.random.choice(_STATUSES),
            prices=(price,) if self.random.random() < 0.7 else (),
        )

    def _random_allowance(self) -> Allowance:
        limit, reset = self.random.choice((0, 5, 10, 25, None)), self.random.choice(_RESETS)
        can_roll = limit is not None and reset is not None and self.random.random() < 0.4
        return Allowance(
            limit=limit,
            overage_enabled=self.random.random() < 0.15,
            reset_period=reset,
            combine=self.random.choice((Combine.HIGHEST, Combine.HIGHEST, Combine.ADD)),
            rollover=Rollover(limit=self.random.choice((5, 50)), periods=self.random.randint(1, 3))
            if can_roll
            else None,
            grace_percent=self.random.choice((0, 0, 20)) if limit is not None else 0,
        )
