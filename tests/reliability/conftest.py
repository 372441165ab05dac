"""What tests of reliability share: servers that start quickly, and more time for PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kana.store.postgres import database, ledger, pool, sessions
from tests.support.forge import Forge
from tests.support.server import KanaServer


@pytest.fixture(scope="session")
def forge() -> Iterator[Forge]:
    """Starts servers without paying for their imports each time."""
    with Forge() as forge:
        yield forge


@pytest.fixture
def kana(forge: Forge) -> Iterator[KanaServer]:
    """A server of this test's own, running, on a new database."""
    with KanaServer(forge=forge) as server:
        yield server


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gives PostgreSQL most of a minute where it has two seconds: no answer differs because the machine is busy."""
    for module, name in (
        (database, "TRANSACTION_S"), (ledger, "TRANSACTION_S"), (ledger, "CALL_S"),
        (pool, "CONNECT_S"), (pool, "CONNECT_DOUBTED_S"),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, 50.0)
    for setting in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
        monkeypatch.setitem(sessions.SETTINGS, setting, "45s")
