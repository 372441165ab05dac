"""What tests of reliability share: servers that start quickly."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

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
