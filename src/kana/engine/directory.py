"""The directory of users, for those who look after them: found among very many, and merged with a table of theirs."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence

from kana.engine.ids import IdMaker
from kana.engine.ports import AccountStore, Clock, Ledger, Merge, Signed
from kana.errors import InvalidValue, UserNotFound
from kana.model.environment import Actor, Environment
from kana.model.package import Package
from kana.model.roster import Fate, Row, WrongRow, fate_of, merged
from kana.model.search import UserOrder, UserSearch
from kana.model.subscription import Subscription
from kana.model.user import User
from kana.model.value import dataclass

CHUNK = 500
"""How many rows of a roster are looked at in one go."""

Rows = Callable[[], Iterable[Row | WrongRow]]
"""Reads a roster from its beginning; it is read once to say what would happen, and once to do it."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A user as a list shows them: with what they are subscribed to and has not ended, the oldest first."""

    user: User
    holds: Sequence[tuple[Subscription, Package]]


@dataclass(frozen=True, slots=True)
class Ruling:
    """What becomes of one row, and why where it is wrong."""

    number: int
    id: str
    fate: Fate
    why: str = ""


class DirectoryEngine:
    """Finds users, and takes them in by the thousand."""

    def __init__(self, store: AccountStore, ledger: Ledger, *, clock: Clock, ids: IdMaker) -> None:
        self._store = store
        self._ledger = ledger
        self._clock = clock
        self._ids = ids

    async def search(
        self,
        environment: Environment,
        *,
        text: str = "",
        package_id: str | None = None,
        order: UserOrder = UserOrder.ID,
        after: str | None = None,
        first: int = 50,
    ) -> list[Listed]:
        """Return users of whom id, name or e-mail begins with a text, at most ``first``, from behind the id ``after``.

        An ``after`` that no user has, renamed meanwhile, begins anew.
        """
        now = self._clock()
        search = UserSearch(
            environment=environment,
            now=now,
            text=text,
            package_id=package_id,
            order=order,
            after=await self._find(environment, after),
            limit=first,
        )
        users = await self._store.search_users(search)
        snapshot = await self._ledger.snapshot(environment, [user.id for user in users], lambda *_: ())
        return [
            Listed(
                user,
                [
                    (subscription, snapshot.catalog.package(subscription.package_id))
                    for subscription in snapshot.accounts[user.id].standing(now)
                ],
            )
            for user in users
            if user.id in snapshot.accounts  # Renamed since.
        ]

    async def _find(self, environment: Environment, user_id: str | None) -> User | None:
        try:
            return None if user_id is None else await self._store.user(environment, user_id)
        except UserNotFound:
            return None

    async def rule(self, environment: Environment, rows: Sequence[Row | WrongRow]) -> list[Ruling]:
        """Return what merging these rows would do to each, and do none of it."""
        ids = [row.id for row in rows if isinstance(row, Row)]
        there = await self._store.users_by_id(environment, ids)
        return [self._rule(environment, row, there.get(row.id)) for row in rows]

    def _rule(self, environment: Environment, row: Row | WrongRow, old: User | None) -> Ruling:
        if isinstance(row, WrongRow):
            return Ruling(row.number, row.id, Fate.WRONG, row.why)
        try:
            new = merged(row, old, environment=environment, key=0, now=self._clock())
        except InvalidValue as error:
            return Ruling(row.number, row.id, Fate.WRONG, error.message)
        return Ruling(row.number, row.id, fate_of(old, new))

    async def merge(
        self,
        environment: Environment,
        rows: Rows,
        *,
        on_chunk: Callable[[int], None],
        source: str = "",
        by: Actor | None = None,
    ) -> None:
        """Merge a roster into the users, all of it or nothing; doing it again changes nothing.

        ``on_chunk`` is told, by whichever thread writes, how many rows were handed over so far.
        ``by`` stands in the administrative log, with counts and ``source``, less its control characters.

        Raises:
            InvalidValue: a row is wrong; the message says which.
            Conflict: another call made one of the users meanwhile.
        """

        def chunks() -> Iterator[dict[str, Merge]]:
            done = 0
            for chunk in in_chunks(rows()):
                yield {row.id: self._merge(environment, row) for row in chunk}
                done += len(chunk)
                on_chunk(done)

        signed = None if by is None else Signed(by, self._clock)
        await self._store.merge_users(environment, chunks, source=_plain(source), signed=signed)

    def _merge(self, environment: Environment, row: Row | WrongRow) -> Merge:
        if isinstance(row, WrongRow):
            raise InvalidValue(f"row {row.number}: {row.why}")
        key, now = self._ids(), self._clock()
        return lambda old: merged(row, old, environment=environment, key=key, now=now)


def _plain(name: str) -> str:
    """Leave out what a file's name may hold and no database keeps."""
    return "".join(each for each in name if unicodedata.category(each) not in ("Cc", "Cs"))


def in_chunks(rows: Iterable[Row | WrongRow]) -> Iterator[list[Row | WrongRow]]:
    """Yield rows so many at a time."""
    chunk: list[Row | WrongRow] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
