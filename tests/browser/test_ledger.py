"""The ledger in a real browser: from a user's page by way of the search to one entry, and the file."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, expect

from kana.model.colleague import Role
from kana.model.usage import Usage
from tests.browser.watching import grave_findings, watched
from tests.dashboard.desk import Desk
from tests.support.world import TEST


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
async def test_an_entry_is_found_and_fits(desk: Desk, browser: Browser, *, dark: bool, phone: bool) -> None:
    """Searched for, opened, and there with all that it says, whatever the screen."""
    for delta in (9, 2):
        usage = Usage(
            environment=TEST, user_id="user-0", feature_id="message", delta=delta, metadata={"long": "x" * 99}
        )
        desk.served.run(desk.served.engine.usage.record(usage))
    async with watched(browser, desk.colleague(Role.VIEWER), dark=dark, phone=phone) as (page, _):
        await page.goto("/test/user?id=user-0")
        main = page.get_by_role("main")
        await main.get_by_label("Outcome").select_option(label="Limit reached")
        await main.get_by_role("button", name="Search").click()
        await expect(main).to_contain_text("Ledger of user-0")
        await main.get_by_role("table").get_by_role("link").click()
        await expect(main).to_contain_text("It moved no counter.")
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert await grave_findings(page) == []


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
async def test_what_is_shown_is_downloaded(desk: Desk, browser: Browser, *, scripts: bool) -> None:
    """As a file with a name that ends in csv."""
    usage = Usage(environment=TEST, user_id="user-0", feature_id="message", delta=4)
    desk.served.run(desk.served.engine.usage.record(usage))
    async with watched(browser, desk.colleague(Role.VIEWER), scripts=scripts) as (page, _):
        await page.goto("/test/user/ledger?id=user-0&outcome=RECORDED")
        async with page.expect_download() as coming:
            await page.get_by_role("link", name="Download as CSV").click()
        download = await coming.value
        assert download.suggested_filename == "ledger-test.csv"
        assert (await download.path()).read_text("utf-8-sig").count("RECORDED") == 1
