"""Records usage until told to cut the power, and writes each acknowledgement to a file on another disk.

``python -m tests.reliability.acknowledge DATABASE SYNCHRONOUS ACKNOWLEDGED COUNT PAGES``: after COUNT acknowledgements
it cuts the power of the database's disk from inside, in the middle of everything, and ends with 0. The log is
copied into the file when it has so many pages, however full the disk is; at four times as many the writer waits.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import struct
import sys
from datetime import UTC, datetime
from pathlib import Path

from kana.app import create_engine
from kana.model.environment import Environment
from kana.model.usage import Usage
from kana.store.sqlite import SqliteStore, checkpoints

CALLERS = 8

_EXT4_IOC_SHUTDOWN = 0x8004587D
_NO_LOG_FLUSH = 2


def cut_power(folder: Path) -> None:
    """Stop the ext4 file system of a folder at once: what is not on its disk now never will be."""
    handle = os.open(folder, os.O_RDONLY)
    fcntl.ioctl(handle, _EXT4_IOC_SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))


def _clock() -> datetime:
    return datetime(2026, 3, 10, 12, tzinfo=UTC)


async def _main(database: Path, synchronous: str, acknowledged: Path, count: int) -> None:
    store = SqliteStore(str(database), exclusive=True, synchronous=synchronous)
    engine = create_engine(store, clock=_clock)
    log = os.open(acknowledged, os.O_WRONLY | os.O_CREAT)
    answered = 0

    async def call() -> None:
        nonlocal answered
        while True:
            usage = Usage(environment=Environment.TEST, user_id="ada", feature_id="message", delta=1)
            receipt = await engine.usage.record(usage)
            os.write(log, f"{receipt.entry.id}\n".encode())
            answered += 1
            if answered == count:
                cut_power(database.parent)
                os._exit(0)

    await asyncio.gather(*(call() for _ in range(CALLERS)))


if __name__ == "__main__":
    checkpoints.CHECKPOINT_PAGES = checkpoints.TIGHT_PAGES = int(sys.argv[5])
    checkpoints.LOG_PAGES_MAX = 4 * checkpoints.CHECKPOINT_PAGES
    asyncio.run(_main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])))
