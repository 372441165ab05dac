"""Reversal: undoing one entry of the ledger exactly where it was posted, once. The ledger keeps both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from datetime import datetime

from kana.errors import InvalidValue
from kana.model.entitlement import Outcome
from kana.model.environment import Environment
from kana.model.grant import CounterKey, Posting
from kana.model.line import DecisionLine
from kana.model.text import UNITS_MAX, counted, key_digest, reason_text
from kana.model.usage import Action, Entry
from kana.model.value import value_object


@value_object(kw_only=True)
class Reversal:
    """Who undoes which entry of a user's ledger, and why. ``key_digest`` is of a key that no caller can send.

    Raises:
        InvalidValue: the reason is empty or too long.
    """

    environment: Environment
    user_id: str
    entry_id: int
    reason: str
    by: str
    timestamp: None = None
    key_digest: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        reason_text(self.reason)
        object.__setattr__(self, "key_digest", key_digest(f"reversal of {self.entry_id}"))

    @property
    def metadata(self) -> object:
        """What the ledger keeps of it."""
        return {"reason": self.reason, "by": self.by}


def is_reversible(entry: Entry) -> bool:
    """Whether an entry counts, and is no reversal itself."""
    return entry.reverses is None and any(posting.change for posting in _used(entry))


def _used(entry: Entry) -> list[Posting]:
    """Return what an entry moves of what is used, without what it sets aside or lets go."""
    return [posting for posting in entry.postings if not posting.counter.is_held]


def check_reversible(entry: Entry) -> None:
    """Refuse to reverse what moved nothing, or is a reversal itself.

    Raises:
        InvalidValue: there is nothing to reverse.
    """
    if entry.reverses is not None:
        raise InvalidValue(f"entryId must not name a reversal; {entry.id} reverses {entry.reverses}", field="entryId")
    if not is_reversible(entry):
        raise InvalidValue(f"entryId must name an entry that counts; {entry.id} moved nothing", field="entryId")


def reverse(reversal: Reversal, entry: Entry, used: Mapping[CounterKey, int], *, entry_id: int, now: datetime) -> Entry:
    """Return the entry that undoes another: it moves the same counters by as much the other way, whatever the limits.

    It happens when the other one did, so totals by day and hour are as if that had never been. It is refused if
    the units are no longer there, as some were given back since, or if a counter would pass 2^53-1.
    """
    postings = tuple(Posting(counter, -change) for counter, change in _used(entry))
    outcome, why = _judged(postings, used)
    recorded = outcome is Outcome.RECORDED
    return replace(
        entry,
        id=entry_id,
        action=Action.ADD,
        delta=-entry.change,
        outcome=outcome,
        reason=why,
        change=-entry.change if recorded else 0,
        consumption=None,
        key=reversal.key_digest if recorded else None,
        timestamp=entry.occurred_at,
        metadata=reversal.metadata,
        occurred_at=entry.occurred_at,
        recorded_at=max(now, entry.recorded_at),
        split=postings if recorded and entry.split else (),
        reverses=entry.id,
        line=_line_of(entry, entry_id),
    )


def _line_of(entry: Entry, entry_id: int) -> DecisionLine | None:
    """Return what the reversal of a cost is: the cost of the same feature, in a decision of its own."""
    if entry.line is None or entry.line.cost_of is None:
        return None
    return DecisionLine(decision_id=entry_id, size=1, cost_of=entry.line.cost_of)


def _judged(postings: tuple[Posting, ...], used: Mapping[CounterKey, int]) -> tuple[Outcome, str | None]:
    totals = [(used.get(counter, 0), change) for counter, change in postings]
    for total, change in totals:
        if total + change < 0:
            return (
                Outcome.BELOW_ZERO,
                f"Of {counted(-change, 'unit')} only {total:,} can be taken back: the rest is no longer used there.",
            )
        if total + change > UNITS_MAX:
            return Outcome.TOTAL_TOO_LARGE, f"The total would pass {UNITS_MAX}: {total} used, {change} more."
    return Outcome.RECORDED, None
