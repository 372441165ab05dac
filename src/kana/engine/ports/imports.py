"""Storage of imports of users while they are in progress."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from kana.model.environment import Environment
from kana.model.user import User
from kana.model.user_import import Row, UserImport

RowMerge = Callable[[Environment, Row, User | None], User]
"""Returns the user that a row describes, given the present one: equal to it if nothing changes, new for None."""


class UserImportStore(Protocol):
    """The journal of imports that are merged into the users: each call is one short transaction.

    An import is stored page by page, then decided, then merged page by page. Until it is decided nobody sees anything
    of it and it can be dropped; afterwards all of it will be merged, even if the process ends in between.
    """

    async def begin_import(self, user_import: UserImport) -> None:
        """Begin the journal of an import that is not decided."""
        ...

    async def keep_page(self, import_id: int, page: int, rows: Sequence[Row], *, now: datetime) -> None:
        """Add a page to an import; ``page`` numbers it.

        Raises:
            Conflict: another process dropped the import, because it looked abandoned.
        """
        ...

    async def decide_import(self, import_id: int, *, now: datetime) -> None:
        """Decide that an import will be merged.

        Raises:
            Conflict: as for a page.
        """
        ...

    async def merge_page(self, import_id: int, merge: RowMerge, *, now: datetime) -> int | None:
        """Merge the next page of a decided import into the users and delete it; return how many rows it had.

        None if there is no page left: then the log has its line, with counts, and the import is deleted.

        Raises:
            Conflict: another call created one of the users meanwhile; nothing was written, try again.
        """
        ...

    async def drop_page(self, import_id: int) -> bool:
        """Delete a page of an undecided import, and finally the import; return whether more is left."""
        ...

    async def imports(self) -> list[UserImport]:
        """Return the imports that are in progress or were abandoned, the oldest first."""
        ...
