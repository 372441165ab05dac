"""`kana serve --workers`: several processes on one PostgreSQL behind one address."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.test_serve import ask, eventually, refuses_connections
from tests.support.postgres import Postgres
from tests.support.server import KanaServer, ServerEnded


@pytest.fixture
def database_url(postgres_server: Postgres) -> str:
    """An empty database."""
    return postgres_server.create_database()


@pytest.fixture
def server(database_url: str) -> Iterator[KanaServer]:
    """A server of three processes."""
    with KanaServer(database_url=database_url, settings={"KANA_WORKERS": "3"}) as running:
        eventually(lambda: len(workers(running)) == 3)
        yield running


def workers(server: KanaServer) -> set[int]:
    """The processes that the server's own process has started."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children")
    return {int(pid) for pid in children.read_text().split()}


def ended(pids: set[int]) -> bool:
    """Whether none of these processes is left."""
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


def answers(server: KanaServer) -> bool:
    """Whether a call gets its answer."""
    return ask(server, server.private_key) == {"data": {"features": []}}


def test_several_processes_answer_and_end_together(server: KanaServer) -> None:
    """Each of many connections is answered; SIGTERM ends all processes with 0."""
    started = workers(server)

    assert [answers(server) for _ in range(30)] == [True] * 30
    assert server.terminate() == 0
    assert ended(started)


def test_a_process_that_is_killed_is_replaced(server: KanaServer) -> None:
    """The others go on, and another takes its place on the same address."""
    before = workers(server)
    victim = min(before)

    os.kill(victim, signal.SIGKILL)
    eventually(lambda: len(workers(server) - {victim}) == 3)

    assert len(before & workers(server)) == 2
    assert f"Process {victim} was killed. A new process replaces it." in server.output
    assert [answers(server) for _ in range(30)] == [True] * 30
    assert server.terminate() == 0


def test_no_process_outlives_the_one_that_started_it(server: KanaServer) -> None:
    """Where the parent is killed its processes finish and end: none is left that holds the port."""
    started = workers(server)

    server.kill()

    eventually(lambda: ended(started))
    assert refuses_connections(server)


def test_an_empty_database_gets_one_workspace(database_url: str) -> None:
    """Of the processes that start at once on an empty database one prints keys."""
    server = KanaServer(database_url=database_url, settings={"KANA_WORKERS": "3"})
    try:
        server.start()
        eventually(lambda: server.output.count("Kana listens on") == 3)
        assert server.output.count("is a new workspace") == 1
        assert server.terminate() == 0
    finally:
        server.close()


def test_a_problem_that_all_have_ends_all() -> None:
    """Where no process can start none is started again and again: one sentence, and 1."""
    server = KanaServer(database_url="postgresql://127.0.0.1:1/none?sslmode=bogus", settings={"KANA_WORKERS": "2"})
    try:
        with pytest.raises(ServerEnded) as refused:
            server.start()
    finally:
        server.close()

    assert refused.value.code == 1
    assert "Error: " in refused.value.said
    assert "Traceback" not in refused.value.said


def test_on_sqlite_several_processes_are_refused() -> None:
    """The sentence says why, and what to use instead."""
    server = KanaServer(settings={"KANA_WORKERS": "2"})
    try:
        with pytest.raises(ServerEnded) as refused:
            server.start()
    finally:
        server.close()

    assert refused.value.code == 2
    assert "KANA_WORKERS must be 1 on SQLite, whose file has one writer, got 2" in refused.value.said
