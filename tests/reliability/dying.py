"""A program that records the same usage for one user after the other, and is killed before the first statement of the
first one's record, before the second of the next one's, and so on, until one lives to see its answer.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import count
from typing import Any

import apsw
import asyncpg

from kana.app import open_store
from kana.model.usage import Usage
from kana.settings import Settings
from tests.support.world import NOON, TEST, SetClock, World

LATER = NOON + timedelta(days=40)
ASYNCPG = ("execute", "executemany", "fetch", "fetchrow", "fetchval", "copy_records_to_table")
"""Everything by which the store has PostgreSQL do something."""


PARTS = [6, 10, 2]
"""Of what the month before left, of this month's allowance, and of a top-up."""


def the_usage(number: int, delta: int = sum(PARTS)) -> Usage:
    """More than what is left of any one grant."""
    return Usage(environment=TEST, user_id=f"user-{number}", feature_id="message", delta=delta, key=f"once-{delta}")


class Killer:
    """Ends this very process before a statement, counted from when it is armed."""

    def __init__(self, number: int) -> None:
        self._left = number
        self.is_armed = False

    def statement(self) -> None:
        if self.is_armed:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def watch(self) -> None:
        """See every statement on either database."""
        apsw.connection_hooks.append(self._watch_sqlite)
        for name in ASYNCPG:
            setattr(asyncpg.Connection, name, self._watched(getattr(asyncpg.Connection, name)))

    def _watch_sqlite(self, connection: apsw.Connection) -> None:
        def trace(*_: object) -> bool:
            self.statement()
            return True

        connection.exec_trace = trace

    def _watched(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*given: Any, **more: Any) -> Any:
            self.statement()
            return call(*given, **more)

        return watched


async def record(url: str, number: int, deltas: Sequence[int]) -> None:
    killer = Killer(number)
    killer.watch()
    world = World(await open_store(Settings(database_url=url)), clock=SetClock(LATER))
    killer.is_armed = True
    receipts = [await world.usage.record(the_usage(number, delta)) for delta in deltas]
    killer.is_armed = False
    await world.store.close()
    assert all(receipt.entry.recorded for receipt in receipts)


def main(url: str, *apart: str) -> None:
    """Say who was the first to live. ``apart``: each part is a usage by itself."""
    for number in count(1):
        child = os.fork()
        if child == 0:
            asyncio.run(record(url, number, PARTS if apart else [sum(PARTS)]))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            assert os.waitstatus_to_exitcode(status) == 0
            print(number)
            return


if __name__ == "__main__":
    main(*sys.argv[1:])
