"""How colleagues come in and leave, in a real browser: every form that stands in no environment."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, Page, expect

from kana.dashboard.pages import ROUTES
from kana.model.colleague import Role
from tests.browser.watching import watched
from tests.dashboard.desk import Desk

EMAIL = "new@example.com"
FIRST, SECOND = "four plain words together", "other words that fit well"
TOLD_IN_TEST_PAGES = {"/theme"}


async def fill_in(page: Page, press: str, **fields: str) -> None:
    """Fill in fields by their labels, with spaces for underscores, and press a button."""
    for label, value in fields.items():
        await page.get_by_label(label.replace("_", " "), exact=True).fill(value)
    await page.get_by_role("main").get_by_role("button", name=press, exact=True).click()


async def sign_out(page: Page) -> None:
    """Leave by the menu of one's own name."""
    await page.locator(".kana-person summary").click()
    await page.get_by_role("button", name="Sign out", exact=True).click()
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


async def says(page: Page, words: str) -> None:
    """See what a page says."""
    await expect(page.get_by_role("main")).to_contain_text(words)


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
async def test_somebody_is_invited_works_and_is_let_in_no_more(desk: Desk, browser: Browser, *, scripts: bool) -> None:
    """A link that works once, a password, another role, another password, out everywhere, and the door closed."""
    sent: set[str] = set()
    async with (
        watched(browser, desk.colleague(Role.OWNER), scripts=scripts) as (owner, _),
        watched(browser, desk.guest(), scripts=scripts) as (guest, watch),
    ):
        for page in (owner, guest):
            page.on(
                "request", lambda request: sent.add(urlsplit(request.url).path) if request.method == "POST" else None
            )
        await owner.goto("/people")
        await owner.get_by_label("E-mail address", exact=True).fill(EMAIL)
        await owner.locator("#role").select_option(label="Viewer")
        await fill_in(owner, "Create link")
        link = await owner.get_by_role("status").locator("code").inner_text()

        await guest.goto(link)
        await fill_in(guest, "Sign in", Password=FIRST)
        await says(guest, "Packages")
        await sign_out(guest)
        await guest.goto(link)
        await says(guest, "used")
        await guest.goto("/login")
        await guest.get_by_label("E-mail address").fill(EMAIL)
        await fill_in(guest, "Sign in", Password=SECOND)
        await says(guest, "password is wrong")
        await fill_in(guest, "Sign in", Password=FIRST)
        await says(guest, "Packages")

        await owner.goto("/people")
        row = owner.get_by_role("row").filter(has_text=EMAIL)
        await row.get_by_label(f"Role of {EMAIL}").select_option(label="Editor")
        await row.get_by_role("button", name="Change").click()
        await says(owner, f"{EMAIL} is now editor")

        await guest.goto("/account")
        await guest.get_by_label("E-mail address").fill(EMAIL)
        await fill_in(guest, "Sign in", Password=FIRST)
        await fill_in(guest, "Change password", Current_password=FIRST, New_password=SECOND)
        await says(guest, "Your password was changed")
        await fill_in(guest, "Sign out everywhere")
        await expect(guest.get_by_role("heading", name="Sign in")).to_be_visible()

        await owner.get_by_label("E-mail address", exact=True).fill("other@example.com")
        await fill_in(owner, "Create link")
        await owner.get_by_role("button", name="Withdraw the link to other@example.com").click()
        await says(owner, "The link for other@example.com no longer works.")

        await row.get_by_role("button", name=f"Disable {EMAIL}").click()
        await says(owner, f"{EMAIL} can no longer sign in.")
        await guest.get_by_label("E-mail address").fill(EMAIL)
        await fill_in(guest, "Sign in", Password=SECOND)
        await says(guest, "password is wrong")
        # What is refused is answered 4xx, which the browser notes as an error.
        watch.found = [line for line in watch.found if "status of 4" not in line]
    there_are = {route.path for route in ROUTES if route.method == "POST" and not route.in_environment}
    assert sent == there_are - TOLD_IN_TEST_PAGES
