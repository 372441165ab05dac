"""The directory of users, for those who look after them: found among very many, and held against a table of theirs."""

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
"""How many rows of an import are looked at in one go: some milliseconds, after which everybody else has a turn."""


@value_object()
class Listed:
    """A user as a list shows them: with what they are subscribed to and has not ended, the oldest first."""

    user: User
    holds: Sequence[tuple[Subscription, Package]]


@value_object()
class CheckedRow:
    """What becomes of one row, and why where it is wrong."""

    number: int
    id: str
    outcome: RowOutcome
    why: str = ""


class DirectoryEngine:
    """Finds users, and says what an import would make of them."""

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
        snapshot = await self._ledger.snapshot(environment, [user.id for user in users], lambda *_: Totals())
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
        """Return what merging these rows would do to each, and do none of it."""
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
    """Yield rows so many at a time."""
    chunk: list[Row | WrongRow] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
