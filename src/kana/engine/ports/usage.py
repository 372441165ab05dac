"""Storage of usage: the ledger and its totals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from kana.model.account import Account
from kana.model.catalog import Catalog
from kana.model.environment import Environment
from kana.model.grant import CounterKey
from kana.model.ledger import LedgerPage, LedgerSearch
from kana.model.usage import Entry
from kana.model.value import value_object

if TYPE_CHECKING:
    from kana.engine.usage.batch import Batch


class Wanted(Protocol):
    """What a reader derives from one account, and the totals that it needs for the rest."""

    def counters(self) -> Iterable[CounterKey]:
        """Return which totals."""
        ...


class Totals(tuple[CounterKey, ...]):
    """Only totals, for a reader who needs nothing else from an account."""

    __slots__ = ()

    def counters(self) -> Iterable[CounterKey]:
        """Return them."""
        return self


_Wanted = TypeVar("_Wanted", bound=Wanted)

Want = Callable[[Account, Catalog], _Wanted]
"""Says what a reader wants of one account; it may be called again on newer data."""


@value_object()
class Snapshot(Generic[_Wanted]):
    """What was read at one moment: the catalogue, the accounts found, what was wanted of each, and the totals."""

    catalog: Catalog
    accounts: Mapping[str, Account]
    wanted: Mapping[str, _Wanted]
    used: Mapping[CounterKey, int]


@value_object()
class Drift:
    """A counter that does not equal the sum of its entries."""

    counter: CounterKey
    counted: int
    in_ledger: int


@value_object()
class TallyDrift:
    """A total of a day or an hour that differs from its entries. Each side is units, entries and refusals.

    ``user`` is the bucket and key of the user for a day; None for an hour, which covers all users.
    """

    environment: str
    user: tuple[int, int] | None
    feature_id: str
    package_id: str
    start: datetime
    counted: tuple[int, int, int]
    in_ledger: tuple[int, int, int]


@value_object()
class Audit:
    """The result of recomputing every counter from the ledger."""

    entries: int
    counters: int
    drifts: tuple[Drift, ...]
    tally_drifts: tuple[TallyDrift, ...] = ()

    @property
    def is_clean(self) -> bool:
        """Whether every total equals what the ledger says."""
        return not (self.drifts or self.tally_drifts)


class Ledger(Protocol):
    """Stores usage: entries that are never updated, and the totals derived from them."""

    def lane(self, environment: Environment, user_id: str) -> int:
        """Return which batches this user's usage may join: different lanes can commit at the same time."""
        ...

    async def append(self, batch: Batch) -> None:
        """Decide and write a batch in one transaction; return after the commit is on disk.

        Reads the newest catalogues, the batch's accounts under their locks, for ``batch.late`` with ended
        subscriptions; calls ``batch.begin``, reads the entries of ``batch.keys`` and ``batch.reverse`` and what is
        ``Reserved``; calls ``batch.place``, reads the totals it asks for, calls ``batch.decide``, and writes
        ``batch.entries``, ``batch.totals``, ``batch.tallies`` and ``batch.reservations``.
        """
        ...

    async def snapshot(
        self,
        environment: Environment,
        user_ids: Sequence[str],
        want: Want[_Wanted],
        *,
        now: datetime,
        history: bool = False,
    ) -> Snapshot[_Wanted]:
        """Return the accounts of these users, the result of ``want`` for each, and the totals that it names.

        Nothing is set aside by a reservation that has ended by ``now``. A user who does not exist is left out. With
        ``history`` accounts include ended subscriptions.
        """
        ...

    async def search(self, search: LedgerSearch) -> LedgerPage:
        """Return the page of a user's entries that a search asks for; it looks at ``LOOKED_AT_MAX`` at most.

        Raises:
            UserNotFound: no user has this id.
            InvalidValue: ``after`` is not the id of an entry of the user.
        """
        ...

    async def entry(self, environment: Environment, user_id: str, entry_id: int) -> Entry:
        """Return one entry of a user.

        Raises:
            UserNotFound, EntryNotFound: no user has this id, or no entry of theirs.
        """
        ...

    async def decision(self, entry: Entry) -> Sequence[Entry]:
        """Return the entries of the decision that an entry is of, in the order of its lines; without one, it alone."""
        ...

    async def entry_owner(self, environment: Environment, entry_id: int) -> str:
        """Return the present id of the user in whose ledger an entry is, by a look-up for each user.

        Raises:
            EntryNotFound: no entry has this id.
        """
        ...


class AuditStore(Protocol):
    """Compares every total with the sum of its lines."""

    async def audit(self) -> Audit:
        """Recompute every total from the entries and return where they differ."""
        ...
