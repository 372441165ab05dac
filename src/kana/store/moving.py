"""Copying one database into another of any kind, table by table, row by row.

The tables of both stores have the same names and columns, and values that both understand.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

from kana.errors import Conflict

ROWS = 10_000
"""How many rows are read and written at a time, so that memory use does not grow with the database."""


class Rows(NamedTuple):
    """Some rows of a table."""

    table: str
    columns: Sequence[str]
    rows: list[tuple[Any, ...]]


Put: TypeAlias = Callable[[Rows], Awaitable[None]]


class Tables(Protocol):
    """All tables of one database."""

    async def read(self, put: Put) -> None:
        """Pass every row to ``put``, all as of the same moment."""
        ...

    async def write(self, fill: Callable[[Put], Awaitable[None]]) -> None:
        """Write what ``fill`` puts, all of it or nothing.

        Raises:
            Conflict: it already has a workspace.
        """
        ...


async def move(source: Tables, target: Tables, *, on_rows: Callable[[Rows], None] = lambda _: None) -> None:
    """Copy all of ``source`` into ``target``, which is empty; ``on_rows`` is called with what was written.

    Raises:
        Conflict: the target already has a workspace; nothing was written.
    """

    async def fill(put: Put) -> None:
        async def tell(rows: Rows) -> None:
            await put(rows)
            on_rows(rows)

        await source.read(tell)

    await target.write(fill)


def refuse_full(*, is_full: bool) -> None:
    """Refuse to overwrite an existing workspace."""
    if is_full:
        raise Conflict("the database to copy into already has a workspace; copy into an empty one. Nothing was written")
