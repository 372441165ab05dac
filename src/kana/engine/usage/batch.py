"""A batch: usages and reversals that are decided and written in one transaction. It does no I/O itself.

A store drives it: it reads the accounts of ``users`` under their locks, with ended subscriptions for
those who are ``late``, calls ``begin``, reads the entries that have ``keys`` and those to ``reverse``, and what is
``Reserved``, calls ``place``, reads the totals that this names, calls ``decide``, writes ``entries``, ``totals``,
``tallies``, ``reservations`` and ``notifications``, and commits. Only then are the ``answers`` valid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from itertools import chain
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from kana.engine.usage.lines import (
    Decided,
    Undecided,
    answer_again,
    check_same,
    closing,
    consuming,
    extending,
    settling,
    using,
)
from kana.errors import EntryNotFound, KanaError, ReservationNotFound, UserNotFound
from kana.model.account import Account
from kana.model.catalog import Catalog
from kana.model.consumed import Consumed
from kana.model.consuming import Consume, Extend, Release, Settle
from kana.model.entitlement import Place
from kana.model.environment import Environment
from kana.model.grant import CounterKey
from kana.model.notification import NewNotification, of_entry, of_reservation, of_top_ups
from kana.model.package import NO_PACKAGE
from kana.model.placing import place_now, place_then
from kana.model.reservation import Reservation
from kana.model.reversal import Reversal, check_reversible, reverse
from kana.model.subscription import Subscription
from kana.model.tally import Tallies
from kana.model.text import shown
from kana.model.usage import Entry, Receipt, Usage, check_time, entry_for, package_of
from kana.model.user import UserRef

NamedUser = tuple[Environment, str]
"""A user as callers name them."""

KeyUse = tuple[int, bytes]
"""A user's ``key`` and the digest of one of their idempotency keys."""

EntryUse = tuple[int, int]
"""A user's ``key`` and the id of one of their entries."""

Request: TypeAlias = Usage | Reversal | Consume | Settle | Release | Extend
"""What a batch decides and writes."""

Answer: TypeAlias = Receipt | Consumed | Reservation
"""The answer to a request, if that is not an error."""

Decide: TypeAlias = Callable[[dict[CounterKey, int]], Answer]
"""Decides one request on the totals so far, and adds its entries to them."""


class Reserved(NamedTuple):
    """What a batch needs of reservations, and of decisions over several lines that had its idempotency keys.

    ``decisions`` are the entries of each such decision, by its id; ``ended`` are reservations of the batch's users
    that have ended and are not closed yet.
    """

    decisions: Mapping[int, Sequence[Entry]] = MappingProxyType({})
    reservations: Mapping[int, Reservation] = MappingProxyType({})
    ended: Sequence[Reservation] = ()


NOTHING_RESERVED = Reserved()


Placed: TypeAlias = tuple[Request, UserRef, Iterable[CounterKey], Decide]
"""A request, whose it is, the totals that deciding it needs, and how it is decided."""


def _sets_nothing_aside(_bucket: int) -> int:
    """Return the id of a new reservation, where there is none."""
    raise AssertionError("a batch with a ttl needs ids of reservations")


