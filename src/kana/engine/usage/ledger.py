"""The ledger of one user: searching it, down to a single entry."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from kana.engine.ports.catalog import CatalogStore
from kana.engine.ports.usage import Ledger
from kana.errors import EntryNotFound, InvalidValue
from kana.model.entitlement import Outcome
from kana.model.environment import Environment
from kana.model.ledger import LedgerPage, LedgerSearch
from kana.model.page import page_size
from kana.model.text import number_in, published_number, shown
from kana.model.usage import Entry

FIRST_MAX = 1000
"""Most entries that one call may ask for."""


class LedgerEngine:
    """Reads entries. These are long reads, which delay no check and no record; the latest usage is included."""

    def __init__(self, ledger: Ledger, catalogs: CatalogStore) -> None:
        self._ledger = ledger
        self._catalogs = catalogs

    async def search(
        self,
        environment: Environment,
        user_id: str,
        *,
        feature_id: str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        outcomes: Sequence[Outcome] = tuple(Outcome),
        after: str | None = None,
        first: int = 100,
    ) -> LedgerPage:
        """Return the ``first`` entries of a user that match, 1 to 1,000, refusals included, the newest first.

        They are those of a feature, with one of the outcomes, that happened in ``[start, end)``, and older than the
        entry with the id ``after``. They are listed in the order in which they were recorded: an entry with a
        timestamp stands where it was recorded.

        Raises:
            UserNotFound, FeatureNotFound: no such id.
            InvalidValue: ``first`` or the range is not allowed, or the user has no entry with the id ``after``.
        """
        search = LedgerSearch(
            environment=environment,
            user_id=user_id,
            feature_id=feature_id,
            outcomes=outcomes,
            start=start,
            end=end,
            after=None if after is None else _number_after(after),
            limit=page_size(first, most=FIRST_MAX),
        )
        if feature_id is not None:
            (await self._catalogs.catalog(environment)).feature(feature_id)
        return await self._ledger.search(search)

    async def entry(self, environment: Environment, user_id: str, entry_id: str) -> Entry:
        """Return one entry of a user by its published id, which is decimal digits.

        Raises:
            UserNotFound, EntryNotFound: no such id.
        """
        return await self._ledger.entry(environment, user_id, parse_entry_id(entry_id))

    async def decision(self, entry: Entry) -> Sequence[Entry]:
        """Return all entries that were decided together with one, in the order of their lines; it is among them."""
        return await self._ledger.decision(entry)


def parse_entry_id(text: str) -> int:
    """Return the number of an entry's published id, which is decimal digits.

    Raises:
        EntryNotFound: it cannot be the id of one.
    """
    return published_number(text, EntryNotFound, "Entry")


def _number_after(text: str) -> int:
    number = number_in(text)
    if number is None:
        raise InvalidValue(f"after must be the id of an entry of the user, got {shown(text)}", field="after")
    return number
