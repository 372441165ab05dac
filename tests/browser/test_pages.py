"""Every page in a real browser: it opens, nothing goes wrong in it, and everybody can use it."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from kana.dashboard.pages import ROUTES
from kana.model.colleague import Role
from tests.browser.pages import (
    FORMS,
    OF_A_DELIVERY,
    OF_A_FILE,
    OF_A_RESERVATION,
    OF_AN_EVENT,
    PAGES,
    PAGES_EVERYWHERE,
    PAGES_OUTSIDE,
    Form,
)
from tests.browser.watching import grave_findings, watched
from tests.dashboard.desk import Desk
from tests.dashboard.test_user_reservations import reserve


def pages_of(environment: str) -> list[str]:
    """Every page as it is in an environment. Each way of looking takes one, so that all together see both."""
    return [*(f"/{environment}{path}" for path in PAGES), *PAGES_EVERYWHERE]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_every_page_opens_clean_and_accessible(desk: Desk, browser: Browser, *, dark: bool) -> None:
    """No error, no request to another host, nothing serious for axe-core, in light and in dark."""
    owner, found = desk.colleague(Role.OWNER), []
    for visitor, paths in ((owner, pages_of("live" if dark else "test")), (desk.guest(), PAGES_OUTSIDE)):
        async with watched(browser, visitor, dark=dark) as (page, _):
            for path in paths:
                await opened(page, path)
                theme = await page.evaluate("document.documentElement.dataset.bsTheme")
                assert theme == ("dark" if dark else "light")
                found += await grave_findings(page)
    assert found == []


async def test_every_page_is_whole_without_scripts(desk: Desk, browser: Browser) -> None:
    """With scripts switched off every page opens, has its heading, and shows no button that needs one."""
    async with (
        watched(browser, desk.colleague(Role.OWNER), scripts=False) as (page, _),
    ):
        for path in pages_of("test"):
            await opened(page, path)
            assert await page.locator("h1").count() == 1, path
            assert await page.locator(".needs-script:visible").count() == 0, path


async def test_every_page_fits_a_phone(desk: Desk, browser: Browser) -> None:
    """On a screen of 360 pixels no page scrolls sideways."""
    async with watched(browser, desk.colleague(Role.OWNER), phone=True) as (page, _):
        wide = []
        for path in pages_of("live"):
            await opened(page, path)
            if await page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                wide.append(path)
    assert wide == []


@pytest.mark.parametrize(
    ("environment", "scripts"), [("test", True), ("live", False)], ids=["test with scripts", "live without scripts"]
)
async def test_every_form_works(desk: Desk, browser: Browser, environment: str, *, scripts: bool) -> None:
    """Filled in and sent like a colleague does, each form does what it says, or says what is wrong.

    Both environments and both ways are seen, one by each: what they share is the same code, and a minute is a minute.
    """
    sent: set[str] = set()
    async with watched(browser, desk.colleague(Role.OWNER), scripts=scripts) as (page, watch):
        page.on("request", lambda request: sent.add(urlsplit(request.url).path) if request.method == "POST" else None)
        for form in FORMS:
            await send(page, environment, form)
        # A form that is refused is answered 400, which the browser notes as an error.
        watch.found = [line for line in watch.found if "status of 400" not in line]
    there_are = {f"/{environment}{route.path}" for route in ROUTES if route.method == "POST" and route.in_environment}
    assert sent == there_are - {
        f"/{environment}{path}" for path in (*OF_A_FILE, *OF_A_RESERVATION, *OF_AN_EVENT, *OF_A_DELIVERY)
    }


async def opened(page: Page, path: str) -> None:
    """Open a page that must be there."""
    answer = await page.goto(path)
    assert answer is not None
    assert answer.status == 200, path


def named(main: Locator, kinds: str, words: str) -> Locator:
    """The first of these elements that is called so, or so and what it is about, as in `Revoke pub_test_…`.

    By selectors: looked for by role and a pattern, a form takes twice as long.
    """
    found = [f'{kind}:text-is("{words}"), {kind}[aria-label^="{words}"]' for kind in kinds.split()]
    return main.locator(", ".join(found)).first


async def send(page: Page, environment: str, form: Form) -> None:
    """Fill in one form, press its button, and see what it says."""
    await opened(page, f"/{environment}{form.page}")
    main = page.get_by_role("main")
    for step in form.follow:
        await named(main, "a summary [popovertarget]", step).click()
    for label, value in form.fill.items():
        field = main.get_by_label(label, exact=True).first
        if isinstance(value, bool):
            await field.set_checked(value)
        elif await field.evaluate("element => element.tagName") == "SELECT":
            await field.select_option(label=value)
        else:
            await field.fill(value)
    await named(main, "button", form.press).click()
    await expect(main).to_contain_text(form.says)
    assert f"/{environment}/" in page.url


async def test_a_package_that_colleagues_have_changes_after_a_yes(desk: Desk, browser: Browser) -> None:
    """The change is shown with whom it reaches; going back keeps what was typed, and the yes makes it."""
    async with watched(browser, desk.colleague(Role.OWNER)) as (page, _):
        await page.goto("/test/package/edit?id=basic")
        await page.get_by_label("Limit of Messages", exact=True).fill("7")
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_role("main")).to_contain_text("changes 'message' from 10 per day to 7 per day")
        await page.get_by_role("button", name="Back to editing").click()
        await expect(page.get_by_label("Limit of Messages", exact=True)).to_have_value("7")
        await page.get_by_role("button", name="Save").click()
        await page.get_by_role("button", name="Change for everyone").click()
        await expect(page.get_by_role("main")).to_contain_text("7 per day")


async def test_typing_beside_a_feature_ticks_it(desk: Desk, browser: Browser) -> None:
    """A limit is not forgotten for want of a tick, and a tick can be taken back."""
    async with watched(browser, desk.colleague(Role.EDITOR)) as (page, _):
        await page.goto("/test/package/new")
        box = page.get_by_label("Messages", exact=True)
        await expect(box).not_to_be_checked()
        await page.get_by_label("Limit of Messages", exact=True).fill("40")
        await expect(box).to_be_checked()
        await box.uncheck()
        await expect(box).not_to_be_checked()


async def test_search_answers_as_one_types_and_sorting_is_a_link(desk: Desk, browser: Browser) -> None:
    """With scripts the table follows the search field, and the address follows the table."""
    async with watched(browser, desk.colleague(Role.VIEWER)) as (page, _):
        await page.goto("/test/packages")
        await page.get_by_label("Search packages").press_sequentially("pro")
        await expect(page.locator("#list")).to_contain_text("1 found")
        await expect(page).to_have_url(re.compile(r"q=pro"))
        await page.goto("/test/packages")
        await page.get_by_role("link", name="Name", exact=True).click()
        await page.get_by_role("link", name="Name", exact=True).click()
        await expect(page.locator("th[aria-sort=descending]")).to_contain_text("Name")
        await expect(page.locator("tbody tr").first).to_contain_text("Pro & Co")


async def test_a_button_copies_an_identifier(desk: Desk, browser: Browser) -> None:
    """What is copied is the identifier, slashes included, and the button says so."""
    async with watched(browser, desk.colleague(Role.VIEWER)) as (page, _):
        await page.goto("/test/package?id=pro%2F2026")
        button = page.get_by_role("button", name="Copy pro/2026")
        await button.click()
        await expect(button).to_have_text("Copied")
        assert await page.evaluate("navigator.clipboard.readText()") == "pro/2026"


async def test_a_menu_is_used_by_keyboard(desk: Desk, browser: Browser) -> None:
    """Enter opens it, Escape closes it and gives the focus back; the first Tab leads past the menu of the page."""
    async with watched(browser, desk.colleague(Role.EDITOR)) as (page, _):
        await page.goto("/test/packages")
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
        menu = page.locator("summary[aria-label='Actions for Basic Plan']")
        await menu.focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("link", name="Archive")).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("link", name="Archive")).not_to_be_visible()
        await expect(menu).to_be_focused()


@pytest.mark.parametrize(
    ("width", "scripts"),
    [(390, True), (390, False), (1280, True)],
    ids=["phone", "phone without scripts", "desk"],
)
async def test_an_open_menu_of_a_row_does_not_widen_the_page(
    desk: Desk, browser: Browser, width: int, *, scripts: bool
) -> None:
    """On a phone the table goes on scrolling by itself; and all of the menu is seen and can be used."""
    reserve(desk, message=3)
    async with watched(browser, desk.colleague(Role.OWNER), scripts=scripts) as (page, _):
        await page.set_viewport_size({"width": width, "height": 800})
        for path in ("/test/packages", "/test/user?id=user-0"):
            await opened(page, path)
            menus = await page.locator(".kana-table summary").all()
            assert menus, path
            for menu in menus:
                await menu.click()
                assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
                opened_menu = page.locator(".kana-table details[open] .kana-dropdown")
                await expect(opened_menu).to_be_in_viewport(ratio=0.99)
                await opened_menu.locator("a, button").last.click(trial=True)
                await menu.click()


async def test_light_or_dark_is_kept(desk: Desk, browser: Browser) -> None:
    """What a colleague chooses stands above what the system prefers, without scripts too."""
    async with (
        watched(browser, desk.colleague(Role.VIEWER), scripts=False) as (page, _),
    ):
        await page.goto("/live/features")
        await page.locator("summary", has_text="Your account").click()
        await page.get_by_role("button", name="Dark").click()
        await expect(page).to_have_url(re.compile("/live/features$"))
        await expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")


async def test_what_goes_wrong_in_a_page_is_noticed(desk: Desk, browser: Browser) -> None:
    """A control: an error of a script, a request elsewhere, and an inline style, which the policy forbids, all fail."""
    for fault, noticed in {
        "setTimeout(() => { throw Error('lost') })": "script: lost",
        "fetch('http://127.0.0.1:9/')": "connect-src 'self'",
        "document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\">')": "style-src",
    }.items():
        with pytest.raises(AssertionError, match=re.escape(noticed)):  # noqa: PT012 - it fails at its end
            async with watched(browser, desk.colleague(Role.VIEWER)) as (page, _):
                await page.goto("/test/packages")
                await page.evaluate(f"() => {{ {fault} }}")
                await page.wait_for_timeout(300)
