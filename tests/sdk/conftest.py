from __future__ import annotations

import itertools
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from kana.sdk import AsyncKanaAdmin, Grant, KanaAdmin, Retry
from tests.sdk.people import subscribed
from tests.support.server import KanaServer

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def server() -> Iterator[KanaServer]:
    """One real server for all tests that do not stop it; each test takes ids of its own."""
    with KanaServer() as running:
        yield running


@pytest.fixture
def kana(server: KanaServer) -> Iterator[KanaAdmin]:
    with KanaAdmin(api_key=server.private_key, endpoint=server.address) as client:
        yield client


@pytest.fixture
def away() -> Iterator[KanaAdmin]:
    """A client whose server is not there."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with KanaAdmin(api_key="prv_test_x", endpoint=endpoint, retry=Retry(attempts=1)) as client:
        yield client


@pytest.fixture(params=["blocking", "awaiting"])
async def either(request: pytest.FixtureRequest, server: KanaServer) -> AsyncIterator[Any]:
    """Each of the two clients; what its methods return goes through ``value``."""
    if request.param == "blocking":
        with KanaAdmin(api_key=server.private_key, endpoint=server.address) as blocking:
            yield blocking
    else:
        async with AsyncKanaAdmin(api_key=server.private_key, endpoint=server.address) as awaiting:
            yield awaiting


@pytest.fixture
def number() -> int:
    """A number that no other test has, to make ids of."""
    return next(_NUMBERS)


@pytest.fixture
def user(kana: KanaAdmin, number: int) -> str:
    """The id of a user who may use 10 units a month of the feature ``meter(user)``."""
    return subscribed(kana, f"user-{number}", limit=10)


@pytest.fixture
def second(kana: KanaAdmin, user: str, number: int) -> str:
    """The id of another feature, of which ``user`` may use 10 units a month."""
    feature_id = f"second-{number}"
    kana.features.create(id=feature_id, type="CONSUMABLE")
    kana.packages.create(id=feature_id, features=[Grant(id=feature_id, limit=10, reset_period="MONTH")], is_addon=True)
    kana.packages.publish(id=feature_id)
    kana.subscriptions.create(user_id=user, package_ids=[feature_id])
    return feature_id
