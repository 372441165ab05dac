"""The largest of everything that a stranger may send holds nobody up for longer than a few ordinary pages do."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from statistics import median
from time import sleep, thread_time
from urllib.parse import urlsplit

import pytest

from kana.model.key import KeyKind
from tests.dashboard.desk import Desk
from tests.support.stores import SqlitePlace
from tests.support.world import TEST

FACTOR_MAX = 25.0
"""Most that one request may hold the loop for, against an ordinary page."""

ROUNDS = 5


class Watch:
    """The longest turn of a server's loop since it was last asked, in seconds of its thread's processor time."""

    def __init__(self, desk: Desk) -> None:
        self._longest = 0.0
        self._desk = desk
        desk.served.run(self._begin())

    async def _begin(self) -> None:
        self._ticking = asyncio.create_task(self._tick())

    async def _tick(self) -> None:
        while True:
            began = thread_time()
            await asyncio.sleep(0)
            self._longest = max(self._longest, thread_time() - began)

    def end(self) -> None:
        """Look no longer."""

        async def cancel() -> None:
            self._ticking.cancel()

        self._desk.served.run(cancel())

    def longest(self) -> float:
        """Return it, and begin anew."""
        sleep(0.01)
        return self._desk.served.run(self._read())

    async def _read(self) -> float:
        """Read it on the loop itself, after the turn that is going on: however late its thread is, it is counted."""
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        longest, self._longest = self._longest, 0.0
        return longest


Raw = tuple[str, Mapping[str, str], bytes]
"""What is asked for, headers and a body; as values KEY and PRIVATE stand for the keys."""

FORM = "application/x-www-form-urlencoded"
PARTS = "multipart/form-data; boundary=b"
PART = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
CLIENT = {"content-type": "application/json", "authorization": "KEY", "x-user-id": "ada"}
ORDINARY: Raw = ("GET /login", {}, b"")


def document(text: str) -> bytes:
    return json.dumps({"query": text}).encode()


REQUESTS: dict[str, Raw] = {
    "a cookie of quotes": ("GET /login", {"cookie": 'kana-session="' + '\\"' * 30_000 + '"'}, b""),
    "many cookies": ("GET /login", {"cookie": "a=b;" * 15_000}, b""),
    "a long notice": ("GET /login", {"cookie": "kana-notice=" + "%5B" * 20_000}, b""),
    "a long query": ("GET /login?" + "a&" * 30_000, {}, b""),
    "a long place to go to": ("GET /login?next=/" + "%25" * 20_000, {}, b""),
    "a long path": ("GET /" + "%41" * 20_000, {}, b""),
    "many headers": ("GET /healthz", {f"h{number}": "v" for number in range(5_000)}, b""),
    "a form of many fields": ("POST /login", {"content-type": FORM}, b"a=1&" * 200_000),
    "a form of escapes": ("POST /login", {"content-type": FORM}, b"a=" + b"%41" * 300_000),
    "a form of many parts": ("POST /login", {"content-type": PARTS}, PART * 10_000 + b"--b--"),
    "a part of many headers": ("POST /login", {"content-type": PARTS}, b"--b\r\n" + b"a:b\r\n" * 100_000),
    "a type of many parameters": ("POST /login", {"content-type": PARTS + ";a=b" * 15_000}, b"a"),
    "a long key": ("POST /client/graphql", {**CLIENT, "authorization": "a." * 30_000}, document("{ a }")),
    "many types accepted": ("POST /client/graphql", {**CLIENT, "accept": "a/b;q=1," * 7_000}, document("{ a }")),
    "many objects": ("POST /client/graphql", CLIENT, b'{"a":[' + b"{}," * 5_000 + b"{}]}"),
    "many keys, one twice": (
        "POST /client/graphql",
        CLIENT,
        b"{" + b",".join(b'"%04d":0' % number for number in range(1_700)) + b',"1699":1}',
    ),
    "a name of one letter many times": ("POST /client/graphql", CLIENT, document("{" + "a" * 16_000 + "}")),
    "one field many times": ("POST /client/graphql", CLIENT, document("{ currentUser {" + " id" * 235 + " } }")),
    "many fields that are not there": (
        "POST /client/graphql",
        CLIENT,
        document("{ currentUser {" + " ".join(f"f{number}" for number in range(230)) + " } }"),
    ),
    "many fragments": (
        "POST /client/graphql",
        CLIENT,
        document(
            "{ currentUser {" + " ...f" * 10 + " } } "
            + " ".join(f"fragment f{number} on User {{ id name }}" for number in range(20))
        ),
    ),
    "many blanks": ("POST /client/graphql", CLIENT, document(" " * 16_000 + "{ currentUser { id } }")),
    "many lines": ("POST /client/graphql", CLIENT, document("\n" * 8_000 + "{")),
    "a body in pieces of a byte": (
        "POST /client/graphql",
        {**CLIENT, "transfer-encoding": "chunked"},
        b"1\r\n \r\n" * 16_000 + b"0\r\n\r\n",
    ),
}  # fmt: skip


OWN = {"content-type": "application/json", "authorization": "PRIVATE"}
BATCH = {**OWN, "content-type": "application/cloudevents-batch+json"}
LINES = {**OWN, "content-type": "application/x-ndjson"}
RECORD = "mutation($inputs: [CreateUsageEventInput!]!) { recordUsageBatch(inputs: $inputs) { recorded } }"
LARGE: dict[str, object] = {"a": [[]] * 3_000}


def usages(count: int, metadata: object, **more: object) -> list[dict[str, object]]:
    return [{"userId": "ada", "featureId": "message", "metadata": metadata, **more} for _ in range(count)]


def packages(count: int, holds: list[dict[str, object]]) -> bytes:
    feature = {"id": "f", "type": "CONSUMABLE"}
    drafts = [{"id": f"p{number}", "features": holds} for number in range(count)]
    return json.dumps({"features": [feature], "packages": {"draft": drafts}}).encode()


UNKNOWN: list[dict[str, object]] = [{"id": f"u{number}"} for number in range(200)]
OWNERS: dict[str, Raw] = {
    "a file of features that are not there": ("POST /cli/validate", OWN, packages(300, UNKNOWN)),
    "the same, to be published": ("POST /cli/publish", OWN, packages(300, UNKNOWN)),
    "a value that is no text": ("POST /v1/events", BATCH, b'[{"specversion":[' + b"1," * 2_000_000 + b"1]}]"),
    "a value that is no list": ("POST /v1/events", BATCH, b'{"a":[' + b"1," * 2_000_000 + b"1]}"),
    "lines of large metadata": (
        "POST /v1/events",
        LINES,
        b"\n".join([json.dumps(usages(1, LARGE)[0]).encode()] * 400),
    ),
    "many objects": (
        "POST /graphql",
        OWN,
        b'{"query":"' + RECORD.encode() + b'","variables":{"inputs":[' + b"{}," * 340_000 + b"{}]}}",
    ),
    "usages with much metadata": (
        "POST /graphql",
        OWN,
        json.dumps(
            {"query": RECORD, "variables": {"inputs": usages(1_000, dict.fromkeys("abcdefghijklmnopqrst", 0))}}
        ).encode(),
    ),
    "a message of many objects": (
        "POST /v1/track",
        OWN,
        b'{"event":"e","userId":"ada","messageId":"m","properties":{"a":[' + b"{}," * 9_000 + b"{}]}}",
    ),
    "messages within messages": (
        "POST /v1/batch",
        OWN,
        b'{"batch":['
        + b",".join(
            b'{"type":"track","event":"e","userId":"ada","messageId":"%d","properties":' % number
            + b'{"a":' * 15 + b"1" + b"}" * 15 + b"}"
            for number in range(1_500)
        )
        + b"]}",
    ),
}  # fmt: skip
"""The same of who holds a private key, who may send more."""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """One server for all."""
    with Desk(SqlitePlace(tmp_path_factory.mktemp("holds") / "kana.db")) as desk:
        yield desk


@pytest.fixture
def watch(desk: Desk) -> Iterator[Watch]:
    """What looks at the server's loop."""
    watch = Watch(desk)
    yield watch
    watch.end()


