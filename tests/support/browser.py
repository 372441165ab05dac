"""The machine's Chromium, driven through Playwright; no browser is downloaded."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator

from playwright.async_api import Browser, async_playwright

from tests.support.programs import CHROMIUM_ARGUMENTS, chromium, node


@contextlib.asynccontextmanager
async def open_browser() -> AsyncIterator[Browser]:
    """A headless Chromium with an empty profile, closed at the end."""
    # The Node.js that Playwright brings needs a library that small machines lack; ours runs everywhere.
    os.environ["PLAYWRIGHT_NODEJS_PATH"] = str(node())
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium(), args=CHROMIUM_ARGUMENTS, chromium_sandbox=False
        )
        try:
            yield browser
        finally:
            await browser.close()
