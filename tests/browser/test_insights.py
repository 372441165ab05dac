"""The chart of usage in a real browser."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, expect

from kana.model.colleague import Role
from tests.browser.watching import grave_findings, watched
from tests.dashboard.desk import Desk
from tests.dashboard.usage import spend, use
from tests.support.world import TEST

PATHS = (
    "",
    "?feature=message&step=HOUR&from=2026-03-10",
    "/adoption",
    "/users?feature=message",
    "/credits",
    "/limits",
    "/refusals",
)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("phone", [False, True], ids=["wide", "phone"])
async def test_insights_with_usage_are_drawn_and_accessible(
    desk: Desk, browser: Browser, *, dark: bool, phone: bool
) -> None:
    """Every page with something in it: nothing grave for axe-core, no error, and none scrolls sideways."""
    use(desk, TEST)
    spend(desk, TEST)
    found, wide = [], []
    async with (
        watched(browser, desk.colleague(Role.VIEWER), dark=dark, phone=phone) as (page, _),
    ):
        for path in PATHS:
            await page.goto(f"/test/insights{path}")
            if path in PATHS[:2]:
                await expect(page.locator(".kana-graph canvas")).to_be_visible()
            found += await grave_findings(page)
            if await page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                wide.append(path)
    assert found == wide == []
