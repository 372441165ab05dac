"""The whole store on one file."""

from __future__ import annotations

from collections.abc import Callable

from kana.store.accounts import Accounts
from kana.store.audit import Audits
from kana.store.catalogs import Catalogs
from kana.store.colleagues import Colleagues
from kana.store.insights import Insights
from kana.store.keys import Keys
from kana.store.sealing import UNSEALED, Seal
from kana.store.segment import Segment
from kana.store.sqlite.database import Database
from kana.store.sqlite.ledger import SqliteLedger
from kana.store.sqlite.session import SqliteTransactions
from kana.store.user_imports import UserImports


class SqliteStore:
    """Everything the engine's ports ask for, on one SQLite file.

    ``exclusive`` is for a server. ``synchronous`` other than FULL loses what was acknowledged at a
    power cut and exists for the tests that prove it. ``on_lost`` is told once when the storage fails.
    ``seal`` is for the secrets that it keeps.

    Raises:
        DatabaseRefused: it is no database of ours, is newer than this program, or has its server already.
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
        self.audits = Audits(transactions)
        self.keys = Keys(transactions, seal, erase=database.empty_log)
        self.colleagues = Colleagues(transactions)
        self.imports = UserImports(transactions)
        self.segment = Segment(transactions)

    async def probe(self) -> None:
        """See the port."""
        await self._database.probe()

    async def close(self) -> None:
        """See the port."""
        await self._database.close()
