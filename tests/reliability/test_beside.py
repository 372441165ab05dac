"""One request's work is nobody else's wait: the p99 of checks and records beside each load stays within its factor."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
from collections.abc import Callable, Iterator

import pytest

from tests.reliability.beside import FACTOR_MAX, Beside, Load, furnish
from tests.support.client import Connection
from tests.support.forge import Forge
from tests.support.server import KanaServer


def with_public_key(body: Callable[[], bytes]) -> Load:
    """A load that sends a body to the Client API, from one connection, as fast as it is answered."""
    content = body()

    async def load(server: KanaServer) -> None:
        await _post(server, "/client/graphql", content, key=server.public_key)

    return load


async def _post(server: KanaServer, path: str, body: bytes, *, key: str, media_type: str = "application/json") -> int:
    connection = Connection(server.address)
    headers = {"authorization": key, "content-type": media_type, "x-user-id": "steady"}
    try:
        return (await connection.request("POST", path, body=body, headers=headers)).status
    finally:
        await connection.close()


def _key_that_stands_twice() -> bytes:
    return b"{" + b",".join(b'"%05d":0' % number for number in range(9_900)) + b',"09899":1}'


def _long_key_over_a_list() -> bytes:
    return b'{"' + b"k" * 46_000 + b'":[' + b"0," * 27_000 + b'"\\ud83d"]}'


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


LOADS: dict[str, Load] = {
    "thousands of events": thousands_of_events,
    "a publish of 500 packages by 20 features": publish,
    "a key that stands twice among many": with_public_key(_key_that_stands_twice),
    "a long key over a long list": with_public_key(_long_key_over_a_list),
}


@pytest.fixture(scope="module")
def server(forge: Forge) -> Iterator[KanaServer]:
    """One server for all rows, furnished."""
    with KanaServer(forge=forge) as server:
        asyncio.run(furnish(server))
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
        seen = await beside.measure(hold)
    assert seen.worst > FACTOR_MAX, seen
