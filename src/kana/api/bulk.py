"""Many usages in one request, in any API: each is read, recorded and answered separately."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple, TypeVar

from kana.api.errors import Fault, fault_of
from kana.engine.usage.recorder import TOGETHER_MAX
from kana.engine.usage.usage import UsageEngine
from kana.errors import KanaError
from kana.model.entitlement import Consumption, Outcome
from kana.model.usage import Receipt, Usage

BATCH_ITEMS_MAX = 1000
"""The most usages of one `recordUsageBatch`."""

READ_AT_ONCE = 10
"""How many usages are read before others have their turn: one with 16 KB of metadata takes a millisecond or two."""

_Given = TypeVar("_Given")


class UsageAnswer(NamedTuple):
    """The answer to a usage: its result, or among many its error."""

    recorded: bool
    reason: str | None
    id: str | None
    duplicate: bool
    consumption: Consumption | None
    outcome: Outcome | None = None
    error: UsageFault | None = None
    in_grace: bool = False


@dataclass(frozen=True, slots=True)
class UsageFault:
    """The error of one usage; ``retry_after`` is in seconds, None if a retry cannot help."""

    code: str
    name: str
    message: str
    retry_after: int | None


def read_each(given: Iterable[_Given | KanaError], read: Callable[[_Given], Usage]) -> Iterator[Usage | KanaError]:
    """Yield the usage that ``read`` returns for each item, or its error, one at a time.

    Items that are errors stay errors.
    """
    return (each if isinstance(each, KanaError) else _read(each, read) for each in given)


def _read(given: _Given, read: Callable[[_Given], Usage]) -> Usage | KanaError:
    try:
        return read(given)
    except KanaError as error:
        return error


async def record_each(
    engine: UsageEngine, usages: Iterator[Usage | KanaError], *, request_id: str
) -> list[UsageAnswer]:
    """Record the usages that could be read, and answer all in their order.

    They are read, recorded and answered in parts, so that nobody else waits for one sender's thousands.
    """
    answers: list[UsageAnswer] = []
    while some := await _read_some(usages):
        receipts = iter(await engine.record_many([usage for usage in some if isinstance(usage, Usage)]))
        for usage in some:
            outcome = next(receipts) if isinstance(usage, Usage) else usage
            answers.append(_answer(outcome, request_id=request_id))
        await asyncio.sleep(0)  # If none could be read, recording did not wait for anything.
    return answers


async def _read_some(usages: Iterator[Usage | KanaError]) -> list[Usage | KanaError]:
    """Return the next usages, as many as are recorded together; others have their turn between a few and a few."""
    some: list[Usage | KanaError] = []
    while len(some) < TOGETHER_MAX and (few := list(islice(usages, READ_AT_ONCE))):
        some += few
        await asyncio.sleep(0)
    return some


def _answer(outcome: Receipt | KanaError, *, request_id: str) -> UsageAnswer:
    if isinstance(outcome, KanaError):
        fault = _usage_fault(fault_of(outcome, request_id=request_id))
        return UsageAnswer(recorded=False, reason=None, id=None, duplicate=False, consumption=None, error=fault)
    return answer_of(outcome)


def answer_of(receipt: Receipt) -> UsageAnswer:
    """Return a receipt as the API answers it, with ids as text."""
    entry = receipt.entry
    return UsageAnswer(
        recorded=entry.recorded,
        reason=entry.reason,
        id=str(entry.id),
        duplicate=receipt.duplicate,
        consumption=entry.consumption,
        outcome=entry.outcome,
        in_grace=entry.in_grace,
    )


def _usage_fault(fault: Fault) -> UsageFault:
    message = fault.message if fault.request_id is None else f"{fault.message} (request {fault.request_id})"
    return UsageFault(fault.code, fault.name, message, fault.retry_after_s)
