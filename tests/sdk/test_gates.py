"""The example programs of the three frameworks, run for real, in front of a real server."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from flask import Flask

from kana.sdk import KanaAdmin
from kana.sdk.flask import gate
from tests.support.programs import curl
from tests.support.server import KanaServer
from tests.support.tree import ROOT, text

START_TIMEOUT_S = 60.0
PROGRAMS = {
    "fastapi": ["-m", "uvicorn", "with_fastapi:app", "--port", "{port}"],
    "flask": ["-m", "flask", "--app", "with_flask", "run", "--port", "{port}"],
    "django": ["with_django.py", "runserver", "--noreload", "127.0.0.1:{port}"],
}


@pytest.fixture(scope="module", params=PROGRAMS)
def shop(request: pytest.FixtureRequest, server: KanaServer) -> Iterator[httpx.Client]:
    """A client of an example program, which runs in a process of its own and made its features itself."""
    with program(request.param, endpoint=server.address, api_key=server.private_key) as client:
        yield client


class program:  # noqa: N801 - reads as what it is: with program(...) as client
    def __init__(self, framework: str, *, endpoint: str, api_key: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self._process = subprocess.Popen(
            [sys.executable, *(part.format(port=port) for part in PROGRAMS[framework])],
            cwd=ROOT / "examples",
            env=os.environ | {"KANA_KEY": api_key, "KANA_ENDPOINT": endpoint},
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
    for copies in ("0", "-3", str(2**53)):
        refused = shop.post(f"/reports/sales/print?copies={copies}", headers={"x-user-id": reader})
        assert (refused.status_code, refused.json()["type"]) == (400, "urn:kana:problem:invalid")
    assert used(kana, reader) == 0


@pytest.mark.parametrize("framework", PROGRAMS)
def test_an_example_is_run_as_its_readme_says(framework: str) -> None:
    """On an empty server, the command of the table starts it, and its curl lines are answered as shown; twice."""
    readme = text(ROOT / "examples" / "README.md")
    assert f"`../.venv/bin/python {' '.join(PROGRAMS[framework]).format(port=8000)}`" in readme
    [script] = re.findall(r"^```sh\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    [answers] = re.findall(r"^```json\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    with KanaServer() as server, program(framework, endpoint=server.address, api_key=server.private_key) as shop:
        said = shown_by(script, shop)
        assert [answer | {"resetsAt": "…"} if "resetsAt" in answer else answer for answer in said] == [
            json.loads(line) for line in answers.splitlines()
        ]
        with program(framework, endpoint=server.address, api_key=server.private_key) as again:
            preview = again.get("/reports/sales/preview", headers={"x-user-id": "reader"})
            assert preview.json() == {"preview": "Sales"}


def shown_by(script: str, shop: httpx.Client) -> list[dict[str, Any]]:
    """What the lines of a shell print, each of them JSON, with the address of a program that runs."""
    curl()
    command = script.replace("http://127.0.0.1:8000", str(shop.base_url).rstrip("/"))
    done = subprocess.run(["bash", "-euc", command], capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines() if line]


@pytest.mark.parametrize("framework", PROGRAMS)
def test_an_example_without_a_key_says_which(framework: str) -> None:
    """A newcomer who has set nothing is told what to set, in a sentence."""
    names = {name: value for name, value in os.environ.items() if not name.startswith("KANA_")}
    module = f"with_{framework}"
    ended = subprocess.run(
        [sys.executable, "-c", f"import {module}"],
        cwd=ROOT / "examples",
        env=names,
        capture_output=True,
        text=True,
        check=False,
    )
    said = "Put the private key of the test environment, which `make serve` printed, into KANA_KEY.\n"
    assert (ended.returncode, ended.stderr) == (1, said)


def test_a_request_of_nobody_is_401(shop: httpx.Client) -> None:
    """Whoever does not say who they are is told to, in the framework's words."""
    assert shop.post("/reports/sales/print").status_code == 401
    assert shop.get("/reports/sales/preview").status_code == 401


def test_a_program_with_a_wrong_key_does_not_start(server: KanaServer) -> None:
    """It cannot set up what it needs, and says so at once."""
    with (
        pytest.raises(RuntimeError, match="does not answer"),
        program("flask", endpoint=server.address, api_key="prv_test_wrong"),
    ):
        pass


def test_a_wrong_key_is_an_error_and_not_an_open_door(server: KanaServer) -> None:
    """A gate that cannot ask lets nobody in unless it was told to."""
    app = Flask("shop")
    with KanaAdmin(api_key="prv_test_wrong", endpoint=server.address) as wrong:
        app.add_url_rule("/", view_func=gate(wrong, "pages", user=lambda _: "reader")(lambda: "done"))
        assert app.test_client().get("/").status_code == 500
