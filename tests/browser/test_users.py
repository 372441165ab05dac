"""What colleagues do with users in a real browser beyond filling in forms: a chart, two clicks, a file."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from playwright.async_api import Browser, FilePayload, expect

from kana.model.colleague import Role
from kana.model.usage import Usage
from tests.browser.watching import grave_findings, watched
from tests.dashboard.desk import Desk
from tests.support.ledger import entries_of
from tests.support.world import TEST

TABLE = b"id,email\nada,ada@example.com\nuser-0,u@example.com\n"
FILE = FilePayload(name="users.csv", mimeType="text/csv", buffer=TABLE)


async def test_usage_over_time_is_drawn(desk: Desk, browser: Browser) -> None:
    """The chart is there with scripts, keeps to the page, and the table that says the same opens."""
    usage = Usage(environment=TEST, user_id="user-0", feature_id="message", delta=4)
    desk.served.run(desk.served.engine.usage.record(usage))
    async with watched(browser, desk.colleague(Role.VIEWER), phone=True) as (page, _):
        await page.goto("/test/user?id=user-0")
        await expect(page.locator(".kana-chart canvas")).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await page.get_by_text("Show as a table", exact=True).click()
        assert await grave_findings(page) == []
        await page.get_by_role("link", name="Why", exact=True).first.click()
        await expect(page.get_by_role("main")).to_contain_text("It is the user's only package with this feature.")
        await page.get_by_label("Units").fill("7")
        await page.get_by_role("button", name="Explain").click()
        await expect(page.get_by_role("main")).to_contain_text("Waiting: it fits at")
        assert await grave_findings(page) == []


async def test_two_clicks_record_once(desk: Desk, browser: Browser) -> None:
    """However often a form is sent, its key makes it count once."""
    async with watched(browser, desk.colleague(Role.EDITOR)) as (page, _):
        await page.goto("/test/user?id=user-0")
        await page.get_by_label("Reason").fill("a gift")
        await page.get_by_role("button", name="Record", exact=True).dblclick()
        await expect(page.get_by_role("main")).to_contain_text("Recorded 1 of message.")
        await page.goto("/test/user?id=user-0")
        await expect(page.get_by_role("main")).to_contain_text("1 of 10")
    assert len(desk.served.run(entries_of(desk.served.store, "user-0"))) == 1


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
async def test_a_file_is_checked_and_taken_in(
    desk: Desk, browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, scripts: bool
) -> None:
    """From the list by way of the report to the users, and the page follows by itself."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    async with (
        watched(browser, desk.colleague(Role.EDITOR), scripts=scripts) as (page, _),
    ):
        await page.goto("/test/subscribers")
        await page.get_by_role("link", name="Import CSV").click()
        await page.get_by_label("CSV file").set_input_files(FILE)
        await page.get_by_role("button", name="Check file").click()
        main = page.get_by_role("main")
        await expect(main).to_contain_text("All rows are correct. Nothing has been changed yet.", timeout=20_000)
        assert not scripts or await grave_findings(page) == []
        await page.get_by_role("button", name="Import 2 rows").click()
        await expect(main).to_contain_text("Imported: 2 rows.", timeout=20_000)
    user = desk.served.run(desk.served.engine.accounts.user(TEST, "ada"))
    assert user.email == "ada@example.com"
