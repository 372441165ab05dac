"""The store: all ports of one database."""

from __future__ import annotations

from typing import Protocol

from kana.engine.ports.access import ColleagueStore, KeyStore
from kana.engine.ports.bulk_changes import BulkChangeStore
from kana.engine.ports.catalog import CatalogStore
from kana.engine.ports.deletions import DeletionStore
from kana.engine.ports.exports import ExportStore
from kana.engine.ports.imports import UserImportStore
from kana.engine.ports.insights import InsightStore
from kana.engine.ports.merges import MergeStore
from kana.engine.ports.notifications import NotificationStore
from kana.engine.ports.reservations import ReservationStore
from kana.engine.ports.segment import SegmentStore
from kana.engine.ports.usage import AuditStore, Ledger
from kana.engine.ports.users import AccountStore
from kana.engine.ports.webhooks import WebhookStore


class Store(Protocol):
    """The storage of each noun in one database."""

    @property
    def catalogs(self) -> CatalogStore:
        """Features and packages."""
        ...

    @property
    def users(self) -> AccountStore:
        """Users and their subscriptions."""
        ...

    @property
    def bulk_changes(self) -> BulkChangeStore:
        """Jobs that move many users to another package."""
        ...

    @property
    def imports(self) -> UserImportStore:
        """Imports of users in progress."""
        ...

    @property
    def deletions(self) -> DeletionStore:
        """Deleting users."""
        ...

    @property
    def merges(self) -> MergeStore:
        """Merging users."""
        ...

    @property
    def exports(self) -> ExportStore:
        """All that is kept of one user."""
        ...

    @property
    def ledger(self) -> Ledger:
        """Usage."""
        ...

    @property
    def reservations(self) -> ReservationStore:
        """What users have set aside."""
        ...

    @property
    def notifications(self) -> NotificationStore:
        """Notifications of what has happened."""
        ...

    @property
    def webhooks(self) -> WebhookStore:
        """Addresses that notifications are sent to, and the deliveries to them."""
        ...

    @property
    def audits(self) -> AuditStore:
        """Comparing totals with the ledger."""
        ...

    @property
    def insights(self) -> InsightStore:
        """Totals of usage, and the administrative log."""
        ...

    @property
    def keys(self) -> KeyStore:
        """Keys, settings and signing secrets."""
        ...

    @property
    def colleagues(self) -> ColleagueStore:
        """The colleagues who sign in to the dashboard."""
        ...

    @property
    def segment(self) -> SegmentStore:
        """What Segment sent, and the rules that map it."""
        ...

    async def probe(self) -> None:
        """Return when the database can answer.

        Raises:
            Unavailable: it cannot; the message says why.
        """
        ...

    async def close(self) -> None:
        """Finish what is running and close the database."""
        ...
