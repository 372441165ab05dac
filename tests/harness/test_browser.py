"""The browser that other tests use runs scripts and reports what goes wrong in a page."""

from __future__ import annotations

from tests.support.browser import open_browser
from tests.support.programs import NODE_FOLDER


async def test_a_page_runs_scripts_and_reports_their_errors() -> None:
    """Text set by a script is there, and an error in a script reaches the test."""
    async with open_browser() as browser:
        page = await browser.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(error.message))

        await page.set_content("<p id=told></p><script>told.textContent = 'grüezi'; throw Error('lost')</script>")

        assert await page.locator("#told").text_content() == "grüezi"
        assert errors == ["lost"]


async def test_axe_finds_what_is_wrong_with_a_page() -> None:
    """The accessibility audit tells a picture without words from one with; so its silence means something."""
    async with open_browser() as browser:
        page = await browser.new_page()
        found = {}
        for case, picture in {"bad": "<img src=''>", "good": "<img src='' alt='A graph'>"}.items():
            await page.set_content(f"<!doctype html><html lang=en><title>t</title><main><h1>t</h1>{picture}</main>")
            await page.add_script_tag(path=NODE_FOLDER / "node_modules" / "axe-core" / "axe.min.js")
            answer = await page.evaluate("axe.run()")
            found[case] = [violation["id"] for violation in answer["violations"]]

        assert found == {"bad": ["image-alt"], "good": []}
