"""One request's work is nobody else's wait: the p99 of checks and records beside each load stays within its factor."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
from collections.abc import Iterator

import pytest

from tests.reliability.beside import FACTOR_MAX, Beside, Load, furnish
from tests.support.client import AdminClient, Connection
from tests.support.forge import Forge
from tests.support.server import KanaServer

FEATURES, PACKAGES, HELD, SUBSCRIBERS = 200, 60, 20, 200


def _furnish_catalog() -> bytes:
    """A catalogue of which one small question has a large answer, as a configuration."""
    features = [{"id": f"f{number}", "type": "BINARY"} for number in range(FEATURES)]
    packages = [
        {"id": f"p{number}", "features": [{"id": f"f{(number * 7 + place) % FEATURES}"} for place in range(HELD)]}
        for number in range(PACKAGES)
    ]
    return json.dumps({"features": features, "packages": {"published": packages}}).encode()


async def _post(server: KanaServer, path: str, body: bytes, *, key: str, media_type: str = "application/json") -> int:
    connection = Connection(server.address)
    headers = {"authorization": key, "content-type": media_type, "x-user-id": "steady"}
    try:
        return (await connection.request("POST", path, body=body, headers=headers)).status
    finally:
        await connection.close()


def with_public_key(*bodies: bytes) -> Load:
    """A load of a stranger, who sends one body after the other to the Client API from one connection."""
    which = itertools.cycle(bodies)

    async def load(server: KanaServer) -> None:
        await _post(server, "/client/graphql", next(which), key=server.public_key)

    return load


def with_private_key(*queries: str) -> Load:
    """A load of a back end, which asks the Admin API for more than others do."""
    which = itertools.cycle([json.dumps({"query": query}).encode() for query in queries])

    async def load(server: KanaServer) -> None:
        await _post(server, "/graphql", next(which), key=server.private_key)

    return load


def query(text: str) -> bytes:
    return json.dumps({"query": text}).encode()


NESTED = "features { id packages { id features { id name } } }"
HELD_BY = "subscriptions(first: 10000) { id package { id features { id } } }"


def aliased(field: str, times: int = 10) -> str:
    return "{" + " ".join(f"a{number}: {field}" for number in range(times)) + "}"


async def thousands_of_events(server: KanaServer) -> None:
    """Two requests at once, each of a thousand usages of the stream's user."""
    lines = b"\n".join([b'{"userId":"steady","featureId":"message"}'] * 1000)
    media_type = "application/x-ndjson"
    sent = [_post(server, "/v1/events", lines, key=server.private_key, media_type=media_type) for _ in range(2)]
    assert await asyncio.gather(*sent) == [200, 200]


async def publish(server: KanaServer) -> None:
    """Publish 500 packages of 20 features in the other environment, each time with other limits."""
    key = server.keys["environments"]["live"]["private_key"]
    assert await _post(server, "/cli/publish", _configuration(next(_LIMITS)), key=key) == 200


_LIMITS = itertools.count()


def _configuration(limit: int) -> bytes:
    features = [{"id": f"f{number}", "type": "CONSUMABLE"} for number in range(20)]
    held = [{"id": feature["id"], "limit": limit} for feature in features]
    packages = [{"id": f"p{number}", "features": held} for number in range(500)]
    return json.dumps({"features": features, "packages": {"published": packages}}).encode()


pytestmark = pytest.mark.quiet
"""Times are compared, so nothing else may run meanwhile: ``make test-deep``."""

LOADS: dict[str, Load] = {
    "thousands of events": thousands_of_events,
    "a publish of 500 packages by 20 features": publish,
    "a key that stands twice among many": with_public_key(
        b"{" + b",".join(b'"%05d":0' % number for number in range(1_600)) + b',"01599":1}'
    ),
    "a long key over a long list": with_public_key(b'{"' + b"k" * 7_000 + b'":[' + b"0," * 4_400 + b'"\\ud83d"]}'),
    "bodies that are too long": with_public_key(b'{"' + b"k" * 46_000 + b'":[' + b"0," * 27_000 + b'"\\ud83d"]}'),
    "documents never seen before": with_public_key(
        *(query(f"query a{number} {{ currentUser {{ id name email }} }}") for number in range(2_000))
    ),
    "documents that do not validate": with_private_key(
        *(f"query a{number} {{ features {{ " + "packages { features { id } } " * 130 + "} }" for number in range(500))
    ),
    "documents of a thousand tokens": with_private_key(
        *(f"query a{number} {{ features {{ " + "id name unitLabel metadata " * 12 + "} }" for number in range(500))
    ),
    "features with packages with features": with_private_key("{" + NESTED + "}"),
    "the same ten times in one document": with_private_key(aliased(NESTED)),
    "subscriptions with packages and features": with_private_key("{" + HELD_BY + "}", aliased(HELD_BY)),
}


async def _furnish(server: KanaServer) -> None:
    await _post(server, "/cli/publish", _furnish_catalog(), key=server.private_key)
    await furnish(server)
    async with AdminClient(server.address, server.private_key) as admin:
        for number in range(SUBSCRIBERS):
            await admin.enrol(f"user-{number}", f"p{number % PACKAGES}")


@pytest.fixture(scope="module")
def server(forge: Forge) -> Iterator[KanaServer]:
    """One server for all rows, furnished."""
    with KanaServer(forge=forge) as server:
        asyncio.run(_furnish(server))
        yield server


@pytest.mark.parametrize("name", LOADS)
async def test_nobody_waits_for_a_load(server: KanaServer, name: str) -> None:
    """Checks and records keep their p99 within a factor of what it is without the load, in the same minute."""
    async with Beside(server) as beside:
        seen = await beside.measure(LOADS[name])
    assert seen.times > 0
    assert seen.worst < FACTOR_MAX, seen


async def test_a_server_that_holds_still_is_noticed(server: KanaServer) -> None:
    """The control: a third of a second in which nothing is done is everybody's wait, and the factor says so."""

    async def hold(server: KanaServer) -> None:
        os.kill(server.pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(0.3)
        finally:
            os.kill(server.pid, signal.SIGCONT)
        await asyncio.sleep(0.7)

    async with Beside(server) as beside:
        seen = await beside.measure(hold, tries=1)
    assert seen.worst > FACTOR_MAX, seen
