"""A batch: usages and reversals that are decided and written in one transaction. It does no I/O itself.

A store drives it: it reads the accounts of ``users`` under their locks, with ended subscriptions for
those who are ``late``, the entries that have ``keys`` and those to ``reverse``, calls ``place``, reads the totals that
this names, calls ``decide``, writes ``entries``, ``totals`` and ``tallies``, and commits. Only then are the
``answers`` valid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from kana.errors import EntryNotFound, IdempotencyKeyReused, KanaError, UserNotFound
from kana.model.account import Account
from kana.model.catalog import Catalog
from kana.model.effective import effective, effective_at
from kana.model.entitlement import Place, place_at
from kana.model.environment import Environment
from kana.model.grant import CounterKey
from kana.model.package import NO_PACKAGE
from kana.model.reversal import Reversal, check_reversible, reverse
from kana.model.tally import Tallies
from kana.model.text import shown
from kana.model.usage import Entry, Receipt, Usage, check_time, package_of, settle
from kana.model.user import UserRef

NamedUser = tuple[Environment, str]
"""A user as callers name them."""

KeyUse = tuple[int, bytes]
"""A user's ``key`` and the digest of one of their idempotency keys."""

EntryUse = tuple[int, int]
"""A user's ``key`` and the id of one of their entries."""

Request: TypeAlias = Usage | Reversal
"""What a batch decides and writes."""


Decide: TypeAlias = Callable[[dict[CounterKey, int]], Entry]
"""Decides one request on the totals so far, and adds its entry to them."""


class Placed(NamedTuple):
    """A request, whose it is, the totals that deciding it needs, and how it is decided."""

    request: Request
    user: UserRef
    counters: Iterable[CounterKey]
    decide: Decide


