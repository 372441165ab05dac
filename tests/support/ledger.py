"""Reading the ledger of a user in a test."""

from __future__ import annotations

from kana.engine.ports.store import Store
from kana.model.environment import Environment
from kana.model.ledger import LedgerSearch
from kana.model.usage import Entry
from tests.support.world import TEST


async def entries_of(
    store: Store, user_id: str, *, environment: Environment = TEST, limit: int = 10_000
) -> list[Entry]:
    """The newest entries of a user, refusals included, the newest first."""
    page = await store.ledger.search(LedgerSearch(environment=environment, user_id=user_id, limit=limit))
    return list(page.entries)
