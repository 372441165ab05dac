"""Sessions on PostgreSQL."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar, cast

from kana.store.postgres.database import Database
from kana.store.postgres.pool import Connection
from kana.store.postgres.statements import SESSION, SQL
from kana.store.session import Lock, Row, Work

_Result = TypeVar("_Result")

_LOCKS = {
    Lock.WORKSPACE: SESSION["lock_migrations"],
    Lock.COLLEAGUES: SESSION["lock_colleagues"],
    Lock.RULES: SESSION["lock_rules"],
    Lock.RULES_SHARED: SESSION["share_rules"],
}


class PostgresSession:
    """An open transaction of a connection; see ``Session``."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def rows(self, name: str, *bindings: object) -> Sequence[Row]:
        """Return every row of a statement."""
        return cast("Sequence[Row]", await self._connection.fetch(SQL[name], *bindings))

    async def row(self, name: str, *bindings: object) -> Row | None:
        """Return the first row of a statement."""
        return cast("Row | None", await self._connection.fetchrow(SQL[name], *bindings))

    async def value(self, name: str, *bindings: object) -> Any:
        """Return the first column of the first row."""
        return await self._connection.fetchval(SQL[name], *bindings)

    async def execute(self, name: str, *bindings: object) -> int:
        """Run a statement that writes; return how many rows it touched, which ends the server's answer."""
        status = await self._connection.execute(SQL[name], *bindings)
        return int(status.rpartition(" ")[2])

    async def many(self, name: str, rows: Sequence[Row]) -> None:
        """Run a statement once for each of the rows."""
        await self._connection.executemany(SQL[name], rows)

    def array(self, values: Sequence[Any]) -> object:
        """Return a list, which the driver accepts."""
        return list(values)

    async def lock(self, lock: Lock) -> None:
        """Take an advisory lock of the database, which applies to every process."""
        await self._connection.execute(_LOCKS[lock])


class PostgresTransactions:
    """Runs work on connections of the pool; see ``Transactions``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, work: Work[_Result]) -> _Result:
        """Run a short read."""
        return await self._database.read(_over_a_session(work))

    async def read_aside(self, work: Work[_Result], *, unbounded: bool = False) -> _Result:
        """Run a long read."""
        return await self._database.read_aside(_over_a_session(work), unbounded=unbounded)

    async def write(self, work: Work[_Result]) -> _Result:
        """Run work and commit; a transaction that conflicts with another is tried again."""
        return await self._database.write(_over_a_session(work))


def _over_a_session(work: Work[_Result]) -> Callable[[Connection], Awaitable[_Result]]:
    return lambda connection: work(PostgresSession(connection))
