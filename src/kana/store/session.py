"""The session, which runs statements in a transaction. SQLite and PostgreSQL each have their own.

Work is written once, as a coroutine over a session. On PostgreSQL it waits for the server; on SQLite it runs to its
end without waiting, so no event loop is needed and a statement costs only a call.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from enum import Enum, auto
from typing import Any, Protocol, TypeAlias, TypeVar

Row: TypeAlias = Sequence[Any]
"""A row of a statement, or its bindings, in the order of the .sql file."""

_Result = TypeVar("_Result")


class Lock(Enum):
    """A lock that a transaction holds to its end. On SQLite, where one writes at a time, it needs none."""

    WORKSPACE = auto()
    """Setting the database up."""
    COLLEAGUES = auto()
    """Changes of colleagues and invitations."""
    RULES = auto()
    """Changes of mapping rules, and mapping by them."""
    RULES_SHARED = auto()
    """The rules cannot change meanwhile; others may hold this lock at the same time."""


class Session(Protocol):
    """One open transaction. Statements are named as in the .sql files."""

    async def rows(self, name: str, *bindings: object) -> Sequence[Row]:
        """Return every row of a statement."""
        ...

    async def row(self, name: str, *bindings: object) -> Row | None:
        """Return the first row of a statement; None if there is none."""
        ...

    async def value(self, name: str, *bindings: object) -> Any:
        """Return the first column of the first row; None if there is none."""
        ...

    async def execute(self, name: str, *bindings: object) -> int:
        """Run a statement that writes; return how many rows it added, changed or deleted."""
        ...

    async def many(self, name: str, rows: Sequence[Row]) -> None:
        """Run a statement that writes once for each row, in order."""
        ...

    def array(self, values: Sequence[Any]) -> object:
        """Return the binding of a list, for ``= any($1::text[])``."""
        ...

    async def lock(self, lock: Lock) -> None:
        """Wait for a lock, and hold it to the end of the transaction."""
        ...


Work: TypeAlias = Callable[[Session], Coroutine[Any, Any, _Result]]
"""What is done in one transaction. It may run several times, each time on new reads; the last time counts."""


class Transactions(Protocol):
    """Runs work in transactions of one database."""

    async def read(self, work: Work[_Result]) -> _Result:
        """Run short reads, all at the same moment.

        Raises:
            Unavailable: the database does not answer.
        """
        ...

    async def read_aside(self, work: Work[_Result], *, unbounded: bool = False) -> _Result:
        """Run long reads, all at the same moment, that delay no other call; ``unbounded`` ones may exceed a minute.

        Raises:
            Unavailable: the database does not answer.
        """
        ...

    async def write(self, work: Work[_Result]) -> _Result:
        """Run work and commit; return its result when it is on disk. If work raises, everything is rolled back.

        Raises:
            Unavailable: nothing was written; try again.
            OutcomeUnknown: it may have been written.
        """
        ...
