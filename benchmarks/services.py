"""The services under load: ours, and the hand-rolled ones, each a process of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.hand_rolled.database import KEY
from benchmarks.load import Target
from benchmarks.seeding import seed
from tests.support.postgres import Postgres
from tests.support.server import KanaServer

START_TIMEOUT_S = 30.0


@contextmanager
def kana(url: str | None, *, users: int, workers: int = 1, features: int = 1) -> Iterator[tuple[Target, KanaServer]]:
    """Serve a freshly seeded database: a file of its own, or the PostgreSQL database of ``url``."""
    server = KanaServer(database_url=url, settings={"KANA_WORKERS": str(workers), "KANA_LOG_LEVEL": "warning"})
    try:
        key = seed(server.database_url, users=users, features=features)
        server.start()
        yield Target(address=server.address, key=key), server
        server.terminate()
    finally:
        server.close()


@contextmanager
def hand_rolled(module: str, postgres: Postgres, *, users: int, path: str) -> Iterator[Target]:
    """Serve one of the hand-rolled services with one uvicorn process, as its documentation starts it."""
    url = postgres.create_database()
    environment = {**os.environ, "HAND_ROLLED_URL": url}
    create = f"import asyncio; from benchmarks.hand_rolled import database as d; asyncio.run(d.create({users}))"
    subprocess.run([sys.executable, "-c", create], env=environment, check=True)
    port = _free_port()
    arguments = [f"benchmarks.hand_rolled.{module}:app", "--port", str(port), "--log-level", "warning"]
    process = subprocess.Popen([sys.executable, "-m", "uvicorn", *arguments], env=environment)
    try:
        _wait_for(port, process)
        yield Target(address=f"http://127.0.0.1:{port}", key=KEY, path=path)
    finally:
        process.terminate()
        process.wait(START_TIMEOUT_S)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        assert process.poll() is None, "the service ended"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on {port}")
