"""From a path to what answers it; what every answer has; health, metrics and logs."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import structlog
from prometheus_client import CollectorRegistry

from kana.api import logs
from kana.api.health import metrics_page, readyz
from kana.api.http import Router
from kana.api.metrics import Metrics
from kana.errors import Unavailable
from tests.api.small import KEY, small_app


def client_of(app: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=app)
    return httpx.AsyncClient(transport=transport, base_url="http://kana", headers={"Authorization": KEY})


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(small_app()) as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/healthz", 200),
        ("HEAD", "/healthz", 200),
        ("POST", "/healthz", 405),
        ("OPTIONS", "/readyz", 204),
        ("GET", "/metrics", 200),
        ("GET", "/nowhere", 404),
        ("GET", "/graphql/", 404),
        ("GET", "/pages/any/thing", 200),
        ("GET", "/graphql", 405),
        ("POST", "/graphql", 415),
        ("GET", "/broken", 500),
    ],
)
async def test_every_answer_has_the_same_headers(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    """Whatever the address and the outcome: not sniffed, not referred, not stored, and with a request id."""
    answer = await client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Request-Id"]
    assert "Server" not in answer.headers


@pytest.mark.parametrize(
    ("address", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("127.8.8.8", {}, 200),
        ("::1", {}, 200),
        ("::ffff:127.0.0.1", {}, 200),
        ("192.0.2.1", {}, 401),
        ("2001:db8::1", {}, 401),
        ("", {}, 401),
        ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, 401),
        ("127.0.0.1", {"Forwarded": "for=192.0.2.1"}, 401),
        ("192.0.2.1", {"Authorization": "Bearer 0123456789abcdef"}, 200),
        ("127.0.0.1", {"Authorization": "0123456789abcdef", "X-Forwarded-For": "192.0.2.1"}, 200),
        ("192.0.2.1", {"Authorization": "Bearer 0123456789abcdeF"}, 401),
        ("192.0.2.1", {"Authorization": b"Bearer \xff"}, 401),
    ],
)
async def test_metrics_are_for_this_machine_and_who_has_the_token(
    address: str, headers: dict[str, Any], status: int
) -> None:
    """How much is asked and refused is nobody's who merely finds the address, or comes by a proxy."""
    app = Router({"/metrics": metrics_page(CollectorRegistry(), token="0123456789abcdef")})
    transport = httpx.ASGITransport(app, client=(address, 50_000))
    async with httpx.AsyncClient(transport=transport, base_url="http://kana") as client:
        answer = await client.get("/metrics", headers=headers)
        without = await client.get("/metrics", headers={**headers, "Authorization": "Bearer "})
    assert answer.status_code == status
    assert without.status_code == (200 if status == 200 and "Authorization" not in headers else 401)


async def test_without_a_token_nobody_else_sees_metrics() -> None:
    """No token that is set is no token that can be shown."""
    app = Router({"/metrics": metrics_page(CollectorRegistry())})
    transport = httpx.ASGITransport(app, client=("192.0.2.1", 50_000))
    async with httpx.AsyncClient(transport=transport, base_url="http://kana") as client:
        for shown in ("", "Bearer ", "Bearer x"):
            answer = await client.get("/metrics", headers={"Authorization": shown})
            assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHENTICATED")


async def test_a_request_id_is_taken_where_it_is_well_formed(client: httpx.AsyncClient) -> None:
    """The caller's id comes back; one that could harm a log is replaced; ours are never the same."""
    for good in ("r-1", "a" * 128, "A.b_c:d-9"):
        answer = await client.get("/healthz", headers={"X-Request-Id": good})
        assert answer.headers["X-Request-Id"] == good
    seen = set()
    for bad in ("", "a" * 129, "a b", 'a"b', "a{b}", "ä"):
        answer = await client.get("/healthz", headers={b"X-Request-Id": bad.encode()})
        assert answer.headers["X-Request-Id"] != bad
        seen.add(answer.headers["X-Request-Id"])
    assert len(seen) == 6


async def test_a_defect_anywhere_is_told_as_a_number(
    client: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    """An application that raises is answered 500 with the request id, and its traceback is in the log."""
    answer = await client.get("/broken", headers={"X-Request-Id": "r-9"})
    assert answer.status_code == 500
    assert answer.json()["requestId"] == "r-9"
    assert "secret detail" not in answer.text
    assert "secret detail" in "".join(capsys.readouterr())


async def test_ready_only_while_the_probe_says_so() -> None:
    """Readiness is 503 with the reason of an error of ours, and without one of others."""
    reason: Exception | None = Unavailable("the store does not answer", retry_after_s=2)

    async def probe() -> None:
        if reason is not None:
            raise reason

    async with client_of(Router({"/readyz": readyz(probe)})) as client:
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
        assert answer.json() == {"status": "unavailable", "reason": "the store does not answer"}
        reason = RuntimeError("secret")
        assert (await client.get("/readyz")).json() == {"status": "unavailable", "reason": "internal error"}
        reason = None
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()) == (200, {"status": "ready"})


