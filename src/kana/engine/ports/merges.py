"""Storage: merging two users."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from kana.engine.ports.users import Signed
from kana.model.environment import Environment
from kana.model.user import User


class MergeStore(Protocol):
    """Merges users."""

    async def merge_users(
        self, environment: Environment, from_id: str, into_id: str, *, signed: Signed, next_id: Callable[[], int]
    ) -> User:
        """Merge one user into another, in one transaction under the locks of both; return the other.

        The id of the first leads to the other from then on. Their subscriptions and what was given to them end, and
        what they used in the current periods of features that both have is moved by entries of both ledgers.

        Raises:
            UserNotFound: no user has one of the ids.
            Conflict: both are the same user, or the first id is not a user's own but was merged before.
        """
        ...
