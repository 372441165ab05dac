"""What every test may ask for."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.support.postgres import Postgres, PostgresServer

# Time says nothing about right and wrong on a shared machine; pytest-timeout ends what hangs.
settings.register_profile("kana", deadline=None, print_blob=True)
settings.load_profile("kana")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """A real PostgreSQL: the one that KANA_TEST_POSTGRES_URL names, or one of our own for this run."""
    # Only processes are killed in tests, never the machine: the kernel keeps what was written.
    url = os.environ.get("KANA_TEST_POSTGRES_URL")
    with Postgres(url) if url else PostgresServer({"fsync": "off"}) as server:
        yield server


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL for this one test, to stop, kill and restart."""
    with PostgresServer({"fsync": "off"}) as server:
        yield server
