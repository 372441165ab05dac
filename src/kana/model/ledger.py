"""Searching the ledger of one user: what to look for, and a page of what was found."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from kana.errors import InvalidValue
from kana.model.entitlement import Outcome
from kana.model.environment import Environment
from kana.model.period import check_order
from kana.model.usage import Entry
from kana.model.value import value_object

LOOKED_AT_MAX = 100_000
"""Most entries that one page looks at, whether they match or not: a few tens of milliseconds of the database."""


@value_object(kw_only=True)
class LedgerSearch:
    """Entries of one user, the newest first by when they were recorded, beginning with the first one after ``after``.

    ``feature_id=None`` is every feature. Those that happened in ``[start, end)`` match; None leaves a side open.
    Without ``outcomes`` nothing matches. A page has at most ``limit`` entries.

    Raises:
        InvalidValue: ``end`` is not after ``start``.
    """

    environment: Environment
    user_id: str
    feature_id: str | None = None
    outcomes: Sequence[Outcome] = tuple(Outcome)
    start: datetime | None = None
    end: datetime | None = None
    after: int | None = None
    limit: int = 50

    def __post_init__(self) -> None:
        if self.start is not None and self.end is not None:
            check_order(self.start, self.end)


@value_object()
class LedgerPage:
    """Entries that match. ``next`` is the id after which to look for older ones; None: there are none.

    A page looks at no more than 100,000 entries. So it may have few entries, or none, and still not be the last.
    """

    entries: Sequence[Entry]
    next: int | None

    def whole(self, first: int) -> Sequence[Entry]:
        """Return the entries, if they are ``first`` or all that there are: whoever pages takes a short list as the end.

        Raises:
            InvalidValue: the page ended before it had ``first``, and older entries may match.
        """
        found = len(self.entries)
        if self.next is None or found == first:
            return self.entries
        some = f"only {found} match, and not {first}: ask for the first {found}, then" if found else "none match:"
        raise InvalidValue(
            f"of the {LOOKED_AT_MAX} entries that a page looks at {some} go on after {self.next}, or give a later from",
            field="first",
        )
