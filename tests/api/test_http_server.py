"""The server against clients that are slow, greedy or malicious, over real sockets (items 7, 12 to 14)."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from select import select

import pytest

from tests.api.small import KEY, small_server

BODY = b'{"query": "{ ping }"}'
HEAD = (
    b"POST /graphql HTTP/1.1\r\nHost: kana\r\nContent-Type: application/json\r\n"
    b"Authorization: " + KEY.encode() + b"\r\n"
)
PING = HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
PONG = b'{"data":{"ping":true}}'


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def read_to_end(connection: socket.socket) -> bytes:
    """Everything until the server closes; a reset is an end too."""
    received = b""
    try:
        while chunk := connection.recv(65_536):
            received += chunk
    except ConnectionResetError:
        pass
    return received


def read_answer(connection: socket.socket) -> bytes:
    """One whole answer, from its status line to the end of its body."""
    received = b""
    while b"\r\n\r\n" not in received:
        chunk = connection.recv(65_536)
        assert chunk, "closed before an answer"
        received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    length = int(next(line for line in head.lower().split(b"\r\n") if b"content-length" in line).split(b":")[1])
    while len(body) < length:
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body


def ping(port: int) -> bool:
    with connect(port) as connection:
        connection.sendall(PING)
        return read_answer(connection).endswith(PONG)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server whose deadlines pass quickly."""
    with small_server(head_s=0.6, body_s=0.6, idle_s=0.8, unread_bytes_max=262_144) as (_process, port):
        yield port


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"", b""),
        (b"\r\n", b""),
        (b"POST /graphql HT", b"HTTP/1.1 408 "),
        (HEAD, b"HTTP/1.1 408 "),
        (HEAD + b"Content-Length: 21\r\n\r\n" + BODY[:5], b"HTTP/1.1 408 "),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n" + BODY[:5], b"HTTP/1.1 408 "),
    ],
)
def test_who_stops_in_the_middle_is_closed(port: int, sent: bytes, answer: bytes) -> None:
    """A connection that says nothing is closed, one that stops in its request is told 408; others are served."""
    with connect(port) as connection:
        connection.sendall(sent)
        assert ping(port)
        assert read_to_end(connection).startswith(answer)
    assert ping(port)


@pytest.mark.parametrize("part", [HEAD, HEAD + b"Content-Length: 21\r\n\r\n"])
def test_who_drips_is_closed(port: int, part: bytes) -> None:
    """A byte now and then does not keep a connection open: the deadline is for the whole step."""
    with connect(port) as connection:
        connection.sendall(part)
        received = b""
        connection.settimeout(0.1)
        for _ in range(100):
            try:
                connection.sendall(b"x")
                received = connection.recv(65_536)
                break
            except TimeoutError:
                continue
        assert received.startswith(b"HTTP/1.1 408 ")


def test_many_slow_clients_harm_nobody(port: int) -> None:
    """Two hundred that drip are closed, while a healthy client is answered every time."""
    slow = [connect(port) for _ in range(200)]
    for connection in slow:
        connection.sendall(HEAD)
    assert all(ping(port) for _ in range(50))
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(read_to_end, slow))
    assert all(answer.startswith(b"HTTP/1.1 408 ") for answer in answers)
    for connection in slow:
        connection.close()
    assert ping(port)


def test_an_idle_connection_is_closed_and_a_used_one_kept(port: int) -> None:
    """Between requests a connection may rest for a while, longer than any one request may take to arrive."""
    with connect(port) as connection:
        for _ in range(4):
            connection.sendall(PING)
            assert read_answer(connection).endswith(PONG)
            time.sleep(0.3)
        assert read_to_end(connection) == b""


def test_a_slow_answer_is_not_a_slow_client() -> None:
    """While the time is ours no deadline of the client's runs."""
    body = b'{"query": "{ slow }"}'
    with small_server(head_s=0.1, body_s=0.1, idle_s=0.1) as (_process, port), connect(port) as connection:
        connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert read_answer(connection).endswith(b'{"data":{"slow":true}}')


