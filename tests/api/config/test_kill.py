"""A publish that is interrupted has happened or has not: the old catalogue or the new one, never parts of both."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest

from tests.support.forge import Forge
from tests.support.server import KanaServer

KILLS = 40
CONTROL_KILLS = 8
PACKAGES = 60

File = dict[str, Any]


@pytest.fixture(scope="module")
def forge() -> Iterator[Forge]:
    """Starts servers without paying for their imports each time."""
    with Forge() as forge:
        yield forge


def a_file(word: str, number: int, *, upto: int = PACKAGES, before: int = 0) -> File:
    """A configuration in which every part says which one it is: names, limits, and a draft of its own.

    Only the first ``upto`` packages are at ``number``; the rest are at ``before`` still.
    """
    limits = [number if position < upto else before for position in range(PACKAGES)]
    published = [
        {
            "id": f"package-{position:02}",
            "name": f"Package {word}" if position < upto else "Package",
            "features": [{"id": "message", "limit": limit, "overage_enabled": False, "reset_period": "MONTH"}],
        }
        for position, limit in enumerate(limits)
    ]
    return {
        "version": "1.0.0",
        "features": [{"id": "message", "name": f"Messages {word}", "type": "CONSUMABLE"}],
        "packages": {
            "draft": [{"id": f"draft-{word}", "name": word, "features": []}],
            "published": published,
        },
        "addons": {"draft": [], "published": []},
    }


class Publisher:
    """Publishes files one after the other until the server is gone; knows what was acknowledged and what was not."""

    def __init__(self, server: KanaServer) -> None:
        self._server = server
        self.acknowledged: File | None = None
        self.in_flight: File | None = None
        self.published = 0

    def run_until_killed(self, files: Callable[[], Iterator[File]], *, after_s: float) -> None:
        """Publish ``files`` in a thread of its own, and kill the server in the middle of it."""
        publishing = threading.Event()
        thread = threading.Thread(target=self._publish, args=(files(), publishing))
        thread.start()
        publishing.wait()
        time.sleep(after_s)
        self._server.kill()
        thread.join()
        self._server.start()

    def pull(self) -> File:
        """What the server has, without the names of its workspace and revision."""
        with self._client() as client:
            pulled: File = client.get("/cli/pull").raise_for_status().json()
        return {name: value for name, value in pulled.items() if name not in ("app", "revision")}

    def publish(self, file: File) -> None:
        """Publish one file, which has to be acknowledged."""
        with self._client() as client:
            client.post("/cli/publish", json=file).raise_for_status()
        self.acknowledged, self.in_flight = file, None

    def _publish(self, files: Iterator[File], publishing: threading.Event) -> None:
        with self._client() as client, suppress(httpx.TransportError):
            for file in files:
                self.in_flight = file
                publishing.set()
                client.post("/cli/publish", json=file).raise_for_status()
                self.acknowledged, self.in_flight = file, None
                self.published += 1

    def _client(self) -> httpx.Client:
        headers = {"Authorization": self._server.private_key}
        return httpx.Client(base_url=self._server.address, headers=headers, timeout=30, verify=False, trust_env=False)


def whole() -> Iterator[File]:
    """One configuration after the other, each all in one publish."""
    while True:
        yield from FILES


def piecewise() -> Iterator[File]:
    """The same from A to B, a package at a time, as someone would who had no publish that is one change."""
    for upto in range(1, PACKAGES + 1):
        yield a_file("b", 2, upto=upto, before=1)


FILES = (a_file("a", 1), a_file("b", 2))


def test_forty_kills_leave_the_old_catalogue_or_the_new_one(forge: Forge) -> None:
    """After each kill the catalogue is the last one acknowledged, or the one that was on its way: whole."""
    moments = random.Random(31)
    met = 0
    with KanaServer(forge=forge) as server:
        publisher = Publisher(server)
        publisher.publish(FILES[0])
        for _ in range(KILLS):
            publisher.run_until_killed(whole, after_s=moments.uniform(0.02, 0.15))
            met += publisher.in_flight is not None
            found = publisher.pull()
            assert found in (publisher.acknowledged, publisher.in_flight)
            publisher.publish(FILES[1] if found == FILES[0] else FILES[0])

    assert publisher.published > KILLS, "no publish was acknowledged: the harness saw nothing"
    assert met > KILLS // 2, "hardly a kill met a publish: the harness saw nothing"


def test_the_same_kills_see_a_publish_that_is_many_changes(forge: Forge) -> None:
    """The control: published piece by piece, the catalogue is found between the two."""
    moments = random.Random(31)
    mixed = 0
    with KanaServer(forge=forge) as server:
        publisher = Publisher(server)
        for _ in range(CONTROL_KILLS):
            publisher.publish(FILES[0])
            publisher.run_until_killed(piecewise, after_s=moments.uniform(0.02, 0.15))
            mixed += publisher.pull() not in FILES

    assert mixed > 0
