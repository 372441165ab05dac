"""A browser that notes what goes wrong in a page, and asks axe-core about it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Request

from tests.dashboard.desk import Visitor
from tests.support.programs import NODE_FOLDER

AXE = NODE_FOLDER / "node_modules" / "axe-core" / "axe.min.js"
GRAVE = {"serious", "critical"}


class Watch:
    """Notes errors of the console and of scripts, and requests to other hosts."""

    def __init__(self, context: BrowserContext, host: str) -> None:
        self.found: list[str] = []
        self._host = host
        context.on("console", self._console)
        context.on("weberror", lambda error: self.found.append(f"script: {error.error}"))
        context.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.found.append(f"{message.page.url if message.page else ''}: {message.text}")

    def _request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != self._host:
            self.found.append(f"request to {request.url}")


@contextlib.asynccontextmanager
async def watched(
    browser: Browser, visitor: Visitor, *, scripts: bool = True, dark: bool = False, phone: bool = False
) -> AsyncIterator[tuple[Page, Watch]]:
    """A page of a browser that is signed in as a visitor is; what goes wrong there fails the test at the end."""
    base = str(visitor.http.base_url).rstrip("/")
    context = await browser.new_context(
        base_url=base,
        java_script_enabled=scripts,
        color_scheme="dark" if dark else "light",
        viewport={"width": 360, "height": 740} if phone else {"width": 1280, "height": 800},
        permissions=["clipboard-read", "clipboard-write"],
    )
    for name, value in visitor.http.cookies.items():
        await context.add_cookies([{"name": name, "value": value, "url": base, "httpOnly": True}])
    watch = Watch(context, urlsplit(base).netloc)
    page = await context.new_page()
    try:
        yield page, watch
    finally:
        await context.close()
    assert not watch.found, "\n".join(watch.found)


async def grave_findings(page: Page) -> list[str]:
    """What axe-core finds on a page that keeps colleagues out: the rule and the element, none if all is well."""
    await page.evaluate(AXE.read_text())
    # Selectors and what is well take three quarters of the time, and nobody reads them.
    violations: list[dict[str, Any]] = await page.evaluate(
        "axe.run({resultTypes: ['violations'], selectors: false}).then(results => results.violations)"
    )
    return [
        f"{page.url}: {violation['id']}: {node['html'][:200]}"
        for violation in violations
        if violation["impact"] in GRAVE
        for node in violation["nodes"]
    ]
