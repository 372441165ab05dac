"""The lists of an answer; long ones are written one part at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from graphql import GraphQLOutputType, GraphQLResolveInfo
from graphql.execution.collect_fields import FieldDetails
from graphql.execution.executor import Executor
from graphql.pyutils import Path, gather_with_cancel

from kana.api.graphql.budget import BYTES_MAX, Budget, Turn, too_many_bytes


class ListRun:
    """A list in progress: the completed items, and those that are still to be awaited."""

    def __init__(
        self,
        executor: Executor[Any],
        turn: Turn,
        items: list[Any],
        item_type: GraphQLOutputType,
        details: list[FieldDetails],
        info: GraphQLResolveInfo[Any],
        path: Path,
        position_context: Any,
    ) -> None:
        self._executor = executor
        self._turn = turn
        self._items = items
        self._given = (item_type, details, info)
        self._path = path
        self._position_context = position_context
        self._next = 0
        self.completed: list[Any] = []
        self.waiting: list[int] = []

    @property
    def is_done(self) -> bool:
        """Whether every item has been started."""
        return self._next == len(self._items)

    def go_on(self) -> None:
        """Complete items until the turn ends."""
        try:
            while not self.is_done and not self._turn.is_over:
                self._complete(self._items[self._next])
                self._next += 1
        except Exception:
            if self.waiting:
                self._executor.settle_in_background([self.completed[index] for index in self.waiting])
            raise

    def _complete(self, item: Any) -> None:
        executor, (item_type, details, info) = self._executor, self._given
        path, position = self._path.add_key(self._next, None), self._position_context
        if executor.is_awaitable(item):
            awaited = executor.complete_awaitable_list_item_value(item, item_type, details, info, path, position)
            self.completed.append(awaited)
            self.waiting.append(len(self.completed) - 1)
        elif executor.complete_list_item_value(item, self.completed, item_type, details, info, path, position):
            self.waiting.append(len(self.completed) - 1)

    async def settle(self) -> list[Any]:
        """Await the started items and return them."""
        waiting, self.waiting = self.waiting, []
        if len(waiting) == 1:
            self.completed[waiting[0]] = await self.completed[waiting[0]]
        elif waiting:
            values = await gather_with_cancel(*(self.completed[index] for index in waiting))
            for index, value in zip(waiting, values, strict=True):
                self.completed[index] = value
        return self.completed

    async def in_turns(self, budget: Budget) -> Any:
        """Complete the rest one part at a time, and write each part as JSON when it is complete."""
        parts = Parts(budget if is_outermost(self._path) else None)
        while True:
            parts.add(await self.settle())
            self.completed = []
            if self.is_done:
                return parts.whole()
            await self._turn.wait()
            self.go_on()


class Parts:
    """A list as the JSON of its parts. ``budget`` counts it; None if it is inside another list."""

    def __init__(self, budget: Budget | None) -> None:
        self._budget = budget
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, items: Sequence[Any]) -> None:
        """Add items.

        Raises:
            OverBudget: the answer is too long.
        """
        if not items:
            return
        part = orjson.dumps(items)[1:-1]
        self._parts.append(part)
        self._size += len(part) + 1
        if self._budget is not None:
            self._budget.take_bytes(len(part) + 1)
        elif self._size > BYTES_MAX:
            raise too_many_bytes()

    def whole(self) -> orjson.Fragment:
        """The list."""
        return orjson.Fragment(b"[" + b",".join(self._parts) + b"]")


def is_outermost(path: Path) -> bool:
    """Whether a list is not inside another list."""
    above: Path | None = path
    while above is not None:
        if isinstance(above.key, int):
            return False
        above = above.prev
    return True
