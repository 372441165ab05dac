"""Sending webhooks over real sockets: to whom nothing is sent, and that no receiver takes more than its share."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import ssl
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import standardwebhooks
import svix.webhooks
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kana import sending
from kana.errors import InvalidValue
from kana.model.webhook import Reply, WebhookRequest
from kana.sending import HttpSender
from tests.support.programs import node
from tests.support.receiver import Received, Receiver, answers, receiver
from tests.support.stores import SqlitePlace, furnish_workspace
from tests.support.tree import ROOT, text
from tests.support.webhooks import deliver
from tests.support.world import TEST, TESTER, SetClock, World

ANYWHERE = HttpSender(private_allowed=True)
PUBLIC_ONLY = HttpSender()


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


def to(url: str) -> WebhookRequest:
    """A request."""
    return WebhookRequest(url=url, headers={"webhook-id": "1"}, body=b"{}")


async def test_what_is_sent_and_what_is_kept(there: Receiver) -> None:
    """A POST with the headers and the body as they are, to the path and query; of the answer its beginning."""
    there.answer = answers(201, b"\xff\0" + b"x" * 5000)
    reply = await ANYWHERE.send(to(f"{there.url}?a=b"))
    assert (reply.status, reply.is_success, reply.error) == (201, True, None)
    assert reply.body == "\ufffd\ufffd" + "x" * 1022
    [received] = there.received
    assert (received.path, received.body, received.headers["webhook-id"]) == ("/hooks?a=b", b"{}", "1")
    assert received.headers["host"] == there.url.split("/")[2]
    assert "cookie" not in received.headers


async def test_a_redirect_is_not_followed(there: Receiver) -> None:
    """It is a failure, and what it leads to is not asked."""
    there.answer = answers(307, location=there.url, set_cookie="a=b")
    for _ in range(2):
        reply = await ANYWHERE.send(to(there.url))
        assert (reply.status, reply.is_success) == (307, False)
    assert [received.headers.get("cookie") for received in there.received] == [None, None]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry_after": "120"}, 120),
        ({"retry_after": "9" * 30}, 999_999_999),
        ({"retry_after": "-1"}, None),
        ({"retry_after": "soon"}, None),
        ({}, None),
        ({"retry_after": "Tue, 10 Mar 2026 12:01:00 GMT"}, 60),
        ({"retry_after": "Tue, 10 Mar 2026 11:00:00 GMT"}, 0),
        ({"retry_after": "Tue, 10 Mar 2026 12:01:00 GMT", "date": "x"}, None),
        ({"retry_after": "Tue, 10 Mar 2026 12:01:00 -0000"}, None),
    ],
)
async def test_how_long_a_receiver_asks_to_be_left_alone(
    there: Receiver, headers: dict[str, str], expected: int | None
) -> None:
    """In seconds, or until a time, which counts from the receiver's own."""

    def answer(handler: BaseHTTPRequestHandler, _: Received) -> None:
        handler.send_response_only(503)
        for name, value in {"date": "Tue, 10 Mar 2026 12:00:00 GMT", "content_length": "0", **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()

    there.answer = answer
    assert (await ANYWHERE.send(to(there.url))).retry_after_s == expected


async def timed(reply: asyncio.Future[Reply] | Any) -> Reply:
    """A reply, which is to come within a few seconds."""
    async with asyncio.timeout(8):
        return await reply


@pytest.fixture
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "SENDING_S", 0.3)


def hangs(handler: BaseHTTPRequestHandler, _: Received) -> None:
    """Answers nothing until whoever sent it goes."""
    handler.connection.recv(1)


def drips(handler: BaseHTTPRequestHandler, _: Received) -> None:
    """Answers a letter now and then, and never an end."""
    handler.send_response(500)
    handler.end_headers()
    while True:
        handler.wfile.write(b"x")
        handler.connection.settimeout(0.02)
        try:
            if not handler.connection.recv(1):
                return
        except TimeoutError:
            pass


