"""OpenFeature's own SDKs with OFREP providers of others: Python, Node.js, and a page in a real browser."""

from __future__ import annotations

import asyncio
import json
import subprocess
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from os import environ
from threading import Thread
from typing import Any

from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext

from kana.model.key import KeyKind
from tests.api.admin.calls import record
from tests.api.client.calls import token_of
from tests.support.browser import open_browser
from tests.support.programs import NODE_FOLDER, node
from tests.support.serving import Served
from tests.support.world import TEST


def test_python(served: Served) -> None:
    """Every type, an amount, and what is wrong gives the caller's default and says why."""
    record(served, 4)
    key = served.keys[TEST][KeyKind.PRIVATE]
    api.set_provider(OFREPProvider(served.url, headers_factory=lambda: {"Authorization": key}))
    client, ada = api.get_client(), EvaluationContext("ada")
    assert client.get_boolean_value("message", default_value=False, evaluation_context=ada) is True
    eleven = EvaluationContext("ada", {"delta": 7})
    assert client.get_boolean_value("message", default_value=True, evaluation_context=eleven) is False
    assert client.get_integer_value("message:remaining", -1, ada) == 6
    whole = client.get_object_details("message:entitlement", {}, ada)
    assert isinstance(whole.value, dict)
    assert (whole.value["used"], whole.flag_metadata["limit"], whole.reason) == (4, 10, "TARGETING_MATCH")
    for flag, context, code in (
        ("nothing", ada, "FLAG_NOT_FOUND"),
        ("message", EvaluationContext("nobody"), "INVALID_CONTEXT"),
        ("message", EvaluationContext(), "TARGETING_KEY_MISSING"),
    ):
        found = client.get_boolean_details(flag, default_value=True, evaluation_context=context)
        assert (found.value, found.error_code) == (True, code)
    api.shutdown()


def test_node(served: Served) -> None:
    """The same by the server SDK of Node.js."""
    record(served, 4)
    variables = {"BASE_URL": served.url, "KEY": served.keys[TEST][KeyKind.PRIVATE], "USER": "ada"}
    done = subprocess.run(
        [node(), "ofrep.mjs"], cwd=NODE_FOLDER, env=environ | variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    access, eleven, remaining, whole, support, nothing, nobody = json.loads(done.stdout.splitlines()[-1])
    assert (access["value"], access["reason"], access["variant"]) == (True, "TARGETING_MATCH", "on")
    assert (eleven["value"], remaining["value"], support["value"]) == (False, 6, True)
    assert (whole["value"]["used"], whole["flagMetadata"]["limit"]) == (4, 10)
    assert (nothing["value"], nothing["errorCode"]) == (True, "FLAG_NOT_FOUND")
    assert (nobody["value"], nobody["errorCode"]) == (True, "INVALID_CONTEXT")


class _Files(SimpleHTTPRequestHandler):
    """Serves the page at ``/`` and the packages below ``/modules/``, and notes nothing."""

    def translate_path(self, path: str) -> str:
        """Return the file of a path."""
        if path.startswith("/modules/"):
            return str(NODE_FOLDER / "node_modules" / path.removeprefix("/modules/"))
        return str(NODE_FOLDER / "ofrep.html")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that the standard library gives it
        """Say nothing."""


async def test_a_page(served: Served) -> None:
    """The web SDK in Chromium, with the token of a user: what changes on the server reaches the page."""
    token = token_of(served, "ada")
    pages = ThreadingHTTPServer(("127.0.0.1", 0), _Files)
    thread = Thread(target=pages.serve_forever)
    thread.start()
    try:
        async with open_browser() as browser, asyncio.timeout(60):
            page = await browser.new_page()
            failures: list[str] = []
            page.on("pageerror", lambda error: failures.append(error.message))
            await page.goto(f"http://127.0.0.1:{pages.server_port}/")
            await page.wait_for_function("typeof window.begin === 'function'", timeout=20_000)
            await page.evaluate(
                "(given) => begin(given)", {"baseUrl": served.url, "credential": f"Bearer {token}", "user": "ada"}
            )
            access, remaining, support, nothing = json.loads(await page.evaluate("ask()"))
            assert (access["value"], remaining["value"], support["value"]["access"]) == (True, 10, True)
            assert (nothing["value"], nothing["errorCode"]) == (True, "FLAG_NOT_FOUND")
            await asyncio.to_thread(record, served, 10)
            await page.evaluate("window.changed")
            access, remaining, *_ = json.loads(await page.evaluate("ask()"))
            assert (access["value"], remaining["value"]) == (False, 0)
            assert failures == []
    finally:
        pages.shutdown()
        thread.join()
        pages.server_close()
