"""The whole store on one SQLite file."""

from __future__ import annotations

from collections.abc import Callable

from kana.store.accounts import Accounts
from kana.store.audit import Audits
from kana.store.bulk_changes import BulkChanges
from kana.store.catalogs import Catalogs
from kana.store.colleagues import Colleagues
from kana.store.deletions import Deletions
from kana.store.exports import Exports
from kana.store.insights import Insights
from kana.store.keys import Keys
from kana.store.merges import Merges
from kana.store.notifications import Notifications
from kana.store.reservations import Reservations
from kana.store.sealing import UNSEALED, Seal
from kana.store.segment import Segment
from kana.store.sqlite.database import Database
from kana.store.sqlite.ledger import SqliteLedger
from kana.store.sqlite.session import SqliteTransactions
from kana.store.user_imports import UserImports
from kana.store.webhooks import Webhooks


class SqliteStore:
    """All of the engine's ports, on one SQLite file.

    ``exclusive`` is for a server. With a ``synchronous`` other than FULL a power cut loses acknowledged
    entries; it exists for the tests that prove this. ``on_lost`` is called once if the storage fails.
    ``seal`` seals the stored secrets.

    Raises:
        DatabaseRefused: it is not Kana's, is newer than this program, or already has a server.
    """

    def __init__(
        self,
        path: str,
        *,
        exclusive: bool = False,
        synchronous: str = "FULL",
        on_lost: Callable[[str], None] = lambda _: None,
        seal: Seal = UNSEALED,
    ) -> None:
        self._database = database = Database(path, exclusive=exclusive, synchronous=synchronous, on_lost=on_lost)
        transactions = SqliteTransactions(database)
        self.catalogs = catalogs = Catalogs(transactions)
        self.users = Accounts(transactions, catalogs)
        self.ledger = SqliteLedger(database, catalogs)
        self.insights = Insights(transactions)
        self.reservations = Reservations(transactions)
        self.notifications = Notifications(transactions)
        self.webhooks = Webhooks(transactions, seal)
        self.audits = Audits(transactions)
        self.keys = Keys(transactions, seal, erase=database.empty_log)
        self.colleagues = Colleagues(transactions)
        self.bulk_changes = BulkChanges(transactions, catalogs)
        self.imports = UserImports(transactions)
        self.merges = Merges(transactions, catalogs)
        self.exports = Exports(transactions)
        self.deletions = Deletions(transactions, erase=database.empty_log)
        self.segment = Segment(transactions)

    async def probe(self) -> None:
        """See the port."""
        await self._database.probe()

    async def close(self) -> None:
        """See the port."""
        await self._database.close()
