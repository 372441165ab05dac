"""The example programs of the three frameworks, run for real, in front of a real server."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta

import httpx
import pytest

from kana.sdk import Grant, KanaAdmin
from tests.support.server import KanaServer
from tests.support.tree import ROOT

START_TIMEOUT_S = 60.0
PROGRAMS = {
    "fastapi": ["-m", "uvicorn", "with_fastapi:app", "--port", "{port}", "--log-level", "warning"],
    "flask": ["-m", "flask", "--app", "with_flask", "run", "--port", "{port}"],
    "django": ["with_django.py", "runserver", "--noreload", "127.0.0.1:{port}"],
}


@pytest.fixture(scope="module", autouse=True)
def catalogue(server: KanaServer) -> None:
    """The features of the print shop, and a package with 5 pages a month and previews."""
    with KanaAdmin(api_key=server.private_key, endpoint=server.address) as kana:
        kana.features.create(id="pages", type="CONSUMABLE")
        kana.features.create(id="preview", type="BINARY")
        kana.packages.create(
            id="printing", features=[Grant(id="pages", limit=5, reset_period="MONTH"), Grant(id="preview")]
        )
        kana.packages.publish(id="printing")


@pytest.fixture(scope="module", params=PROGRAMS)
def shop(request: pytest.FixtureRequest, server: KanaServer, catalogue: None) -> Iterator[httpx.Client]:
    """A client of an example program, which runs in a process of its own."""
    with program(request.param, endpoint=server.address, api_key=server.private_key) as client:
        yield client


class program:  # noqa: N801 - reads as what it is: with program(...) as client
    def __init__(self, framework: str, *, endpoint: str, api_key: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self._process = subprocess.Popen(
            [sys.executable, *(part.format(port=port) for part in PROGRAMS[framework])],
            cwd=ROOT / "examples",
            env=os.environ | {"KANA_API_KEY": api_key, "KANA_ENDPOINT": endpoint},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{port}")

    def __enter__(self) -> httpx.Client:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and self._process.poll() is None:
            with suppress(httpx.TransportError):
                self._client.get("/")
                return self._client
            time.sleep(0.02)
        self.__exit__()
        raise RuntimeError("the example does not answer")

    def __exit__(self, *_: object) -> None:
        self._client.close()
        self._process.kill()
        self._process.wait()


@pytest.fixture
def reader(kana: KanaAdmin, number: int) -> str:
    """A user who may print 5 pages and see previews."""
    user_id = f"reader-{number}"
    kana.users.create(id=user_id)
    kana.subscriptions.create(user_id=user_id, package_ids=["printing"])
    return user_id


def used(kana: KanaAdmin, user_id: str, feature_id: str = "pages") -> int:
    shown = kana.features.show_usage(user_id=user_id, feature_id=feature_id)
    assert shown.current is not None
    return shown.current.consumption.used


def test_what_succeeds_is_recorded_with_its_amount(shop: httpx.Client, kana: KanaAdmin, reader: str) -> None:
    """User and amount come from the request; the answer is the view's own."""
    printed = shop.post("/reports/sales/print?copies=3", headers={"x-user-id": reader})
    assert (printed.status_code, printed.json()) == (200, {"printed": "Sales were up."})
    assert used(kana, reader) == 3


def test_a_reached_limit_is_402_with_how_far_and_until_when(shop: httpx.Client, kana: KanaAdmin, reader: str) -> None:
    """The problem says limit, used and when the period ends; the view does not run and nothing is counted."""
    shop.post("/reports/sales/print?copies=4", headers={"x-user-id": reader})
    refused = shop.post("/reports/sales/print?copies=2", headers={"x-user-id": reader})
    assert refused.status_code == 402
    assert refused.headers["content-type"].partition(";")[0] == "application/problem+json"
    problem = refused.json()
    resets_at = datetime.fromisoformat(problem.pop("resetsAt"))
    assert problem.pop("detail")
    assert problem == {
        "type": "urn:kana:problem:limit-reached",
        "title": "Limit reached",
        "status": 402,
        "feature": "pages",
        "limit": 5,
        "used": 4,
    }
    current = kana.features.show_usage(user_id=reader, feature_id="pages").current
    assert current is not None
    assert resets_at == current.period_end
    assert resets_at - current.period_start >= timedelta(days=28)
    assert current.consumption.used == 4


@pytest.mark.parametrize("known", [True, False])
def test_a_feature_that_is_not_theirs_is_403(shop: httpx.Client, kana: KanaAdmin, number: int, *, known: bool) -> None:
    """A user without a subscription, and one whom Kana does not know, have no access."""
    user_id = f"guest-{number}"
    if known:
        kana.users.create(id=user_id)
    for method, path, feature in (("POST", "print", "pages"), ("GET", "preview", "preview")):
        refused = shop.request(method, f"/reports/sales/{path}", headers={"x-user-id": user_id})
        assert refused.status_code == 403
        assert refused.headers["content-type"].partition(";")[0] == "application/problem+json"
        problem = refused.json()
        assert problem.pop("detail")
        assert problem == {
            "type": "urn:kana:problem:no-access",
            "title": "Not in your plan",
            "status": 403,
            "feature": feature,
        }


def test_what_fails_is_not_recorded(shop: httpx.Client, kana: KanaAdmin, reader: str) -> None:
    """An answer of 404 is no success, whether it was raised or returned."""
    for method, path in (("POST", "print"), ("GET", "preview")):
        assert shop.request(method, f"/reports/gone/{path}", headers={"x-user-id": reader}).status_code == 404
    assert used(kana, reader) == 0


def test_a_switch_has_a_gate_too(shop: httpx.Client, reader: str) -> None:
    """A BINARY feature lets in who has it, as often as they like."""
    for _ in range(7):
        shown = shop.get("/reports/costs/preview", headers={"x-user-id": reader})
        assert (shown.status_code, shown.json()) == (200, {"preview": "Costs"})


def test_an_amount_that_is_none_is_400(shop: httpx.Client, kana: KanaAdmin, reader: str) -> None:
    """Nobody gives units back, or uses none, through a gate."""
    for copies in ("0", "-3", "99999999999"):
        refused = shop.post(f"/reports/sales/print?copies={copies}", headers={"x-user-id": reader})
        assert (refused.status_code, refused.json()["type"]) == (400, "urn:kana:problem:invalid")
    assert used(kana, reader) == 0


def test_a_wrong_key_is_an_error_and_not_an_open_door(server: KanaServer, reader: str) -> None:
    """A gate that cannot ask lets nobody in unless it was told to."""
    with program("flask", endpoint=server.address, api_key="prv_test_wrong") as shop:
        assert shop.post("/reports/sales/print", headers={"x-user-id": reader}).status_code == 500
