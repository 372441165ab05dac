"""Decisions for many features of one user, requested field by field and read together."""

from __future__ import annotations

import asyncio

from kana.engine.usage.usage import UsageEngine
from kana.model.entitlement import Decision
from kana.model.environment import Environment


class DecisionLoader:
    """Collects what fields request in one turn of the loop, to read once for each user and not for each field."""

    __slots__ = ("_asked", "_environment", "_usage")

    def __init__(self, usage: UsageEngine, environment: Environment) -> None:
        self._usage = usage
        self._environment = environment
        self._asked: dict[str, tuple[list[str], asyncio.Task[dict[str, Decision]]]] = {}

    async def load(self, user_id: str, feature_id: str) -> Decision:
        """Return what a user may do with a feature now, for one unit.

        Raises:
            UserNotFound, FeatureNotFound: there is no such user or feature.
        """
        if user_id not in self._asked:
            self._asked[user_id] = ([], asyncio.ensure_future(self._read(user_id)))
        feature_ids, reading = self._asked[user_id]
        feature_ids.append(feature_id)
        return (await reading)[feature_id]

    async def _read(self, user_id: str) -> dict[str, Decision]:
        await asyncio.sleep(0)  # Fields that became ready in the same turn join the first of them.
        feature_ids, _ = self._asked.pop(user_id)
        [row] = await self._usage.check_many(self._environment, [user_id], feature_ids)
        return dict(zip(feature_ids, row, strict=True))