def send(desk: Desk, raw: Raw) -> bytes:
    """Send a request as it is; return the beginning of the answer."""
    asked, headers, body = raw
    keys = desk.served.keys[TEST]
    length = {} if "transfer-encoding" in headers else {"content-length": str(len(body))}
    lines = [f"{asked} HTTP/1.1", "host: kana", "connection: close"]
    lines += [f"{name}: {_with_key(value, keys)}" for name, value in {**length, **headers}.items()]
    place = urlsplit(desk.served.url)
    with socket.create_connection((place.hostname, place.port), timeout=30) as connection:
        with suppress(OSError):  # It may be answered before all of it was sent.
            connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        try:
            return connection.recv(65_536)
        except ConnectionResetError:
            return b""


def _with_key(value: str, keys: Mapping[KeyKind, str]) -> str:
    return {"KEY": keys[KeyKind.PUBLIC], "PRIVATE": keys[KeyKind.PRIVATE]}.get(value, value)


def held(desk: Desk, watch: Watch, raw: Raw) -> float:
    """The least of a few tries, without Python's collector, which a server has look seldom."""
    times = []
    gc.disable()
    try:
        for _ in range(ROUNDS):
            desk.served.clock.advance(minutes=10)
            watch.longest()
            send(desk, raw)
            times.append(watch.longest())
    finally:
        gc.enable()
    return min(times)


@pytest.mark.parametrize("name", REQUESTS)
def test_the_largest_request_of_a_stranger_holds_nobody_up(desk: Desk, watch: Watch, name: str) -> None:
    """Whatever it is made of, answered or refused, the loop goes on soon."""
    ordinary = median(held(desk, watch, ORDINARY) for _ in range(3))
    assert held(desk, watch, REQUESTS[name]) < FACTOR_MAX * ordinary


@pytest.mark.parametrize("name", OWNERS)
def test_the_largest_request_of_an_owner_holds_nobody_up(desk: Desk, watch: Watch, name: str) -> None:
    """What takes longer is read aside, or in parts between which others have their turn."""
    ordinary = median(held(desk, watch, ORDINARY) for _ in range(3))
    assert held(desk, watch, OWNERS[name]) < FACTOR_MAX * ordinary


def test_a_hold_is_noticed(desk: Desk, watch: Watch) -> None:
    """The control: the search among all keys for each of them, once on the loop, is seen."""
    ordinary = held(desk, watch, ORDINARY)

    async def hold() -> None:
        keys = [str(number) for number in range(6_000)]
        assert next((key for key in keys if keys.count(key) > 1), None) is None

    desk.served.run(hold())
    assert watch.longest() > FACTOR_MAX * ordinary
