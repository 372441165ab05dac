"""Kana's own browser client 0.2.2 works unchanged: under Node.js, and inside a page of another origin."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.api.admin.calls import furnish, record
from tests.api.client.calls import LIVE, NOBODY, public_key, token_of
from tests.support.browser import open_browser
from tests.support.programs import NODE_FOLDER, node
from tests.support.serving import Served
from tests.support.stores import SqlitePlace

PACKAGE = NODE_FOLDER / "node_modules" / "@usekana" / "client-kana-js"
FILES = {"/": NODE_FOLDER / "page.html", "/kana.js": PACKAGE / "dist" / "index.esm.js"}

Step = dict[str, str] | list[str]
"""The configuration of a new client, or a call of it: the name and what is given."""

Client = Callable[[Step], Awaitable[str | None]]
"""Takes a step; a call answers JSON, where an error is ``{"error": message}``."""


class Pages(SimpleHTTPRequestHandler):
    """Serves the page and Kana's module, and notes nothing."""

    def do_GET(self) -> None:
        """Send one of the two files."""
        path: Path | None = FILES.get(self.path)
        self.send_response(200 if path else 404)
        self.send_header("Content-Type", "text/html" if self.path == "/" else "text/javascript")
        self.end_headers()
        self.wfile.write(path.read_bytes() if path else b"")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that the standard library gives it
        """Say nothing."""


@asynccontextmanager
async def in_node() -> AsyncIterator[Client]:
    """The client under Node.js."""
    process = await asyncio.create_subprocess_exec(
        str(node()), "client.mjs", cwd=NODE_FOLDER, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    sends, says = process.stdin, process.stdout

    async def take(step: Step) -> str | None:
        sends.write(json.dumps(step).encode() + b"\n")
        return (await says.readline()).decode() if isinstance(step, list) else None

    yield take
    sends.close()
    assert await process.wait() == 0


@asynccontextmanager
async def in_a_page() -> AsyncIterator[Client]:
    """The client in headless Chromium, in a page whose port, and so whose origin, is not the server's."""
    pages = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    thread = Thread(target=pages.serve_forever)
    thread.start()
    try:
        async with open_browser() as browser:
            page = await browser.new_page()
            failures: list[str] = []
            page.on("pageerror", lambda error: failures.append(error.message))
            await page.goto(f"http://127.0.0.1:{pages.server_port}/")
            await page.wait_for_function("typeof window.step === 'function'")

            async def take(step: Step) -> str | None:
                answer: str | None = await page.evaluate("(given) => step(given)", step)
                return answer

            yield take
            assert failures == []
    finally:
        pages.shutdown()
        thread.join()
        pages.server_close()


RUNNERS = {"node": in_node, "page": in_a_page}


@pytest.fixture(params=RUNNERS)
async def client(request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    """Kana's client in either place."""
    async with RUNNERS[request.param]() as take:
        yield take


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """The application for this one test; which store it has is nothing to a browser."""
    with Served(SqlitePlace(tmp_path / "kana.db")) as served:
        furnish(served)
        yield served


async def call(client: Client, *step: str) -> Any:
    """Make one call; return its answer."""
    return json.loads(await client([*step]) or "null")


async def ask(client: Client, config: dict[str, str], *step: str) -> Any:
    """Make a client, and one call of it."""
    await client(config)
    return await call(client, *step)


def simple(served: Served, user_id: str = "ada", *, key: str | None = None) -> dict[str, str]:
    """The configuration of simple mode."""
    return {"endpoint": f"{served.url}/client/graphql", "apiKey": key or public_key(served), "userId": user_id}


def secure(served: Served, user_id: str = "ada", *, token: str | None = None) -> dict[str, str]:
    """The configuration of secure mode."""
    return {"endpoint": f"{served.url}/client/graphql", "userToken": token or token_of(served, user_id)}


async def test_both_modes_answer_what_the_user_may_do(shared: Served, client: Client) -> None:
    """canUseFeature, getSubscribedFeatures and getSubscribedPackages, by public key and by token."""
    consumption = {"used": record(shared)["consumption"]["used"], "budget": 10}
    counted = {"access": True, "consumption": consumption}
    features = [
        {"id": "message", "name": "message", "type": "CONSUMABLE", "entitlement": counted},
        {"id": "support", "name": "support", "type": "BINARY", "entitlement": {"access": True}},
    ]

    for config in (simple(shared), secure(shared)):
        assert await ask(client, config, "canUseFeature", "message") == {"data": counted}
        assert await call(client, "canUseFeature", "support") == {"data": {"access": True}}
        assert await call(client, "getSubscribedFeatures") == {"data": features}
        packages = await call(client, "getSubscribedPackages")
        assert packages == {"data": [{"id": "basic", "name": "basic", "isAddon": False}]}


async def test_a_feature_that_is_not_theirs_is_simply_not_allowed(shared: Served, client: Client) -> None:
    """Unknown, or in no package of the user's: access is false, and nothing is an error."""
    for config in (simple(shared, "bob"), simple(shared, "nobody"), secure(shared, "bob")):
        assert await ask(client, config, "canUseFeature", "message") == {"data": {"access": False}}
        assert await call(client, "getSubscribedFeatures") == {"data": []}
    assert await ask(client, secure(shared), "canUseFeature", "fax") == {"data": {"access": False}}


async def test_wrong_keys_and_tokens_are_told_in_our_words(served: Served, client: Client) -> None:
    """Every getter answers the error instead of throwing it; an expired token reads like any other wrong one."""
    token = token_of(served, "ada")
    error = {"error": NOBODY}

    assert await ask(client, simple(served, key="pub_test_wrong"), "canUseFeature", "message") == error
    assert await ask(client, secure(served, token=token[:-4]), "getSubscribedPackages") == error
    assert await ask(client, secure(served, token=token), "getSubscribedPackages") != error
    served.clock.advance(days=31)
    assert await ask(client, secure(served, token=token), "getSubscribedFeatures") == error
    assert await ask(client, secure(served), "getSubscribedPackages") != error


async def test_whoever_fails_too_often_can_read_that(shared: Served, client: Client) -> None:
    """The eleventh failure within a minute is an error that a page can show."""
    for _ in range(10):
        assert await ask(client, simple(shared, key="wrong"), "canUseFeature", "message") == {"error": NOBODY}

    told = await ask(client, simple(shared, key="wrong"), "canUseFeature", "message")

    assert told["error"].startswith("Unauthenticated too often: ")


async def test_the_key_says_which_environment(shared: Served, client: Client) -> None:
    """With the key of live, ada of test is nobody."""
    config = simple(shared, key=public_key(shared, LIVE))

    assert await ask(client, config, "getSubscribedPackages") == {"data": []}


async def test_answers_are_kept_until_the_cache_is_reset(served: Served, client: Client) -> None:
    """The client asks once and keeps what it was told; resetCache answers nothing, and then the news is there."""

    async def used() -> int:
        answer = await call(client, "canUseFeature", "message")
        return int(answer["data"]["consumption"]["used"])

    await client(simple(served))
    assert await used() == 0
    record(served, 10)
    assert await used() == 0
    assert await call(client, "resetCache") is None
    assert await used() == 10
    assert await call(client, "canUseFeature", "message") == {
        "data": {"access": False, "consumption": {"used": 10, "budget": 10}}
    }
