"""All of it: one database."""

from __future__ import annotations

from typing import Protocol

from kana.engine.ports.access import KeyStore, PeopleStore
from kana.engine.ports.catalog import CatalogStore
from kana.engine.ports.imports import RosterStore
from kana.engine.ports.insights import InsightStore
from kana.engine.ports.segment import SegmentStore
from kana.engine.ports.usage import Ledger
from kana.engine.ports.users import AccountStore


class Store(
    CatalogStore, AccountStore, RosterStore, Ledger, InsightStore, KeyStore, PeopleStore, SegmentStore, Protocol
):
    """All of it: one database."""

    async def probe(self) -> None:
        """Return when the database can answer.

        Raises:
            Unavailable: it cannot; the message says why.
        """
        ...

    async def close(self) -> None:
        """Finish what is in flight and let go of the database."""
        ...
