"""Moving all that one database holds into another, whatever kinds they are: table by table, row by row.

The tables of all stores have the same names, the same columns, and values that both understand.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

from kana.errors import Conflict

ROWS = 10_000
"""How many rows are read and written at a time, so that memory does not grow with the database."""


class Rows(NamedTuple):
    """Some rows of a table."""

    table: str
    columns: Sequence[str]
    rows: list[tuple[Any, ...]]


Put: TypeAlias = Callable[[Rows], Awaitable[None]]


class Tables(Protocol):
    """All that one database holds."""

    async def read(self, put: Put) -> None:
        """Hand over every row, as all of them were at one moment."""
        ...

    async def write(self, fill: Callable[[Put], Awaitable[None]]) -> None:
        """Write what ``fill`` puts, all of it or nothing.

        Raises:
            Conflict: there is a workspace in it already.
        """
        ...


async def move(source: Tables, target: Tables, *, on_rows: Callable[[Rows], None] = lambda _: None) -> None:
    """Copy all of ``source`` into ``target``, which is empty; ``on_rows`` is told what was written.

    Raises:
        Conflict: there is a workspace in the target already; nothing was written.
    """

    async def fill(put: Put) -> None:
        async def tell(rows: Rows) -> None:
            await put(rows)
            on_rows(rows)

        await source.read(tell)

    await target.write(fill)


def refuse_full(*, is_full: bool) -> None:
    """Refuse to write over what somebody keeps."""
    if is_full:
        raise Conflict("the database to copy into has a workspace already; copy into an empty one. Nothing was written")