def drips_headers(handler: BaseHTTPRequestHandler, _: Received) -> None:
    """Answers one header after the other, and never an end."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        handler.wfile.write(b"x: y\r\n" * 100)


@pytest.mark.usefixtures("_short")
async def test_a_slow_receiver_is_left(there: Receiver) -> None:
    """One that does not answer has failed; of one that drips its answer, the status counts."""
    there.answer = hangs
    assert await timed(ANYWHERE.send(to(there.url))) == Reply(error="There was no answer within 0.3 seconds.")
    there.answer = drips
    assert (await timed(ANYWHERE.send(to(there.url)))).status == 500
    there.answer = drips_headers
    assert (await timed(ANYWHERE.send(to(there.url)))).status is None


async def test_a_gigabyte_is_not_read(there: Receiver) -> None:
    """The connection is closed after the first 16 KB; the rest stays with the receiver, but for what sockets hold."""
    written = [0]

    def floods(handler: BaseHTTPRequestHandler, _: Received) -> None:
        handler.send_response(200)
        handler.send_header("content-length", str(2**30))
        handler.send_header("content-encoding", "gzip")
        handler.end_headers()
        for _each in range(2**14):
            handler.wfile.write(b"x" * 2**16)
            written[0] += 2**16

    there.answer = floods
    reply = await timed(ANYWHERE.send(to(there.url)))
    assert (reply.status, reply.body) == (200, "x" * 1024)
    assert written[0] < 2**25


@pytest.mark.parametrize(
    "answer",
    [
        lambda handler, _: handler.connection.close(),
        lambda handler, _: handler.wfile.write(b"what?\r\n\r\n"),
        lambda handler, _: handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 2**20),
    ],
    ids=["goes away", "is no server", "never ends its headers"],
)
async def test_what_is_no_answer(there: Receiver, answer: Any) -> None:
    """The error says what happened."""
    there.answer = answer
    reply = await timed(ANYWHERE.send(to(there.url)))
    assert (reply.status, reply.is_success) == (None, False)
    assert reply.error


async def test_nobody_is_there() -> None:
    """A port that nobody listens on, a host that is not found, an address that is none."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    for url in (f"http://127.0.0.1:{port}/", "https://nobody.invalid/", "https://" + "a." * 200):
        reply = await timed(ANYWHERE.send(to(url)))
        assert reply.status is None
        assert reply.error


async def test_no_proxy_is_used(there: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the environment names: a proxy would connect where it likes."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert (await ANYWHERE.send(to(there.url))).status == 204


def certificate(folder: Path, host: str) -> tuple[ssl.SSLContext, Path]:
    """What a server needs to say that it is a host, signed by itself, and its certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path, secret = folder / f"{host}.pem", folder / f"{host}.key"
    path.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path, secret)
    return context, path


async def test_who_lies_about_who_it_is(tmp_path: Path) -> None:
    """A certificate that nobody vouches for, or of another host, gets nothing; a good one does."""
    for host, is_known, expected in (("localhost", True, 204), ("localhost", False, None), ("other", True, None)):
        context, path = certificate(tmp_path, host)
        trusted = ssl.create_default_context(cafile=path) if is_known else None
        with receiver(tls=context) as there:
            reply = await timed(HttpSender(private_allowed=True, trusted=trusted).send(to(there.url)))
            assert (host, is_known, reply.status) == (host, is_known, expected)
            assert len(there.received) == (expected is not None)
            assert expected is not None or "certificate verify failed" in (reply.error or "")


REFUSED = [
    "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "192.0.0.8",
    "224.0.0.1", "255.255.255.255", "168.63.129.16", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]", "[fd00:ec2::254]", "[fe80::1]", "[ff02::1]", "localhost", "127.1", "0x7f.1", "2130706433",
    "017700000001",
]  # fmt: skip


@pytest.mark.parametrize("host", REFUSED)
async def test_a_private_address_is_refused(host: str) -> None:
    """When it is saved, and again when it is connected to; however it is written."""
    with pytest.raises(InvalidValue, match=r"url must lead to a public address, got 'https://.*', which leads to "):
        await PUBLIC_ONLY.checked(f"https://{host}/x")
    reply = await PUBLIC_ONLY.send(to(f"https://{host}/x"))
    assert reply.status is None
    assert re.fullmatch(r"The host leads to .+, which is not a public address\.", reply.error or "")


@pytest.mark.parametrize("host", ["8.8.8.8", "[2606:4700::1111]", "93.184.216.34:8443"])
async def test_a_public_address_is_allowed(host: str) -> None:
    """The control; and where private ones are allowed, those are too."""
    assert await PUBLIC_ONLY.checked(f"https://{host}/x") == f"https://{host}/x"
    assert await ANYWHERE.checked("http://localhost:1/") == "http://localhost:1/"


async def test_a_host_that_is_not_found_is_refused() -> None:
    """With the reason."""
    for url in ("https://nobody.invalid/", "https://" + "a" * 70):
        with pytest.raises(InvalidValue, match=r"url must have a host that can be found, got 'https://.*: "):
            await PUBLIC_ONLY.checked(url)


async def test_a_name_that_leads_elsewhere_later(there: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its addresses are looked up once for each request, all are checked, and one of them is connected to."""
    port = int(there.url.split(":")[2].split("/")[0])
    asked: list[str] = []
    leads_to = [["8.8.8.8"], ["127.0.0.1"], ["8.8.8.8", "127.0.0.1"]]

    async def looked_up(host: str, *_: object, **__: object) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 0)) for each in leads_to.pop(0)]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", looked_up)
    assert await PUBLIC_ONLY.checked("https://rebinding.example/")
    for _ in range(2):
        reply = await PUBLIC_ONLY.send(to(f"https://rebinding.example:{port}/"))
        assert reply.error == "The host leads to 127.0.0.1, which is not a public address."
    assert (asked, there.received) == (["rebinding.example"] * 3, [])
    leads_to = [["127.0.0.1"]]
    assert (await ANYWHERE.send(to(f"http://rebinding.example:{port}/"))).status == 204, "the control"


