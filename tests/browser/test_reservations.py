"""Reservations in a real browser: released and settled from a row's menu, on every screen, without scripts too."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, expect

from kana.model.colleague import Role
from kana.model.reservation import ReservationStatus
from tests.browser.watching import grave_findings, watched
from tests.dashboard.desk import Desk
from tests.dashboard.test_user_reservations import furnish_credit, ledger, reserve, status


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
async def test_what_is_set_aside_is_settled_and_released(desk: Desk, browser: Browser, *, scripts: bool) -> None:
    """From the menu to the form, which has what is held; a refusal keeps it open."""
    settled, released = reserve(desk, message=3), reserve(desk, 20, message=2)
    async with watched(browser, desk.colleague(Role.EDITOR), scripts=scripts) as (page, watch):
        await page.goto("/test/user?id=user-0")
        main = page.get_by_role("main")
        await main.locator(f"summary[aria-label='Actions for reservation {settled}']").click()
        await main.locator(f"[popovertarget=settle-{settled}]").first.click()
        form = main.get_by_role("dialog")
        await expect(form.get_by_label("Used of Messages")).to_have_value("3")
        await form.get_by_label("Used of Messages").fill("11")
        await form.get_by_label("Why it is settled by hand").fill("as logged")
        await form.get_by_role("button", name="Settle").click()
        await expect(form).to_contain_text("Not settled. message: The limit of 10 is reached")
        await form.get_by_label("Used of Messages").fill("4")
        await form.get_by_role("button", name="Settle").click()
        await expect(main).to_contain_text("was settled: 4 of message.")
        await main.locator(f"summary[aria-label='Actions for reservation {released}']").click()
        await main.locator(f"[popovertarget=release-{released}]").first.click()
        await form.get_by_label("Why it is released by hand").fill("stuck")
        await form.get_by_role("button", name="Release").click()
        await expect(main).to_contain_text("was released.")
        await expect(main.get_by_role("heading", name="Reservations")).to_have_count(0)
        # A form that is refused is answered 400, which the browser notes as an error.
        watch.found = [line for line in watch.found if "status of 400" not in line]
    assert [status(desk, each) for each in (settled, released)] == [
        ReservationStatus.SETTLED, ReservationStatus.RELEASED,
    ]  # fmt: skip


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
async def test_what_is_set_aside_fits(desk: Desk, browser: Browser, *, dark: bool, phone: bool) -> None:
    """On the user's page, in a form of its own, and as an entry of the ledger."""
    furnish_credit(desk)
    reserve(desk, image=4, message=3)
    async with watched(browser, desk.colleague(Role.EDITOR), dark=dark, phone=phone) as (page, _):
        for path in ("/test/user?id=user-0", f"/test/user/entry?id=user-0&entry={ledger(desk)[0].id}"):
            await page.goto(path)
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            assert await grave_findings(page) == []