class Batch:
    """Requests in order of arrival, and the answer to each. A wrong one does not affect its neighbours."""

    def __init__(self, usages: Sequence[Request], *, clock: Callable[[], datetime], next_id: Callable[[], int]) -> None:
        self.usages = usages
        self._clock = clock
        self._now: datetime
        self.entries: list[Entry] = []
        self.totals: dict[CounterKey, int] = {}
        self.tallies = Tallies()
        self._next_id = next_id
        self._answers: list[Receipt | KanaError | None] = [None] * len(usages)
        self._placed: list[tuple[int, Placed]] = []
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
        """The users with a request about an earlier time, so that ended subscriptions may answer for it."""
        return {
            (usage.environment, usage.user_id)
            for usage in self.usages
            if usage.timestamp is not None or isinstance(usage, Reversal)
        }

    @property
    def keys(self) -> list[tuple[NamedUser, bytes]]:
        """The users and digests of the idempotency keys whose earlier entries are needed."""
        return [
            ((usage.environment, usage.user_id), usage.key_digest)
            for usage in self.usages
            if usage.key_digest is not None
        ]

    @property
    def reverse(self) -> list[tuple[NamedUser, int]]:
        """The users and ids of the entries that are to be reversed."""
        return [((each.environment, each.user_id), each.entry_id) for each in self.usages if isinstance(each, Reversal)]

    @property
    def answers(self) -> list[Receipt | KanaError]:
        """One answer for each usage, in order: a receipt, or the error for this usage."""
        return [answer for answer in self._answers if answer is not None]

    def place(
        self,
        catalogs: Mapping[Environment, Catalog],
        accounts: Mapping[NamedUser, Account],
        earlier: Mapping[KeyUse, Entry],
        to_reverse: Mapping[EntryUse, Entry] = MappingProxyType({}),
    ) -> set[CounterKey]:
        """Find the entitlement that answers for each usage; return the totals that deciding needs.

        This call sets the time of the decisions. The caller has the locks, so of two that change an account
        the second one has a later time than the first.
        """
        self._now = self._clock()
        self._earlier = dict(earlier)
        self._placed = []
        counters: set[CounterKey] = set()
        for number, request in enumerate(self.usages):
            try:
                account = accounts.get((request.environment, request.user_id))
                if account is None:
                    raise UserNotFound(f"User not found: {shown(request.user_id)}")
                if isinstance(request, Reversal):
                    placed = self._place_reversal(request, account, to_reverse)
                else:
                    placed = self._place_usage(request, catalogs[request.environment], account)
            except KanaError as error:
                self._answers[number] = error
            else:
                self._placed.append((number, placed))
                counters.update(placed.counters)
        return counters

    def _place_usage(self, usage: Usage, catalog: Catalog, account: Account) -> Placed:
        feature = catalog.feature(usage.feature_id)
        moment = usage.timestamp
        if moment is None:
            moment = self._now
            entitlement = effective(account, catalog, feature, now=moment)
        else:
            if self._first(usage, account.user) is None:
                check_time(moment, account, now=self._now)
            entitlement = effective_at(account, catalog, feature, moment=moment, now=self._now)
        place = None if entitlement is None else place_at(entitlement, moment)
        counters = () if place is None else place.counters
        return Placed(usage, account.user, counters, partial(self._decide_usage, usage, account.user, place))

    def _place_reversal(self, reversal: Reversal, account: Account, to_reverse: Mapping[EntryUse, Entry]) -> Placed:
        entry = to_reverse.get((account.user.key, reversal.entry_id))
        if entry is None:
            raise EntryNotFound(f"Entry not found: '{reversal.entry_id}'")
        check_reversible(entry)
        decide = partial(self._decide_reversal, reversal, account, entry)
        return Placed(reversal, account.user, [counter for counter, _ in entry.postings], decide)

    def _first(self, usage: Request, user: UserRef) -> Entry | None:
        """Return the earlier entry with this usage's idempotency key."""
        return None if usage.key_digest is None else self._earlier.get((user.key, usage.key_digest))

    def decide(self, used: Mapping[CounterKey, int]) -> None:
        """Decide each usage in order of arrival on the given totals, which change with each."""
        self.entries = []
        self.totals = {}
        self.tallies = Tallies()
        so_far = dict(used)
        for number, placed in self._placed:
            first = self._first(placed.request, placed.user)
            if first is None:
                self._answers[number] = Receipt(placed.decide(so_far))
            else:
                self._answers[number] = _answer_again(first, placed.request)

    def _decide_usage(self, usage: Usage, user: UserRef, place: Place | None, so_far: dict[CounterKey, int]) -> Entry:
        standing = None
        if place is not None:
            standing = place.standing(so_far)
        entry = settle(usage, user, standing, entry_id=self._next_id(), now=self._now)
        package_id = NO_PACKAGE if standing is None else package_of(entry, standing)
        return self._keep(entry, package_id, so_far)

    def _decide_reversal(
        self, reversal: Reversal, account: Account, entry: Entry, so_far: dict[CounterKey, int]
    ) -> Entry:
        undone = reverse(reversal, entry, so_far, entry_id=self._next_id(), now=self._now)
        return self._keep(undone, _package_of(entry, account), so_far)

    def _keep(self, entry: Entry, package_id: str, so_far: dict[CounterKey, int]) -> Entry:
        """Add an entry to what is written, and to the totals so far."""
        for counter, change in entry.postings:
            self.totals[counter] = so_far[counter] = so_far.get(counter, 0) + change
        self.entries.append(entry)
        self.tallies.add(entry, package_id)
        if entry.key is not None:
            self._earlier[entry.user_key, entry.key] = entry
        return entry


def _package_of(entry: Entry, account: Account) -> str:
    """Return the package that an entry counts for."""
    source_id = None if entry.counter is None else abs(entry.counter.source_id)
    return next((each.package_id for each in account.subscriptions if each.id == source_id), NO_PACKAGE)


def _answer_again(first: Entry, usage: Request) -> Receipt | KanaError:
    """Return the first answer to a key, or the error if the content differs; of a reversal it never does."""
    differing = [] if isinstance(usage, Reversal) else first.differing_fields(usage)
    if isinstance(usage, Reversal) or not differing:
        return Receipt(first, duplicate=True)
    return IdempotencyKeyReused(
        f"idempotencyKey {shown(usage.key)} was used before with other content: {', '.join(differing)}"
        " differ; nothing was recorded"
    )
