"""Storage of jobs that move many users to another package."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from kana.engine.ports.clock import Clock
from kana.model.account import Account
from kana.model.bulk_change import BulkChange, BulkOutcome, BulkResult, Moved, Progress, Trace
from kana.model.catalog import Catalog
from kana.model.environment import Actor, Environment
from kana.model.user import User

MoveOne = Callable[[BulkChange, Account, Catalog, Trace | None], Moved]
"""Moves one user of a job, or with a trace moves them back. It reads the time under the account's lock."""


class BulkChangeStore(Protocol):
    """Jobs with a row for each of their users. Each call is one short transaction.

    A job is begun, its users are listed, and then they are moved page by page. Each page locks the job, so that several
    processes may work on one at the same time, and none of its users is moved twice.
    """

    async def begin_change(self, change: BulkChange) -> BulkChange:
        """Begin a job, and return it; with ids in its move they are listed at once, each user once.

        If one was begun with the same key, that one is returned and nothing is written.
        """
        ...

    async def list_page(self, change_id: int, users: Sequence[User], *, clock: Clock) -> bool:
        """Add users to the list of a job, each once; return False if its users are not listed any more."""
        ...

    async def end_list(self, change_id: int, *, clock: Clock) -> None:
        """Say that all users of a job are listed. What is known of whom to look for is forgotten."""
        ...

    async def move_page(self, change_id: int, move: MoveOne, *, limit: int, clock: Clock) -> int:
        """Move the next users of a job under the locks of their accounts, or back; return how many were looked at.

        0 if none is left, and then the job is done. What changes is logged, signed by who began the job or took it
        back. ``move`` may be called again on a newer account.
        """
        ...

    async def take_back(self, environment: Environment, change_id: int, *, by: Actor, clock: Clock) -> None:
        """Say that a job is to be taken back, in whatever state it is; again it changes nothing.

        Raises:
            BulkChangeNotFound: no job has this id.
        """
        ...

    async def bulk_change(self, environment: Environment, change_id: int) -> BulkChange:
        """Return a job.

        Raises:
            BulkChangeNotFound: no job has this id.
        """
        ...

    async def bulk_changes(self, environment: Environment, *, limit: int) -> list[BulkChange]:
        """Return the newest jobs, the newest first."""
        ...

    async def progress(self, change: BulkChange) -> Progress:
        """Return how far a job is."""
        ...

    async def results(self, change_id: int, *, outcome: BulkOutcome | None, limit: int, after: int) -> list[BulkResult]:
        """Return users of a job, in the order of the list, from the first number after ``after``.

        In place of the id of a user who was deleted there is their surrogate, and in place of their reason that.
        """
        ...

    async def open_changes(self) -> list[BulkChange]:
        """Return the jobs with something left to do, the oldest first."""
        ...