class Batch:
    """Requests in order of arrival, and the answer to each. A wrong one does not affect its neighbours."""

    def __init__(
        self,
        requests: Sequence[Request],
        *,
        clock: Callable[[], datetime],
        next_id: Callable[[], int],
        reservation_id: Callable[[int], int] = _sets_nothing_aside,
    ) -> None:
        self.requests = requests
        self._others = [each for each in requests if not isinstance(each, Usage)]  # Nearly always there are none.
        self._clock = clock
        self._reservation_id = reservation_id
        self._reserving = {
            (each.environment, each.user_id)
            for each in self._others
            if isinstance(each, Consume) and each.ttl is not None
        }
        self.now: datetime
        self.entries: list[Entry] = []
        self.totals: dict[CounterKey, int] = {}
        self.tallies = Tallies()
        self.reservations: dict[int, Reservation] = {}
        self.notifications: list[NewNotification] = []
        self._next_id = next_id
        self._answers: list[Answer | KanaError | None] = [None] * len(requests)
        self._placed: list[tuple[int, Placed]] = []
        self._earlier: dict[KeyUse, Entry] = {}
        self._decisions: dict[int, Sequence[Entry]] = {}
        self._known: dict[int, Reservation] = {}
        self._ended: Sequence[Reservation] = ()

    @property
    def environments(self) -> set[Environment]:
        """The environments whose catalogues are needed."""
        return {each.environment for each in self.requests}

    @property
    def users(self) -> set[NamedUser]:
        """The users whose accounts are needed."""
        return {(each.environment, each.user_id) for each in self.requests}

    @property
    def late(self) -> set[NamedUser]:
        """The users with a request about an earlier time, so that ended subscriptions may answer for it."""
        at_a_time = (each for each in self.requests if each.timestamp is not None)
        of_earlier = (each for each in self._others if isinstance(each, Reversal | Settle))
        return {(each.environment, each.user_id) for each in chain(at_a_time, of_earlier)}

    @property
    def keys(self) -> list[tuple[NamedUser, bytes]]:
        """The users and digests of the idempotency keys whose earlier entries are needed."""
        return [
            ((each.environment, each.user_id), each.key_digest) for each in self.requests if each.key_digest is not None
        ]

    @property
    def reverse(self) -> list[tuple[NamedUser, int]]:
        """The users and ids of the entries that are to be reversed."""
        return [
            ((each.environment, each.user_id), each.entry_id) for each in self._others if isinstance(each, Reversal)
        ]

    @property
    def wanted_reservations(self) -> list[int]:
        """The ids of the reservations that requests are about."""
        return [each.reservation_id for each in self._others if isinstance(each, Settle | Release | Extend)]

    @property
    def answers(self) -> list[Answer | KanaError]:
        """One answer for each request, in order, or the error for it."""
        return [answer for answer in self._answers if answer is not None]

    def begin(self) -> None:
        """Set the time of the decisions, ``now``.

        The caller has the locks, so of two that change an account the second one has a later time than the first.
        """
        self.now = self._clock()

    def place(
        self,
        catalogs: Mapping[Environment, Catalog],
        accounts: Mapping[NamedUser, Account],
        earlier: Mapping[KeyUse, Entry],
        to_reverse: Mapping[EntryUse, Entry] = MappingProxyType({}),
        reserved: Reserved = NOTHING_RESERVED,
    ) -> set[CounterKey]:
        """Find what answers for each request; return the totals that deciding needs."""
        self._earlier = dict(earlier)
        self._decisions = dict(reserved.decisions)
        self._known = {**reserved.reservations, **{each.id: each for each in reserved.ended}}
        self._ended = reserved.ended
        self._placed = []
        counters = {counter for reservation in reserved.ended for counter in reservation.counters}
        for number, request in enumerate(self.requests):
            try:
                account = accounts.get((request.environment, request.user_id))
                if account is None:
                    raise UserNotFound(f"User not found: {shown(request.user_id)}")
                placed = self._place(request, account, catalogs[request.environment], to_reverse)
                if placed is None:
                    self._answers[number] = self._answer_again(request, account.user)
                else:
                    self._placed.append((number, placed))
                    counters.update(placed[2])
            except KanaError as error:
                self._answers[number] = error
        return counters

    def _place(
        self, request: Request, account: Account, catalog: Catalog, to_reverse: Mapping[EntryUse, Entry]
    ) -> Placed | None:
        """Return a request with what answers for it; None if it repeats a decision over several lines."""
        if self._reserving and (request.environment, request.user_id) in self._reserving:
            # What one request of the batch sets aside, the next ones must see.
            account = replace(account, holds_end=account.holds_end or self.now)
        if isinstance(request, Usage):
            return self._place_usage(request, catalog, account)
        if isinstance(request, Reversal):
            return self._place_reversal(request, account, to_reverse)
        if self._first(request, account.user) is not None:
            return None
        if isinstance(request, Consume):
            number = 0 if request.ttl is None else self._reservation_id(account.user.bucket)
            lines = consuming(request, account, catalog, now=self.now, reservation_id=number)
            return request, account.user, lines.counters, partial(self._decide_lines, lines, account)
        return self._place_on_reservation(request, account, catalog)

    def _place_usage(self, usage: Usage, catalog: Catalog, account: Account) -> Placed:
        feature = catalog.feature(usage.feature_id)
        moment = usage.timestamp
        if moment is None:
            place = place_now(account, catalog, feature, now=self.now)
        else:
            if self._first(usage, account.user) is None:
                check_time(moment, account, now=self.now)
            place = place_then(account, catalog, feature, moment=moment, now=self.now)
        if place is not None and place.credit is not None:
            lines = using(usage, place, place.credit, account.user, now=self.now)
            return usage, account.user, lines.counters, partial(self._decide_costly, lines, account)
        counters = () if place is None else place.counters
        return usage, account.user, counters, partial(self._decide_usage, usage, account, place)

    def _place_reversal(self, reversal: Reversal, account: Account, to_reverse: Mapping[EntryUse, Entry]) -> Placed:
        entry = to_reverse.get((account.user.key, reversal.entry_id))
        if entry is None:
            raise EntryNotFound(f"Entry not found: '{reversal.entry_id}'")
        check_reversible(entry)
        decide = partial(self._decide_reversal, reversal, account, entry)
        return reversal, account.user, [counter for counter, _ in entry.postings], decide

    def _place_on_reservation(self, request: Settle | Release | Extend, account: Account, catalog: Catalog) -> Placed:
        reservation = self._known.get(request.reservation_id)
        if reservation is None or reservation.user_key != account.user.key:
            raise ReservationNotFound(f"Reservation not found: '{request.reservation_id}'")

        def lines(known: Reservation) -> Undecided:
            if isinstance(request, Settle):
                return settling(request, known, account, catalog, now=self.now)
            if isinstance(request, Release):
                return closing(known, request, account.user, now=self.now)
            return extending(request, known, now=self.now)

        found = lines(reservation)

        def decide(so_far: dict[CounterKey, int]) -> Answer:
            # An earlier request of the batch may have changed it.
            known = self._known[request.reservation_id]
            return self._decide_lines(found if known is reservation else lines(known), account, so_far)

        return request, account.user, found.counters, decide

    def _first(self, usage: Request, user: UserRef) -> Entry | None:
        """Return the earlier entry with this usage's idempotency key; of a merged user, also from before the merge."""
        digest = usage.key_digest
        if digest is None:
            return None
        if not user.led_to:  # As nearly always.
            return self._earlier.get((user.key, digest))
        found = (self._earlier.get((key, digest)) for _, key in user.places)
        return next((entry for entry in found if entry is not None), None)

    def decide(self, used: Mapping[CounterKey, int]) -> None:
        """Decide each request in order of arrival on the given totals, which change with each.

        Before them, what has ended is let go.
        """
        self.entries = []
        self.totals = {}
        self.tallies = Tallies()
        self.reservations = {}
        self.notifications = []
        so_far = dict(used)
        for reservation in self._ended:
            self._let_go(reservation, so_far)
        for number, (request, user, _, decide) in self._placed:
            is_first = self._first(request, user) is None
            try:
                self._answers[number] = decide(so_far) if is_first else self._answer_again(request, user)
            except KanaError as error:
                self._answers[number] = error

    def _let_go(self, reservation: Reservation, so_far: dict[CounterKey, int]) -> None:
        user = UserRef(reservation.environment, reservation.bucket, reservation.user_key, "")
        lines = closing(reservation, None, user, now=self.now)
        self._keep_all(lines.decide(so_far, self._next_id), Account(user, ()), so_far)
        self.notifications.append(of_reservation(reservation))

    def _decide_usage(
        self, usage: Usage, account: Account, place: Place | None, so_far: dict[CounterKey, int]
    ) -> Receipt:
        standing = None if place is None else place.standing(so_far)
        entry = entry_for(usage, account.user, standing, entry_id=self._next_id(), now=self.now)
        package_id = NO_PACKAGE if standing is None else package_of(entry, standing)
        return Receipt(self._keep(entry, package_id, account, so_far))

    def _decide_reversal(
        self, reversal: Reversal, account: Account, entry: Entry, so_far: dict[CounterKey, int]
    ) -> Receipt:
        undone = reverse(reversal, entry, so_far, entry_id=self._next_id(), now=self.now)
        return Receipt(self._keep(undone, _package_of(entry, account.subscriptions), account, so_far))

    def _decide_costly(self, lines: Undecided, account: Account, so_far: dict[CounterKey, int]) -> Receipt:
        """Decide a usage together with what it costs; its own entry is the first of them."""
        decided = lines.decide(so_far, self._next_id)
        self._keep_all(decided, account, so_far)
        return Receipt(decided.entries[0])

    def _decide_lines(self, lines: Undecided, account: Account, so_far: dict[CounterKey, int]) -> Answer:
        decided = lines.decide(so_far, self._next_id)
        self._keep_all(decided, account, so_far)
        return decided.answer

    def _keep_all(self, decided: Decided, account: Account, so_far: dict[CounterKey, int]) -> None:
        for entry in decided.entries:
            self._keep(entry, _package_of(entry, account.subscriptions), account, so_far)
        if decided.entries:
            self._decisions[decided.entries[0].id] = decided.entries
        if decided.reservation is not None:
            self.reservations[decided.reservation.id] = self._known[decided.reservation.id] = decided.reservation

    def _keep(self, entry: Entry, package_id: str, account: Account, so_far: dict[CounterKey, int]) -> Entry:
        """Add an entry to what is written, with what it tells, and to the totals so far."""
        for counter, change in entry.postings:
            self.totals[counter] = so_far[counter] = so_far.get(counter, 0) + change
        self.entries.append(entry)
        self.tallies.add(entry, package_id)
        self.notifications += of_entry(entry)
        if account.given:
            self.notifications += of_top_ups(entry, account.given, so_far)
        if entry.key is not None:
            self._earlier[entry.user_key, entry.key] = entry
        return entry

    def _answer_again(self, request: Request, user: UserRef) -> Answer:
        """Return the first answer to a key; of a reversal it never differs.

        Raises:
            IdempotencyKeyReused: the content differs.
        """
        first = self._first(request, user)
        assert first is not None, "it has an answer"
        if isinstance(request, Reversal):
            return Receipt(first, duplicate=True)
        if isinstance(request, Usage):
            others = [each for each in self._decisions.get(first.id, ()) if each.id != first.id and not _is_cost(each)]
            check_same(request.key, ["the calls"] if others else first.differing_fields(request))
            return Receipt(first, duplicate=True)
        assert isinstance(request, Consume | Settle), "nothing else has a key"
        line = first.line
        reservation = None if line is None or line.reservation_id is None else self._known.get(line.reservation_id)
        return answer_again(self._decisions.get(first.id, (first,)), request, reservation)


def _is_cost(entry: Entry) -> bool:
    """Whether it is what another line of its decision costs."""
    return entry.line is not None and entry.line.cost_of is not None


def _package_of(entry: Entry, subscriptions: Sequence[Subscription]) -> str:
    """Return the package that an entry counts for."""
    source_id = None if entry.counter is None else abs(entry.counter.source_id)
    return next((each.package_id for each in subscriptions if each.id == source_id), NO_PACKAGE)
