"""The whole store on one file."""

from __future__ import annotations

from collections.abc import Callable

from kana.store.audit import Audits
from kana.store.keys import Keys
from kana.store.people import People
from kana.store.rosters import Rosters
from kana.store.sealing import UNSEALED, Seal
from kana.store.sqlite.accounts import Accounts
from kana.store.sqlite.catalogs import Catalogs
from kana.store.sqlite.database import Database
from kana.store.sqlite.insights import Insights
from kana.store.sqlite.ledger import SqliteLedger
from kana.store.sqlite.segment import Segment
from kana.store.sqlite.session import SqliteTransactions


class SqliteStore(Catalogs, Accounts, SqliteLedger, Audits, Insights, Keys, People, Rosters, Segment):
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
        database = Database(path, exclusive=exclusive, synchronous=synchronous, on_lost=on_lost)
        Catalogs.__init__(self, database)
        Accounts.__init__(self, database, self)
        SqliteLedger.__init__(self, database, self)
        Audits.__init__(self, SqliteTransactions(database))
        Insights.__init__(self, database)
        transactions = SqliteTransactions(database)
        Audits.__init__(self, transactions)
        Keys.__init__(self, transactions, seal)
        People.__init__(self, transactions)
        Rosters.__init__(self, transactions)
        Segment.__init__(self, database)

    async def probe(self) -> None:
        """See the port."""
        await self._database.probe()

    async def seal_signing_secrets(self, *, plainly: bool = False) -> int:
        """See the port. What was written over is not left behind in the log."""
        changed = await Keys.seal_signing_secrets(self, plainly=plainly)
        if changed:
            await self._database.empty_log()
        return changed

    async def close(self) -> None:
        """See the port."""
        await self._database.close()