def memory_kb(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_of_50_megabytes_is_refused_with_little_read(announced: bool) -> None:
    """413 comes at once, the rest is not kept, and a client that goes on sending is cut off."""
    with small_server() as (process, port):
        assert ping(port)
        before = memory_kb(process.pid)
        with connect(port) as connection:
            length = b"Content-Length: 52428800" if announced else b"Transfer-Encoding: chunked"
            connection.sendall(HEAD + length + b"\r\n\r\n")
            chunk = b"x" * 65_536 if announced else b"10000\r\n" + b"x" * 65_536 + b"\r\n"
            sent = 0
            try:
                while sent < 52_428_800:
                    connection.sendall(chunk)
                    sent += 65_536
            except (BrokenPipeError, ConnectionResetError):
                pass
            assert sent < 52_428_800
            assert read_to_end(connection).startswith(b"HTTP/1.1 413 ")
        assert ping(port)
        assert memory_kb(process.pid) - before < 8_000


def test_a_small_overshoot_leaves_the_connection_usable(port: int) -> None:
    """A refused body that is not far too large is thrown away, and the next request is served."""
    body = b" " * 150_000
    with connect(port) as connection:
        connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body + PING)
        received = b""
        while PONG not in received:
            chunk = connection.recv(65_536)
            assert chunk
            received += chunk
        assert received.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "request_",
    [
        HEAD + b"Content-Length: 21\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 21\r\n\r\n0\r\n\r\n",
        HEAD + b"Content-Length: 21\r\nContent-Length: 22\r\n\r\n" + BODY,
        HEAD + b"Content-Length: 21\r\nContent-Length: 21\r\n\r\n" + BODY,
        HEAD + b"Content-Length: +21\r\n\r\n" + BODY,
        HEAD + b"Content-Length: 21, 21\r\n\r\n" + BODY,
        HEAD + b"Content-Length: -1\r\n\r\n",
        HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nZ\r\n\r\n",
        HEAD + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        HEAD.replace(b"\r\n", b"\n") + b"Content-Length: 21\n\n" + BODY,
        HEAD + b"X: a\nContent-Length: 21\r\n\r\n" + BODY,
        HEAD + b" folded\r\n\r\n",
        HEAD + b"X\x00Y: 1\r\n\r\n",
        b"NONSENSE\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_what_could_smuggle_a_request_is_refused(port: int, request_: bytes) -> None:
    """Two lengths, a length beside chunks, bare line feeds and their kin: 400, and the connection ends there."""
    with connect(port) as connection:
        connection.sendall(request_ + PING)
        received = read_to_end(connection)
    assert received.startswith(b"HTTP/1.1 400 ")
    assert PONG not in received
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"x-content-type-options: nosniff" in head
    assert b"connection: close" in head
    assert json.loads(body)["code"] == "BAD_USER_INPUT"
    assert ping(port)


def test_what_was_asked_before_is_still_answered(port: int) -> None:
    """Requests in one piece are answered in order; nonsense after them is refused when its turn comes."""
    with connect(port) as connection:
        connection.sendall(PING + PING)
        received = b""
        while received.count(PONG) < 2:
            received += connection.recv(65_536)
        body = b'{"query": "{ slow }"}'
        connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body + b"\x00nonsense")
        received = read_to_end(connection)
    first, second = received.split(b"HTTP/1.1 ")[1:]
    assert first.startswith(b"200 ")
    assert first.endswith(b'{"data":{"slow":true}}')
    assert second.startswith(b"400 ")
    assert b"connection: close" in second


