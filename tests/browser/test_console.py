"""The console in a real browser."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Page, Request, expect

from kana.model.colleague import Role
from kana.model.key import KeyKind
from tests.browser.watching import watched
from tests.dashboard.desk import Desk
from tests.support.world import TEST


async def run(page: Page) -> None:
    """Press the button that sends the question."""
    await page.locator(".graphiql-execute-button").click()


async def test_a_question_is_asked_with_the_key_that_was_typed(desk: Desk, browser: Browser) -> None:
    """It is answered, it carries the key and no cookie, and nothing of it is left in the browser."""
    sent: list[Request] = []
    async with watched(browser, desk.colleague(Role.VIEWER)) as (page, _):
        page.on("request", lambda request: sent.append(request) if request.url.endswith("/graphql") else None)
        await page.goto("/test/console?example=3")
        await run(page)
        await expect(page.locator(".result-window")).to_contain_text("Enter your private key above first.")
        assert sent == []
        key = desk.served.keys[TEST][KeyKind.PRIVATE]
        await page.get_by_label("Private key of this environment").fill(key)
        await run(page)
        await expect(page.locator(".result-window")).to_contain_text("Basic Plan")
        headers = await sent[0].all_headers()
        assert headers["authorization"] == key
        assert "cookie" not in headers
        assert key not in await page.evaluate("JSON.stringify(localStorage) + JSON.stringify(sessionStorage)")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_the_console_helps_without_a_key(desk: Desk, browser: Browser, *, dark: bool) -> None:
    """The documentation beside it opens, with what the schema says, and history does too."""
    async with watched(browser, desk.colleague(Role.VIEWER), dark=dark) as (page, _):
        await page.goto("/live/console")
        await page.get_by_label("Show Documentation Explorer").click()
        await expect(page.locator(".graphiql-plugin")).to_contain_text("Query")
        await page.locator(".graphiql-plugin").get_by_text("Mutation", exact=True).click()
        await expect(page.locator(".graphiql-plugin")).to_contain_text("recordUsage")
        await page.get_by_label("Show History").click()
        await expect(page.locator(".graphiql-plugin")).to_contain_text("History")
