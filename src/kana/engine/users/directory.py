"""The directory of users: searching among very many, and comparing them with the rows of an import."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from kana.engine.ports.clock import Clock
from kana.engine.ports.usage import Ledger, Totals
from kana.engine.ports.users import AccountStore
from kana.errors import InvalidValue, UserNotFound
from kana.model.environment import Environment
from kana.model.package import Package
from kana.model.search import UserOrder, UserSearch
from kana.model.subscription import Subscription
from kana.model.text import new_identifier
from kana.model.user import User
from kana.model.user_import import Row, RowOutcome, WrongRow, merged, row_outcome
from kana.model.value import value_object

CHUNK = 50
"""How many rows of an import are checked at once: a few milliseconds, after which others get a turn."""


@value_object()
class Listed:
    """A user in a list, with their subscriptions that have not ended, the oldest first."""

    user: User
    holds: Sequence[tuple[Subscription, Package]]


@value_object()
class CheckedRow:
    """The outcome of one row, and the reason if it is wrong."""

    number: int
    id: str
    outcome: RowOutcome
    why: str = ""


class DirectoryEngine:
    """Finds users, and says what an import would do to them."""

    def __init__(self, store: AccountStore, ledger: Ledger, *, clock: Clock) -> None:
        self._store = store
        self._ledger = ledger
        self._clock = clock

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
        """Return at most ``first`` users whose id, name or e-mail begins with a text, after the user with id ``after``.

        If no user has the id ``after``, because of a rename, the list starts over.
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
        snapshot = await self._ledger.snapshot(environment, [user.id for user in users], lambda *_: Totals(), now=now)
        return [
            Listed(
                user,
                [
                    (subscription, snapshot.catalog.package(subscription.package_id))
                    for subscription in snapshot.accounts[user.id].state(now)
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

    async def rule(self, environment: Environment, rows: Sequence[Row | WrongRow]) -> list[CheckedRow]:
        """Return what merging would do with each of these rows, without doing it."""
        ids = [row.id for row in rows if isinstance(row, Row)]
        there = await self._store.users_by_id(environment, ids)
        return [self._rule(environment, row, there.get(row.id)) for row in rows]

    def _rule(self, environment: Environment, row: Row | WrongRow, old: User | None) -> CheckedRow:
        if isinstance(row, WrongRow):
            return CheckedRow(row.number, row.id, RowOutcome.WRONG, row.why)
        try:
            new_identifier(row.id, field="id", old=None if old is None else old.id)
            new = merged(row, old, environment=environment, key=0, now=self._clock())
        except InvalidValue as error:
            return CheckedRow(row.number, row.id, RowOutcome.WRONG, error.message)
        return CheckedRow(row.number, row.id, row_outcome(old, new))


def in_chunks(rows: Iterable[Row | WrongRow]) -> Iterator[list[Row | WrongRow]]:
    """Yield rows in chunks."""
    chunk: list[Row | WrongRow] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
