"""Storage of the deletion of users while it is in progress."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from kana.engine.ports.users import Signed
from kana.model.deletion import Deletion
from kana.model.environment import Environment


class Mark(NamedTuple):
    """How far the traces of a user are cleared: a stage, and the number after which it continues."""

    stage: int = 0
    after: int = 0


class DeletionStore(Protocol):
    """Deletes users. One transaction decides; then every trace is cleared, each page in a short transaction.

    From the decision on nobody sees anything of the user: they are not found, and whoever reads lines of the log or
    events of Segment reads them as they will be when they are cleared. Until all is cleared nobody can take their id.
    """

    async def begin_deletion(
        self, environment: Environment, user_id: str, *, surrogate: str, signed: Signed
    ) -> Deletion:
        """Delete a user under their lock: end their subscriptions, take them out of imports, and log it.

        Raises:
            UserNotFound: no user has this id.
        """
        ...

    async def clear_page(self, deletion: Deletion, mark: Mark) -> Mark | None:
        """Clear the next traces from a mark on; return the mark after them. None when all of them are cleared.

        Doing it again changes nothing, and several processes may do it at the same time.
        """
        ...

    async def deletions(self, environment: Environment) -> Sequence[Deletion]:
        """Return the deletions that are not finished, the oldest first."""
        ...
