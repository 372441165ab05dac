"""Segment's pages in a real browser, with events."""

from __future__ import annotations

from typing import Literal

import pytest
from playwright.async_api import Browser, expect

from kana.model.colleague import Role
from tests.browser.watching import grave_findings, watched
from tests.dashboard.desk import Desk
from tests.dashboard.segment import send
from tests.support.world import LIVE

PATHS = ("", "/segment", "/segment/rules", "/segment/rule/new?property=object.name&value=message")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("phone", [False, True], ids=["wide", "phone"])
async def test_events_are_accessible(desk: Desk, browser: Browser, *, dark: bool, phone: bool) -> None:
    """Every page with events in it: nothing grave for axe-core, no error, and none scrolls sideways."""
    send(desk, LIVE)
    found, wide = [], []
    async with (
        watched(browser, desk.colleague(Role.EDITOR), dark=dark, phone=phone) as (page, _),
    ):
        for path in PATHS:
            await page.goto(f"/live/integrations{path}")
            found += await grave_findings(page)
            if await page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                wide.append(path)
    assert found == wide == []


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
async def test_an_event_is_mapped_in_two_clicks(desk: Desk, browser: Browser, *, scripts: bool) -> None:
    """Map this, Create: what came before is usage then."""
    send(desk, LIVE)
    async with (
        watched(browser, desk.colleague(Role.EDITOR), scripts=scripts) as (page, _),
    ):
        await page.goto("/live/integrations/segment/rules")
        await page.get_by_role("link", name="Map this: Message sent").click()
        await page.get_by_role("button", name="Create").click()
        await expect(page.get_by_role("main")).to_contain_text("Message sent was created.")
        for _ in range(100):
            await page.goto("/live/integrations/segment?status=RECORDED")
            if await page.locator("tbody tr").count() == 2:
                return
            await page.wait_for_timeout(50)
        raise AssertionError("the events that came before are not recorded")


@pytest.mark.parametrize(
    ("press", "role", "says"),
    [
        ("Try all failed events again", "status", "again"),
        ("Try again: Named", "alert", "Named: failed. properties.delta"),
    ],
)
async def test_what_failed_is_tried_again(
    desk: Desk, browser: Browser, press: str, role: Literal["alert", "status"], says: str
) -> None:
    """By one and all: what is still wrong has failed again, and the page says so, for one as an error."""
    send(desk, LIVE)
    async with watched(browser, desk.colleague(Role.EDITOR)) as (page, _):
        await page.goto("/live/integrations/segment?status=FAILED")
        await page.get_by_role("button", name=press, exact=True).click()
        await expect(page.get_by_role(role)).to_contain_text(says)
        await page.goto("/live/integrations/segment?status=FAILED")
        await expect(page.locator("tbody tr")).to_have_count(1)
