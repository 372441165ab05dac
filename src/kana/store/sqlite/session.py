"""Sessions on SQLite: statements run when they are called, and never wait."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

import apsw

from kana.store.session import Lock, Row, Work
from kana.store.sqlite.database import Database
from kana.store.sqlite.statements import SQL
from kana.store.values import to_json

_Result = TypeVar("_Result")


class SqliteSession:
    """An open transaction of a connection; see ``Session``."""

    __slots__ = ("_connection",)

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    async def rows(self, name: str, *bindings: Any) -> Sequence[Row]:
        """Return every row of a statement."""
        return self._connection.execute(SQL[name], bindings).fetchall()

    async def row(self, name: str, *bindings: Any) -> Row | None:
        """Return the first row of a statement, which still runs to its end."""
        found = self._connection.execute(SQL[name], bindings).fetchall()
        return found[0] if found else None

    async def value(self, name: str, *bindings: Any) -> Any:
        """Return the first column of the first row."""
        found = self._connection.execute(SQL[name], bindings).fetchall()
        return found[0][0] if found else None

    async def execute(self, name: str, *bindings: Any) -> int:
        """Run a statement that writes; return how many rows it touched."""
        self._connection.execute(SQL[name], bindings).fetchall()
        return self._connection.changes()

    async def many(self, name: str, rows: Sequence[Row]) -> None:
        """Run a statement once for each of the rows."""
        self._connection.executemany(SQL[name], rows).fetchall()

    def array(self, values: Sequence[Any]) -> object:
        """Return a list as JSON, as SQLite has no arrays."""
        return to_json(values)

    async def lock(self, lock: Lock) -> None:
        """Do nothing: one transaction writes at a time."""


class SqliteTransactions:
    """Runs work on the connections of one file; see ``Transactions``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, work: Work[_Result]) -> _Result:
        """Run a short read on this thread."""
        return self._database.read(_to_its_end(work))

    async def read_aside(self, work: Work[_Result], *, unbounded: bool = False) -> _Result:  # noqa: ARG002 - none is bounded
        """Run a long read on the reader thread."""
        return await self._database.read_aside(_to_its_end(work))

    async def write(self, work: Work[_Result]) -> _Result:
        """Run work on the writer thread, and commit."""
        return await self._database.write(_to_its_end(work))


def _to_its_end(work: Work[_Result]) -> Callable[[apsw.Connection], _Result]:
    return lambda connection: run(work(SqliteSession(connection)))


def run(coroutine: Coroutine[Any, Any, _Result]) -> _Result:
    """Return the result of a coroutine that never waits.

    Raises:
        RuntimeError: it did wait, for something other than a statement.
    """
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: _Result = end.value
        return result
    coroutine.close()
    raise RuntimeError("work in a transaction waited for something other than the database")
