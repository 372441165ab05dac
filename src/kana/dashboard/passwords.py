"""Passwords, hashed with Argon2id as OWASP asks: 19 MiB, two passes, one lane."""

from __future__ import annotations

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

AT_ONCE = 2
"""How many passwords are hashed at once, at 19 MiB and a core each. Further ones wait."""


class Argon2Passwords:
    """Hashes passwords on threads, so that other requests need not wait."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._nobody: str | None = None

    async def hash(self, text: str) -> str:
        """See the port."""
        async with self._turns:
            return await asyncio.to_thread(self._hasher.hash, text)

    async def verify(self, text: str, hashed: str | None) -> bool:
        """See the port."""
        async with self._turns:
            return await asyncio.to_thread(self._verify, text, hashed)

    def _verify(self, text: str, hashed: str | None) -> bool:
        if self._nobody is None:
            self._nobody = self._hasher.hash("nobody")
        try:
            self._hasher.verify(hashed or self._nobody, text)
        except (Argon2Error, InvalidHashError):
            return False
        return hashed is not None
