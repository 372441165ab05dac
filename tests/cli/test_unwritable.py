"""Standard output and error on a disk that takes nothing more: the server serves, and its exit status is right."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.server import KANA, KanaServer

STORAGE_LOST = 70


@contextmanager
def serving(folder: Path) -> Iterator[tuple[KanaServer, subprocess.Popen[bytes], str]]:
    """A server on a database of its own, all of whose words go to a device that is full."""
    server = KanaServer(folder)
    server.init()
    server.start()  # The first start has much to say, which whoever runs it must see.
    server.terminate()
    settings = {"KANA_DATABASE_URL": server.database_url, "KANA_LOG_REQUESTS": "true"}
    with Path("/dev/full").open("wb") as full:
        process = subprocess.Popen(
            [str(KANA), "serve", "--port", str(server.port)], env={**os.environ, **settings}, stdout=full, stderr=full
        )
    address = f"http://127.0.0.1:{server.port}"
    try:
        for _ in range(1000):
            try:
                httpx.get(f"{address}/healthz")
                break
            except httpx.TransportError:
                assert process.poll() is None
                time.sleep(0.02)
        yield server, process, address
    finally:
        process.kill()
        process.wait()
        server.close()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[KanaServer, subprocess.Popen[bytes], str]]:
    """The same."""
    with serving(tmp_path) as running:
        yield running


def test_a_log_that_cannot_be_written_fails_no_request(
    served: tuple[KanaServer, subprocess.Popen[bytes], str],
) -> None:
    """Each would get a line, and each is answered; at SIGTERM, the control, the status is 0."""
    server, process, address = served
    body = {"query": "{ features { id } }"}
    for _ in range(5):
        answer = httpx.post(f"{address}/graphql", json=body, headers={"Authorization": server.private_key})
        assert answer.json() == {"data": {"features": []}}
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def test_a_storage_that_fails_with_the_log_on_it_ends_with_70(
    served: tuple[KanaServer, subprocess.Popen[bytes], str],
) -> None:
    """A supervisor tells it from a mistake by that, whether or not the reason could be written."""
    server, process, _ = served
    server.database.unlink()
    assert process.wait(30) == STORAGE_LOST
