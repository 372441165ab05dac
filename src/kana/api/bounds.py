"""The bounds of one connection, and of all connections of a process together."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import structlog

log = structlog.get_logger("kana.http")

_QUIET_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The bounds of a connection, in seconds, bytes and numbers.

    ``head_s`` runs from the first byte of a request to the end of its headers, ``body_s`` from there
    to the end of its body, ``idle_s`` between requests, ``drain_s`` from SIGTERM to the end. A client
    must read at least ``write_bytes_min`` of a waiting answer every ``write_s``. Everything but the body
    (request line, headers, chunk sizes, trailers) may be ``head_bytes_max`` plus the size of the body,
    because tiny chunks are allowed. ``unread_bytes_max`` is how much of a body is discarded after an
    early answer before the connection is closed: more than any address accepts, as clients that send
    first would otherwise miss their 413. Beyond ``connections_max`` connections, ``requests_max``
    requests in progress, or when only ``files_spare`` open files are left, the answer is 503 with
    Retry-After. What clients send ahead of their turn is ``held_bytes_max`` at most for all connections
    together; a connection that sends more is closed.
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
    """The load of all connections of one process.

    ``files_max`` is how many files the process may have open, connections among them.
    """

    files_max: float = inf
    held_bytes: int = 0
    _noted: float = -inf

    def note_refusal(self, reason: str, now: float) -> None:
        """Log that connections are refused and why, at most once a minute."""
        if now - self._noted >= _QUIET_S:
            self._noted = now
            log.warning("connections are refused", reason=reason)
