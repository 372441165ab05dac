"""`kana serve`: what it says, whom it refuses, how it ends, and the commands that run beside it."""

from __future__ import annotations

import json
import re
import signal
import socket
import sqlite3
import time
import urllib.request
from collections.abc import Callable, Iterator

import pytest

from tests.support.server import KanaServer, ServerEnded


@pytest.fixture
def server() -> Iterator[KanaServer]:
    """A server on an initialised database."""
    with KanaServer() as running:
        yield running


def ask(server: KanaServer, key: str, query: str = "{ features { id } }") -> dict[str, object]:
    """What the Admin API answers to a query."""
    request = urllib.request.Request(
        f"{server.address}/graphql",
        json.dumps({"query": query}).encode(),
        {"Authorization": key, "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        body: dict[str, object] = json.load(answer)
        return body


def test_an_empty_database_gets_its_workspace_and_the_keys_work() -> None:
    """The first `kana serve` prints keys once, and a line that works; the second run prints none.

    The link for the first owner of the dashboard is printed, each time anew, while nobody has used one.
    """
    server = KanaServer()
    try:
        server.start()
        first = server.output
        key = re.findall(r"^  test private  (\S+)", first, re.MULTILINE)[0]

        assert f"curl -s {server.address}/graphql" in first
        assert ask(server, key) == {"data": {"features": []}}

        server.restart()
        invited, _, listens = server.output.rpartition("\n\n")
        assert re.search(rf"  {server.address}/invite\?token=[\w-]{{43}}$", invited)
        assert "prv_" not in invited
        assert listens == f"Kana listens on {server.address} and uses {server.database_url}.\n"
        assert ask(server, key) == {"data": {"features": []}}
    finally:
        server.close()


def test_sigterm_ends_with_0(server: KanaServer) -> None:
    """A supervisor that asks politely sees success, and the file is whole: no log is left beside it."""
    assert server.terminate() == 0
    assert sorted(path.name for path in server.folder.iterdir()) == ["kana.db", "kana.db.lock"]
    assert server.kana("audit").returncode == 0


def test_a_second_server_on_the_same_file_is_refused(server: KanaServer) -> None:
    """One file has one server; the sentence says who has it and what to use instead, and the first goes on."""
    second = KanaServer(server.folder, database_url=server.database_url)
    with pytest.raises(ServerEnded) as refused:
        second.start()
    second.close()

    assert refused.value.code == 1
    assert refused.value.said == (
        f"Error: the database {server.database} is already served by process {server.pid};"
        " SQLite allows one server, PostgreSQL many (KANA_DATABASE_URL=postgresql://…)\n"
    )
    assert ask(server, server.private_key) == {"data": {"features": []}}


def test_a_port_in_use_is_refused_before_the_database_is_opened() -> None:
    """The sentence names address and port; no file is made."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = KanaServer()
        server.port = taken.getsockname()[1]
        try:
            with pytest.raises(ServerEnded) as refused:
                server.start()
        finally:
            left = list(server.folder.iterdir())
            server.close()

    assert (refused.value.code, left) == (1, [])
    assert refused.value.said == (
        f"Error: Cannot listen on 127.0.0.1 port {server.port}: the port is in use; choose another with --port.\n"
    )


def test_an_address_that_is_not_of_this_machine_is_refused() -> None:
    """The reason is the machine's own, in one sentence."""
    server = KanaServer(settings={"KANA_HOST": "192.0.2.1"})
    try:
        with pytest.raises(ServerEnded) as refused:
            server.start()
    finally:
        server.close()

    assert refused.value.code == 1
    assert refused.value.said == "Error: Cannot listen on 192.0.2.1 port 0: Cannot assign requested address.\n"


def test_keys_and_audit_work_beside_a_server(server: KanaServer) -> None:
    """A key made on the command line opens the running server; once revoked it does not, within a second."""
    made = json.loads(server.kana("keys", "create", "--environment", "test", "--json").stdout)
    eventually(lambda: "data" in ask(server, made["key"]))

    assert server.kana("keys", "revoke", made["key"]).returncode == 0
    eventually(lambda: "errors" in ask(server, made["key"]))

    assert ask(server, server.private_key) == {"data": {"features": []}}
    audit = server.kana("audit")
    assert (audit.returncode, audit.stdout) == (
        0,
        "0 entries, 0 counters: every counter equals the sum of its entries.\n",
    )


def refuses_connections(server: KanaServer) -> bool:
    """Whether nobody listens on the server's port any more."""
    try:
        socket.create_connection(("127.0.0.1", server.port)).close()
    except ConnectionRefusedError:
        return True
    return False


def eventually(holds: Callable[[], bool]) -> None:
    """Ask until it holds; the server reads its keys anew every half second."""
    for _ in range(200):
        if holds():
            return
        time.sleep(0.02)
    pytest.fail("it does not hold after 4 seconds")


def test_the_last_use_of_a_key_outlives_sigterm() -> None:
    """What is not written yet is written at the end, and told by whoever opens the file next."""
    server = KanaServer()
    try:
        server.start()
        key = re.findall(r"^  test private  (\S+)", server.output, re.MULTILINE)[0]
        ask(server, key)
        assert server.terminate() == 0
        connection = sqlite3.connect(server.folder / "kana.db")
        used = connection.execute("select prefix from keys where used_at is not null").fetchall()
        connection.close()
        assert [key.startswith(prefix) for (prefix,) in used] == [True]
    finally:
        server.close()


def test_what_is_in_flight_at_sigterm_is_finished_and_answered(server: KanaServer) -> None:
    """A request whose body is still on its way when the server is asked to end gets its answer; then it ends with 0."""
    body = json.dumps({"query": 'mutation { createUser(input: {id: "124"}) { id } }'}).encode()
    head = (
        f"POST /graphql HTTP/1.1\r\nHost: kana\r\nAuthorization: {server.private_key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(head.encode())
        assert client.recv(1024) == b"HTTP/1.1 100 Continue\r\n\r\n"  # the application waits for the body now
        client.sendall(body[:20])
        server.signal(signal.SIGTERM)
        eventually(lambda: refuses_connections(server))
        client.sendall(body[20:])
        answer = client.makefile("rb").read()

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b'{"data":{"createUser":{"id":"124"}}}')
    assert server.wait() == 0
    server.start()
    assert ask(server, server.private_key, "{ users { id } }") == {"data": {"users": [{"id": "124"}]}}
