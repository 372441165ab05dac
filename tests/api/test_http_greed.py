"""What a stranger can make the server hold: nothing without a bound, and nothing for ever."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest

from kana.api.bounds import Bounds
from tests.api.small import LARGE_BYTES, small_server
from tests.api.test_http_server import BODY, HEAD, PING, PONG, connect, memory_kb, ping, read_answer, read_to_end
from tests.api.wire import Asked, Server

ALIVE = b"GET /healthz HTTP/1.1\r\nHost: kana\r\n\r\n"
CHUNKED = b"POST /graphql HTTP/1.1\r\nHost: kana\r\nTransfer-Encoding: chunked\r\n\r\n"


def send_until_refused(connection: socket.socket, data: bytes, *, bytes_max: int) -> int:
    """Send ``data`` again and again until the server closes or takes no more; return how much it took."""
    sent = 0
    connection.settimeout(1)
    try:
        while sent < bytes_max:
            sent += connection.send(data)
    except (TimeoutError, BrokenPipeError, ConnectionResetError):
        pass
    return sent


@pytest.mark.parametrize(
    ("opening", "endless"),
    [
        (b"", b"\r\n" * 1000),
        (b"GET /", b"a" * 4000),
        (b"GET / HTTP/1.1\r\nX: ", b"a" * 4000),
        (b"GET / HTTP/1.1\r\n", b"a:\r\n" * 1000),
        (CHUNKED + b"0\r\n", b"a:\r\n" * 1000),
        (CHUNKED + b"0\r\nX: ", b"a" * 4000),
        (CHUNKED + b"2\r\n{}\r\n0\r\n", b"Authorization: x\r\n" * 100),
        (CHUNKED + b"1;", b"a" * 4000),
        (CHUNKED + b"1", b";a=b" * 1000),
        (CHUNKED, b"0" * 4000),
        (CHUNKED, b"1;" + b"a" * 100 + b"\r\nx\r\n"),
    ],
)
def test_what_is_not_body_is_counted(opening: bytes, endless: bytes) -> None:
    """Whatever part of a request never ends is cut off after 64 KB, and nothing of it stays."""
    with small_server() as (process, port):
        assert ping(port)
        before = memory_kb(process.pid)
        with connect(port) as connection:
            connection.sendall(opening)
            assert send_until_refused(connection, endless, bytes_max=64_000_000) < 64_000_000
        assert ping(port)
        assert memory_kb(process.pid) - before < 8_000


def test_tiny_chunks_are_no_crime(server: Server) -> None:
    """What frames a body may take as much again as the body: a body of small chunks arrives."""
    head = CHUNKED.replace(b"/graphql", b"/a")
    heard = server.hear([head, b"a\r\n0123456789\r\n" * 20_000, b"0\r\n\r\n"])
    assert heard.asked == [Asked("POST", "/a", b"0123456789" * 20_000)]


def test_a_segment_of_tiny_pieces_is_nobodys_wait(server: Server) -> None:
    """Whatever a segment is made of, some thousand pieces of it are parsed in a turn at most: others go between."""
    head = CHUNKED.replace(b"/graphql", b"/a")
    heard = server.hear([head, b"1\r\nx\r\n" * 40_000, b"0\r\n\r\n", b""])
    assert heard.statuses == [431]  # More frames than body.
    assert 0 < heard.part_bytes_max < 3_000
    chunk = b"%x\r\n%b\r\n" % (200_000, b"\r\n" * 100_000)
    heard = server.hear([head, chunk, b"0\r\n\r\n"])
    assert heard.asked == [Asked("POST", "/a", b"\r\n" * 100_000)]
    assert heard.part_bytes_max < 30_000


def test_a_trailer_lets_nobody_in() -> None:
    """Who asks stands in the headers: what comes behind a body is forgotten, whatever it is called."""
    key = HEAD.partition(b"Authorization: ")[2].strip()
    body = b"%x\r\n%b\r\n0\r\n" % (len(BODY), BODY)
    head = CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n")
    with small_server() as (_process, port):
        for trailer in (b"Authorization: " + key, b"X-User-ID: a\r\nAuthorization: Bearer " + key):
            with connect(port) as connection:
                connection.sendall(head + body + trailer + b"\r\n\r\n")
                assert b"UNAUTHENTICATED" in read_to_end(connection)
        with connect(port) as connection:  # Control: as a header it does.
            connection.sendall(head.replace(b"Host: kana", b"Host: kana\r\nAuthorization: " + key) + body + b"\r\n")
            assert PONG in read_to_end(connection)


@contextmanager
def deaf(port: int, number: int, requests: bytes) -> Iterator[list[socket.socket]]:
    """Connections that send requests for as long as they can, and read nothing."""
    with ExitStack() as stack, ThreadPoolExecutor(number) as pool:
        connections = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in connections:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # Or the kernel would read for long.
            each.connect(("127.0.0.1", port))
        list(pool.map(lambda each: send_until_refused(each, requests, bytes_max=100_000_000), connections))
        yield connections


def is_alive(port: int) -> bool:
    with connect(port) as connection:
        connection.sendall(ALIVE)
        return read_answer(connection).startswith(b"HTTP/1.1 200 ")


def alive_within(port: int, tries: int) -> bool:
    """Whether the server answers a new connection in one of so many tries, a quarter of a second apart."""
    for _ in range(tries):
        if is_alive(port):
            return True
        time.sleep(0.25)
    return False


@pytest.mark.parametrize("requests", [ALIVE * 1000, b"GET /large HTTP/1.1\r\nHost: kana\r\n\r\n"])
def test_who_never_reads_gives_the_slot_back(requests: bytes) -> None:
    """Clients that pipeline and never read are closed, their memory freed, and the next is served."""
    with small_server(log_requests=False, write_s=1, connections_max=8) as (process, port):
        assert ping(port)
        before = memory_kb(process.pid)
        with deaf(port, 8, requests):
            assert alive_within(port, 120)
            held = memory_kb(process.pid) - before
        # An answer that is being written stands in memory twice; what is asked ahead takes a segment.
        assert held < 8 * (2 * LARGE_BYTES if b"large" in requests else 1_000_000) // 1000


def test_without_a_deadline_the_slot_is_gone() -> None:
    """Control: where writing may take an hour, clients that never read keep everybody out."""
    with small_server(log_requests=False, write_s=3600, connections_max=8) as (_process, port):
        assert ping(port)
        with deaf(port, 8, ALIVE * 1000):
            assert not alive_within(port, 12)


def test_who_reads_slowly_gets_it_all() -> None:
    """A large answer may take many times the deadline, as long as the client goes on reading."""
    with small_server(write_s=0.5) as (_process, port), connect(port) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: kana\r\nConnection: close\r\n\r\n")
        received = 0
        while chunk := connection.recv(262_144):
            received += len(chunk)
            time.sleep(0.005)
        assert received > LARGE_BYTES


def test_what_waits_for_its_turn_has_a_bound_for_all(server: Server) -> None:
    """Of what clients send ahead no more is kept than may be: what was asked before is answered, and it ends."""
    greedy = Server(bounds=Bounds(held_bytes_max=100))
    assert greedy.hear([PING + PING[:50]]).statuses == [200]
    heard = greedy.hear([PING * 3])
    greedy.close()
    assert heard.statuses == [200]
    assert heard.is_closed
    heard = server.hear([PING * 3])  # Control.
    assert heard.statuses == [200, 200, 200]
    assert not heard.is_closed


@pytest.fixture
def server() -> Iterator[Server]:
    """Our protocol over an application that keeps what it is asked."""
    server = Server()
    yield server
    server.close()