async def test_the_next_address_is_tried(there: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the first one of a host cannot be connected to."""
    port = int(there.url.split(":")[2].split("/")[0])
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 0)) for each in ("127.0.0.2", "127.0.0.1")]

    async def looked_up(*_: object, **__: object) -> list[Any]:
        return found

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", looked_up)
    assert (await ANYWHERE.send(to(f"http://two.example:{port}/"))).status == 204
    found.clear()
    assert (await ANYWHERE.send(to(f"http://two.example:{port}/"))).error == "The host has no address."


def by_python(secret: str, request: Received) -> list[str]:
    """What both libraries for Python make of a request."""
    told = []
    for library in (standardwebhooks, svix.webhooks):
        try:
            library.Webhook(secret).verify(request.body, request.headers)
            told.append("verified")
        except (standardwebhooks.WebhookVerificationError, svix.webhooks.WebhookVerificationError) as error:
            told.append(type(error).__name__)
    return told


def by_node(secret: str, request: Received) -> list[str]:
    """What both libraries for Node make of it."""
    given = {"secret": secret, "headers": request.headers, "body": request.body.decode()}
    program = [node(), ROOT / "tests" / "node" / "webhooks.mjs"]
    ended = subprocess.run(program, input=json.dumps(given), capture_output=True, text=True, check=True)
    return list(json.loads(ended.stdout))


async def test_receivers_verify_what_we_sign(there: Receiver, tmp_path: Path) -> None:
    """Four libraries of others, and the program of the documentation; with both secrets while both sign."""
    store = await SqlitePlace(tmp_path / "kana.db").open()
    await furnish_workspace(store)
    world = World(store, clock=SetClock(datetime.now(UTC).replace(microsecond=0)), sender=ANYWHERE)
    webhooks = world.engine.webhooks
    endpoint, old = await webhooks.create_endpoint(TEST, url=there.url, by=TESTER)
    _, new = await webhooks.rotate_secret(TEST, str(endpoint.id), by=TESTER)
    await world.accounts.create_user(TEST, id="ädå")
    await deliver(world)
    await store.close()
    [request] = there.received
    assert request.told["data"] == {"id": "1", "userId": "ädå"}
    for secret in (old, new):
        assert await asyncio.to_thread(by_node, secret, request) == ["verified"] * 2
        assert by_python(secret, request) == ["verified"] * 2
        assert by_the_documentation(secret, request)
    request.body += b" "
    assert by_python(new, request) == ["WebhookVerificationError"] * 2, "the control"
    assert await asyncio.to_thread(by_node, new, request) == ["WebhookVerificationError"] * 2
    assert not by_the_documentation(new, request)


def by_the_documentation(secret: str, request: Received) -> bool:
    """Whether the program of docs/webhooks.md takes a request."""
    [program] = re.findall(r"^```python\n(.*?)^```$", text(ROOT / "docs" / "webhooks.md"), re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(program, names)
    return bool(names["is_genuine"](secret, request.headers, request.body))
