"""Where imports of users are kept on their way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from kana.model.environment import Environment
from kana.model.user import User
from kana.model.user_import import Row, UserImport

RowMerge = Callable[[Environment, Row, User | None], User]
"""Returns a user as a row has it, from what is there: the same user where nothing changes, a new one for None."""


class UserImportStore(Protocol):
    """The journal of imports that are merged into the users: each call is one short transaction.

    An import is kept page by page, then decided, then merged page by page. Until it is decided nobody sees anything
    of it and it can be dropped; from then on all of it will be merged, whatever ends in between.
    """

    async def begin_import(self, user_import: UserImport) -> None:
        """Open the journal of an import that is not decided."""
        ...

    async def keep_page(self, import_id: int, page: int, rows: Sequence[Row], *, now: datetime) -> None:
        """Add a page to an import; ``page`` numbers it.

        Raises:
            Conflict: the user_import was dropped, by somebody who took it for left behind.
        """
        ...

    async def decide_import(self, import_id: int, *, now: datetime) -> None:
        """Decide that an import is merged.

        Raises:
            Conflict: as for a page.
        """
        ...

    async def merge_page(self, import_id: int, merge: RowMerge, *, now: datetime) -> int | None:
        """Merge the next page of a decided user_import into the users and forget it; return how many rows it had.

        None when there is no page left: then the log has its one line, with counts, and the user_import is gone.

        Raises:
            Conflict: another call made one of the users meanwhile; nothing was written, try again.
        """
        ...

    async def drop_page(self, import_id: int) -> bool:
        """Forget a page of an import that was not decided, and at last the user_import; return whether more is left."""
        ...

    async def imports(self) -> list[UserImport]:
        """Return the imports that are under way or were left behind, the oldest first."""
        ...
