"""Usage in batches: the answer to a batch, and the report of usage that was not counted."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from kana.errors import KanaError
from kana.sdk.errors import error_of
from kana.sdk.results import Consumption, Outcome
from kana.sdk.wire import mutation

log = logging.getLogger("kana.sdk")


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageError:
    """The error of one usage of a batch, as the API returns it."""

    code: str
    name: str
    message: str
    retry_after: int | None

    def as_exception(self) -> KanaError:
        """Return the exception that recording this usage alone would raise."""
        extensions = {"code": self.code, "exception": {"name": self.name}, "retryAfter": self.retry_after}
        return error_of({"message": self.message, "extensions": extensions})


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchedUsage:
    """The answer to one usage of a batch, the same as if it were sent alone, or its error."""

    recorded: bool
    reason: str | None
    outcome: Outcome | None
    id: str | None
    duplicate: bool
    consumption: Consumption | None
    error: UsageError | None
    in_grace: bool = False


RECORD_BATCH: Final = mutation("recordUsageBatch(inputs: [CreateUsageEventInput!]!)", list[BatchedUsage])


@dataclass(frozen=True, slots=True, kw_only=True)
class Unrecorded:
    """A usage that was not counted: refused (``error`` is None), or given up because of an error.

    ``reason`` says why to people; to programs ``outcome`` does, or the class of the ``error``.
    ``usage`` is the complete input for the API, including its ``idempotencyKey``: recording it
    again with that key counts it at most once. A gate of several features tells of the input of ``consume``, and one
    that sets units aside of that of a settlement: the former with the ``reservationId``.
    """

    usage: Mapping[str, Any]
    reason: str
    error: KanaError | None = None
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What became of the usage given to a recorder. The four numbers add up to all of it."""

    recorded: int
    refused: int
    failed: int
    waiting: int


def log_unrecorded(unrecorded: Unrecorded) -> None:
    """Log a usage that was not counted as an error. This is the default of ``on_unrecorded``."""
    log.error("usage was not recorded: %s (%s)", unrecorded.reason, json.dumps(unrecorded.usage))
