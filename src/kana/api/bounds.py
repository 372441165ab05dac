"""What one connection may take, and all of a process together."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import structlog

log = structlog.get_logger("kana.http")

_QUIET_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a connection may take, in seconds, bytes and numbers.

    ``head_s`` runs from the first byte of a request to the end of its headers, ``body_s`` from there
    to the end of its body, ``idle_s`` between requests, ``drain_s`` from SIGTERM to the end. Of an
    answer that waits to be read, ``write_bytes_min`` must be taken every ``write_s``. What is not body
    (request line, headers, chunk sizes, trailers) is ``head_bytes_max`` at most, and once more what the
    body is: tiny chunks are no crime. ``unread_bytes_max`` is how much of a body is thrown away after
    an early answer before the connection is closed: more than any address takes, or clients that send
    first would miss their 413. Beyond ``connections_max`` connections, ``requests_max`` requests being
    served, or so many open files that ``files_spare`` are left, the answer is 503 with Retry-After.
    What clients have sent ahead of their turn is ``held_bytes_max`` at most, of all connections
    together; the one that brings more is closed.
    """

    head_s: float = 10.0
    body_s: float = 30.0
    idle_s: float = 60.0
    write_s: float = 20.0
    drain_s: int = 10
    head_bytes_max: int = 65_536
    unread_bytes_max: int = 8_388_608
    write_bytes_min: int = 65_536
    held_bytes_max: int = 67_108_864
    connections_max: int = 4096
    requests_max: int = 2048
    files_spare: int = 64
    backlog: int = 2048


@dataclass(slots=True)
class Load:
    """What the connections of one process hold together.

    ``files_max`` is how many files the process may have open, connections among them.
    """

    files_max: float = inf
    held_bytes: int = 0
    _noted: float = -inf

    def note_refusal(self, reason: str, now: float) -> None:
        """Log that connections are refused, and why: once a minute, however many there are."""
        if now - self._noted >= _QUIET_S:
            self._noted = now
            log.warning("connections are refused", reason=reason)
