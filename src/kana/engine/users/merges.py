"""Merges two users into one."""

from __future__ import annotations

from kana.engine.ids import IdMaker
from kana.engine.ports.clock import Clock
from kana.engine.ports.merges import MergeStore
from kana.engine.ports.users import Signed
from kana.model.environment import Actor, Environment
from kana.model.user import User


class MergeEngine:
    """Merges users."""

    def __init__(self, store: MergeStore, *, clock: Clock, ids: IdMaker) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids

    async def merge(self, environment: Environment, from_id: str, into_id: str, *, by: Actor) -> User:
        """Merge the user ``from_id`` into the user ``into_id``, and return the latter. It cannot be undone.

        Usage under the first id counts for the other user from now on.

        Raises:
            UserNotFound: no user has one of the ids.
            Conflict: both are the same user, ``from_id`` has open reservations, or it was merged before. After an
                OutcomeUnknown the last means that they were merged.
        """
        return await self._store.merge_users(
            environment, from_id, into_id, signed=Signed(by, self._clock), next_id=self._ids
        )
