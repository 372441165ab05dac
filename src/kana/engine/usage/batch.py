"""A batch: usages that are decided and written in one transaction. It does no I/O itself.

A store drives it: it reads the accounts of ``users`` under their locks, with ended subscriptions for
those who are ``late``, and the entries that have ``keys``, calls ``place``, reads the totals that this
names, calls ``decide``, writes ``entries``, ``totals`` and ``tallies``, and commits. Only then are the
``answers`` valid.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from kana.errors import IdempotencyKeyReused, KanaError, UserNotFound
from kana.model.account import Account
from kana.model.catalog import Catalog
from kana.model.effective import effective, effective_at
from kana.model.entitlement import Place, place_at
from kana.model.environment import Environment
from kana.model.grant import CounterKey
from kana.model.package import NO_PACKAGE
from kana.model.tally import Tallies
from kana.model.text import shown
from kana.model.usage import Entry, Receipt, Usage, check_time, settle
from kana.model.user import UserRef

NamedUser = tuple[Environment, str]
"""A user as callers name them."""

KeyUse = tuple[int, bytes]
"""A user's ``key`` and the digest of one of their idempotency keys."""


class Batch:
    """Usages in order of arrival, and the answer to each. A wrong one does not affect its neighbours."""

    def __init__(self, usages: Sequence[Usage], *, clock: Callable[[], datetime], next_id: Callable[[], int]) -> None:
        self.usages = usages
        self._clock = clock
        self._now: datetime
        self.entries: list[Entry] = []
        self.totals: dict[CounterKey, int] = {}
        self.tallies = Tallies()
        self._next_id = next_id
        self._answers: list[Receipt | KanaError | None] = [None] * len(usages)
        self._placed: list[tuple[int, Usage, UserRef, Place | None]] = []
        self._earlier: dict[KeyUse, Entry] = {}

    @property
    def environments(self) -> set[Environment]:
        """The environments whose catalogues are needed."""
        return {usage.environment for usage in self.usages}

    @property
    def users(self) -> set[NamedUser]:
        """The users whose accounts are needed."""
        return {(usage.environment, usage.user_id) for usage in self.usages}

    @property
    def late(self) -> set[NamedUser]:
        """The users with a usage that has a timestamp, so that ended subscriptions may answer for it."""
        return {(usage.environment, usage.user_id) for usage in self.usages if usage.timestamp is not None}

    @property
    def keys(self) -> list[tuple[NamedUser, bytes]]:
        """The users and digests of the idempotency keys whose earlier entries are needed."""
        return [
            ((usage.environment, usage.user_id), usage.key_digest)
            for usage in self.usages
            if usage.key_digest is not None
        ]

    @property
    def answers(self) -> list[Receipt | KanaError]:
        """One answer for each usage, in order: a receipt, or the error for this usage."""
        return [answer for answer in self._answers if answer is not None]

    def place(
        self,
        catalogs: Mapping[Environment, Catalog],
        accounts: Mapping[NamedUser, Account],
        earlier: Mapping[KeyUse, Entry],
    ) -> set[CounterKey]:
        """Find the entitlement that answers for each usage; return the totals that deciding needs.

        This call sets the time of the decisions. The caller has the locks, so of two that change an account
        the second one has a later time than the first.
        """
        self._now = self._clock()
        self._earlier = dict(earlier)
        self._placed = []
        counters: set[CounterKey] = set()
        for number, usage in enumerate(self.usages):
            try:
                user, place = self._place_one(usage, catalogs[usage.environment], accounts)
            except KanaError as error:
                self._answers[number] = error
            else:
                self._placed.append((number, usage, user, place))
                if place is not None:
                    counters.update(place.counters)
        return counters

    def _place_one(
        self, usage: Usage, catalog: Catalog, accounts: Mapping[NamedUser, Account]
    ) -> tuple[UserRef, Place | None]:
        account = accounts.get((usage.environment, usage.user_id))
        if account is None:
            raise UserNotFound(f"User not found: {shown(usage.user_id)}")
        feature = catalog.feature(usage.feature_id)
        moment = usage.timestamp
        if moment is None:
            moment = self._now
            entitlement = effective(account, catalog, feature, now=moment)
        else:
            if self._first(usage, account.user) is None:
                check_time(moment, account, now=self._now)
            entitlement = effective_at(account, catalog, feature, moment=moment)
        if entitlement is None:
            return account.user, None
        return account.user, place_at(entitlement, moment)

    def _first(self, usage: Usage, user: UserRef) -> Entry | None:
        """Return the earlier entry with this usage's idempotency key."""
        return None if usage.key_digest is None else self._earlier.get((user.key, usage.key_digest))

    def decide(self, used: Mapping[CounterKey, int]) -> None:
        """Decide each usage in order of arrival on the given totals, which change with each."""
        self.entries = []
        self.totals = {}
        self.tallies = Tallies()
        so_far = dict(used)
        for number, usage, user, place in self._placed:
            first = self._first(usage, user)
            if first is None:
                self._answers[number] = Receipt(self._decide_one(usage, user, place, so_far))
            else:
                self._answers[number] = _answer_again(first, usage)

    def _decide_one(self, usage: Usage, user: UserRef, place: Place | None, so_far: dict[CounterKey, int]) -> Entry:
        """Return the entry of a usage, and add it to the totals so far."""
        standing, package_id = None, NO_PACKAGE
        if place is not None:
            standing, package_id = place.standing(so_far), place.entitlement.holder.package_id
        entry = settle(usage, user, standing, entry_id=self._next_id(), now=self._now)
        for counter, change in entry.postings:
            self.totals[counter] = so_far[counter] = so_far.get(counter, 0) + change
        if standing is not None and standing.grants is not None:
            package_id = standing.grants.of(entry.counter).package_id
        self.entries.append(entry)
        self.tallies.add(entry, package_id)
        if entry.key is not None:
            self._earlier[user.key, entry.key] = entry
        return entry


def _answer_again(first: Entry, usage: Usage) -> Receipt | KanaError:
    """Return the first answer to a key, or the error if the content differs."""
    differing = first.differing_fields(usage)
    if not differing:
        return Receipt(first, duplicate=True)
    return IdempotencyKeyReused(
        f"idempotencyKey {shown(usage.key)} was used before with other content: {', '.join(differing)}"
        " differ; nothing was recorded"
    )
