"""Logs for programs: one JSON object per line on standard error, with request ids and without secrets."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, TextIO, cast

import structlog

REQUEST_ID: ContextVar[str | None] = ContextVar("kana_request_id", default=None)
"""The id of the request that this task serves. The router sets it, and every log line has it."""

_SECRET = re.compile(
    r"(?P<prefix>\b(?:(?:prv|pub)_(?:[a-z]+_)?|whsec_)|\bBearer\s+(?:(?:prv|pub)_(?:[a-z]+_)?|whsec_)?|\beyJ)"
    r"(?P<secret>[A-Za-z0-9_\-.~+/=]{4,})",
    re.IGNORECASE,
)
_LAST_FOUR_FROM = 12


def mask(text: str) -> str:
    """Return ``text`` with every key, webhook secret and token reduced to its prefix and last four characters.

    A secret that is too short for that keeps none of its characters.
    """
    return _SECRET.sub(_masked, text)


def _masked(match: re.Match[str]) -> str:
    secret = match["secret"]
    tail = secret[-4:] if len(secret) >= _LAST_FOUR_FROM else ""
    return f"{match['prefix']}…{tail}"


def _mask_value(value: Any) -> Any:
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, bytes):
        return mask(value.decode("latin-1"))
    if isinstance(value, dict):
        return {_mask_value(key): _mask_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_mask_value(item) for item in value]
    return value if isinstance(value, int | float | None) else mask(str(value))


def mask_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask every value of a line, including tracebacks. This is a structlog processor."""
    return {key: _mask_value(value) for key, value in event.items() if not key.startswith("_")}


def add_request_id(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add the id of the request to a line, if there is one. This is a structlog processor."""
    request_id = REQUEST_ID.get()
    if request_id is not None:
        event.setdefault("request_id", request_id)
    return event


class _Tolerant:
    """A stream that ignores failures, so that a line that cannot be written does not fail its request."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with suppress(OSError):
            self._stream.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()


def configure(*, level: str = "info", stream: TextIO | None = None) -> None:
    """Send structlog and the standard library's loggers to ``stream`` (standard error), from ``level`` on.

    Uvicorn and all libraries then use the same format. It may be called again; the last call counts.
    """
    stream = cast(TextIO, _Tolerant(stream or sys.stderr))
    threshold = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Any] = [
        add_request_id,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[Any] = [
        structlog.processors.format_exc_info,
        mask_secrets,
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ]
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, structlog.stdlib.ExtraAdder(), *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(threshold, logging.WARNING))