async def test_requests_are_counted_by_root_field_and_outcome() -> None:
    """A client's own operation names never become labels."""
    registry = CollectorRegistry()
    async with client_of(small_app(registry=registry)) as client:
        for query in ("query Mine { ping }", "query Other { ping }", "{ missing }", "{ nope }", "{ ping boom }"):
            await client.post("/graphql", json={"query": query})
        await client.post("/graphql", content=b"{", headers={"Content-Type": "application/json"})
        page = (await client.get("/metrics")).text
    counted = {line for line in page.splitlines() if line.startswith("kana_requests_total")}
    assert counted == {
        'kana_requests_total{operation="ping",outcome="ok"} 2.0',
        'kana_requests_total{operation="missing",outcome="BAD_USER_INPUT"} 1.0',
        'kana_requests_total{operation="refused",outcome="BAD_USER_INPUT"} 2.0',
        'kana_requests_total{operation="several",outcome="INTERNAL"} 1.0',
    }
    assert 'kana_request_seconds_count{operation="ping"} 2.0' in page


def test_decisions_and_batches_are_counted() -> None:
    """What the engine decides and what the store commits can be seen from outside."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    for _ in range(2):
        metrics.decided("record", ["LIMIT_EXCEEDED"])
    metrics.batch(3, 0.004)
    sample = registry.get_sample_value
    assert sample("kana_decisions_total", {"operation": "record", "reason": "LIMIT_EXCEEDED"}) == 2.0
    assert sample("kana_batch_size_sum") == 3.0
    assert sample("kana_commit_seconds_bucket", {"le": "0.005"}) == 1.0


async def run_lifespan(app: Router) -> list[dict[str, Any]]:
    """Start and stop ``app`` as a server does, and give what it said."""
    incoming = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    said: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return next(incoming)

    async def send(message: Any) -> None:
        said.append(message)

    await app({"type": "lifespan"}, receive, send)
    return said


async def test_the_lifespan_is_entered_and_left() -> None:
    """What the process holds is opened before the first request and closed after the last."""
    events: list[str] = []

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        events.append("open")
        yield
        events.append("closed")

    said = await run_lifespan(Router({}, lifespan=lifespan))
    assert [message["type"] for message in said] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert events == ["open", "closed"]


@pytest.mark.parametrize("stage", ["startup", "shutdown"])
async def test_a_lifespan_that_fails_says_at_which_end(stage: str) -> None:
    """The server learns that the process cannot start, or did not close as it should."""

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        if stage == "startup":
            raise RuntimeError("no")
        yield
        raise RuntimeError("no")

    said = await run_lifespan(Router({}, lifespan=lifespan))
    assert said[-1] == {"type": f"lifespan.{stage}.failed", "message": "no"}


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("key prv_test_0123456789abcdef is bad", "key prv_test_…cdef is bad"),
        ("pub_live_0123456789abcdef", "pub_live_…cdef"),
        ("whsec_0123456789abcdef", "whsec_…cdef"),
        ("Authorization: Bearer prv_live_0123456789abcdef", "Authorization: Bearer prv_live_…cdef"),
        ("bearer abcdefghijklmnop", "bearer …mnop"),
        ("eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl", "eyJ…dXJl"),
        ("prv_test_short", "prv_test_…"),
        ("api-calls of user 124", "api-calls of user 124"),
    ],
)
def test_secrets_are_cut_to_prefix_and_last_four(text: str, masked: str) -> None:
    """Enough is left to find the key, never enough to use it."""
    assert logs.mask(text) == masked


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where logs go in this test; afterwards all is as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    yield stream
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def test_logs_are_json_lines_without_secrets(stream: io.StringIO) -> None:
    """Values of any depth and tracebacks are masked, and a line names its request."""
    logs.configure(stream=stream)
    token = logs.REQUEST_ID.set("r-7")
    try:
        structlog.get_logger("kana").info(
            "asked", headers={"a": ["prv_test_0123456789abcdef"]}, n=1, key=b"pub_test_0123456789abcdef"
        )
        try:
            int("key prv_test_0123456789abcdef")
        except ValueError:
            structlog.get_logger("kana").exception("failed")
        logging.getLogger("uvicorn.error").warning("from %s", "whsec_0123456789abcdef")
        structlog.get_logger("kana").debug("not told")
    finally:
        logs.REQUEST_ID.reset(token)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["event"], line["level"], line["request_id"]) for line in lines] == [
        ("asked", "info", "r-7"),
        ("failed", "error", "r-7"),
        ("from whsec_…cdef", "warning", "r-7"),
    ]
    assert lines[0]["headers"] == {"a": ["prv_test_…cdef"]}
    assert lines[0]["key"] == "pub_test_…cdef"
    assert "'key prv_test_…cdef'" in lines[1]["exception"]
    assert lines[2]["logger"] == "uvicorn.error"
    assert all("timestamp" in line for line in lines)
    assert "0123456789" not in stream.getvalue()