@pytest.mark.parametrize("lines", [1, 2000])
def test_headers_beyond_the_limit_are_refused(port: int, lines: int) -> None:
    """More than 64 KB of headers, in one line or many, is 431; just less is served."""
    for size, answer in [(64_000, b"HTTP/1.1 200 "), (70_000, b"HTTP/1.1 431 ")]:
        extra = (b"X: " + b"x" * (size // lines - 5) + b"\r\n") * lines
        with connect(port) as connection:
            connection.sendall(HEAD + extra + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY)
            assert connection.recv(13) == answer


def test_endless_headers_are_cut_off() -> None:
    """Headers that never end are refused as soon as they pass the limit, long before any deadline."""
    with small_server() as (_process, port), connect(port) as connection:
        connection.sendall(HEAD)
        try:
            for _ in range(1000):
                connection.sendall(b"X: " + b"x" * 1000 + b"\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert read_to_end(connection).startswith(b"HTTP/1.1 431 ")


def test_beyond_its_capacity_the_server_says_so() -> None:
    """Surplus connections get 503 with Retry-After; those that were there are served on."""
    with small_server(connections_max=2) as (_process, port), connect(port) as first, connect(port) as second:
        for connection in (first, second):
            connection.sendall(PING)
            assert read_answer(connection).endswith(PONG)
        with connect(port) as third:
            third.sendall(PING)
            received = read_to_end(third)
        assert received.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 1" in received
        assert json.loads(received.partition(b"\r\n\r\n")[2])["code"] == "UNAVAILABLE"
        first.sendall(PING)
        assert read_answer(first).endswith(PONG)


def test_at_the_limit_of_open_files_the_server_says_so() -> None:
    """Before the system would reset new connections, they are answered 503, and the log has a line about it."""
    with small_server(files_max=256) as (process, port), ExitStack() as stack:
        first = stack.enter_context(connect(port))
        crowd = [stack.enter_context(connect(port)) for _ in range(200)]
        assert read_to_end(crowd[-1]).startswith(b"HTTP/1.1 503 ")
        answers = [each.recv(13) for each in select(crowd[:-1], [], [], 0)[0]]
        assert len(answers) > 10
        assert set(answers) == {b"HTTP/1.1 503 "}
        first.sendall(PING)
        assert read_answer(first).endswith(PONG)
        for each in crowd:
            each.close()
        assert any(ping(port) for _ in range(100))
        process.terminate()
        _, logged = process.communicate(timeout=20)
    lines = [line for line in logged.splitlines() if "connections are refused" in line]
    assert len(lines) == 1
    assert "256 files are open" in lines[0]


def test_a_long_request_line_is_too_large() -> None:
    """An address of 70 KB is told what it is, as headers of that size are."""
    with small_server(log_requests=False) as (_process, port):
        assert exchange(port, b"GET /" + b"a" * 70_000).startswith(b"HTTP/1.1 431 ")
        assert exchange(port, b"GET /?" + b"a" * 70_000).startswith(b"HTTP/1.1 431 ")
        assert exchange(port, b"GET /pages/" + b"a" * 60_000).startswith(b"HTTP/1.1 200 ")


def exchange(port: int, request: bytes) -> bytes:
    """Everything that comes back for ``request``, on a connection of its own that the request ends."""
    with connect(port) as connection:
        connection.sendall(request + b" HTTP/1.1\r\nHost: kana\r\nConnection: close\r\n\r\n")
        return read_to_end(connection)


def test_an_answer_in_pieces_is_sent_in_chunks(port: int) -> None:
    """What is not there as a whole is streamed."""
    received = exchange(port, b"GET /stream")
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert received.endswith(b"\r\n\r\n4\r\none \r\n3\r\ntwo\r\n0\r\n\r\n")


def test_head_has_the_head_of_get(port: int) -> None:
    """HEAD announces the length of the body and sends none."""
    received = exchange(port, b"HEAD /healthz")
    assert b"content-length: 15\r\n" in received
    assert received.endswith(b"\r\n\r\n")
    assert exchange(port, b"GET /healthz").endswith(b'{"status":"ok"}')


def test_options_has_no_body(port: int) -> None:
    """An answer without a body has no length either."""
    received = exchange(port, b"OPTIONS /graphql")
    assert received.startswith(b"HTTP/1.1 204 ")
    assert b"content-length" not in received
    assert received.endswith(b"\r\n\r\n")


def test_a_header_cannot_split_an_answer(port: int) -> None:
    """A line break in a header's value ends the connection instead of adding a header."""
    received = exchange(port, b"GET /split")
    assert b"set-cookie" not in received
    assert not received.startswith(b"HTTP/1.1 200 ")


def test_a_path_is_unquoted_once(port: int) -> None:
    """Escapes in a path mean what they stand for, one time."""
    assert exchange(port, b"GET /pages/a%20b%2541").endswith(b'{"rest":"/pages/a b%41"}')


@pytest.mark.parametrize("upgrade", [b"websocket", b"h2c"])
def test_other_protocols_are_not_spoken(port: int, upgrade: bytes) -> None:
    """A wish to upgrade is passed over, and the request answered as it stands."""
    with connect(port) as connection:
        connection.sendall(
            b"GET /healthz HTTP/1.1\r\nHost: kana\r\nConnection: Upgrade\r\nUpgrade: " + upgrade + b"\r\n\r\n"
        )
        assert read_answer(connection).endswith(b'{"status":"ok"}')


def test_a_client_that_hangs_up_is_no_error() -> None:
    """Half a request and a closed connection leave nothing in the log but nothing."""
    with small_server() as (process, port):
        for cut in (20, len(PING) - 5):
            with connect(port) as connection:
                connection.sendall(PING[:cut])
        assert ping(port)
        process.terminate()
        _, logged = process.communicate(timeout=20)
    assert "Traceback" not in logged
    assert process.returncode == 0


def test_sigterm_answers_what_is_in_flight() -> None:
    """What was asked before SIGTERM is answered, new connections are refused, and the process exits 0."""
    body = b'{"query": "{ slow }"}'
    with small_server() as (process, port), connect(port) as idle, connect(port) as busy:
        idle.sendall(PING)
        assert read_answer(idle).endswith(PONG)
        busy.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert ping(port)
        process.terminate()
        assert read_to_end(busy).endswith(b'{"data":{"slow":true}}')
        assert read_to_end(idle) == b""
        assert process.wait(timeout=20) == 0
        with pytest.raises(ConnectionRefusedError):
            connect(port)
