"""When keys were last used: kept in memory at each use, and written from time to time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta

from kana.engine.ports.access import KeyStore
from kana.engine.ports.clock import Clock
from kana.errors import KanaError
from kana.model.key import ApiKey

WRITTEN_EVERY = timedelta(minutes=1)
"""How long a process waits between writes, and so how late others may see a use."""

PAUSE_S = 5.0
"""How often a process checks whether a write is due."""

_log = logging.getLogger("kana.keys")


class KeyUses:
    """The last uses of keys. A request costs one assignment and no query; a killed process loses at most a minute."""

    def __init__(self, store: KeyStore, *, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._noted: dict[bytes, datetime] = {}
        self._written_at: datetime | None = None

    def note(self, hashed: bytes, at: datetime) -> None:
        """Note the use of a key."""
        self._noted[hashed] = at

    def told(self, key: ApiKey) -> ApiKey:
        """Return a key with its last use, stored or noted here."""
        noted = self._noted.get(key.hash)
        return key if noted is None or (key.used_at and key.used_at >= noted) else replace(key, used_at=noted)

    async def write_due(self) -> None:
        """Write what is noted if a minute has passed since the last write.

        Raises:
            KanaError: the store cannot answer; what was noted stays noted.
        """
        if self._written_at is None or self._clock() - self._written_at >= WRITTEN_EVERY:
            await self.write()

    async def write(self) -> None:
        """Write what is noted, if anything is.

        Raises:
            KanaError: the store cannot answer; what was noted stays noted.
        """
        noted = dict(self._noted)
        if not noted:
            return
        self._written_at = self._clock()
        await self._store.use_keys(noted)
        for hashed, at in noted.items():
            if self._noted[hashed] == at:  # A later use, noted meanwhile, is still to be written.
                del self._noted[hashed]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Write in the background, and write the rest at the end."""
        ending = asyncio.Event()
        task = asyncio.create_task(self._run(ending))
        try:
            yield
        finally:
            ending.set()
            await task

    async def _run(self, ending: asyncio.Event) -> None:
        while not ending.is_set():
            await self._tried(is_last=False)
            with suppress(TimeoutError):
                async with asyncio.timeout(PAUSE_S):
                    await ending.wait()
        await self._tried(is_last=True)

    async def _tried(self, *, is_last: bool) -> None:
        try:
            await (self.write() if is_last else self.write_due())
        except KanaError as error:
            _log.warning("last uses of keys are not written yet: %s", error.message)
        except Exception:  # noqa: BLE001 - the next write may succeed
            _log.exception("last uses of keys could not be written")
