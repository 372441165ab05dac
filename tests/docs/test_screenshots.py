"""The README shows every page of the dashboard."""

from __future__ import annotations

import re
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit

from playwright.async_api import Page

from kana.dashboard.pages import ROUTES

ROOT = Path(__file__).parents[2]

NOT_PICTURED = {
    "/": "leads to the packages",
    "/subscribers/move": "a form like that of a change of one user",
    "/subscribers/move-back": "a question before the way back",
    "/subscribers/move/preview": "of users that the pictured demo does not move",
    "/subscribers/moved": "of a job that the pictured demo does not have",
    "/invite": "the sign-in with another heading",
    "/login/provider": "leads to the provider",
    "/login/provider/back": "leads back from it",
    "/user/merge": "asks as archiving a package does",
    "/user/delete": "asks as archiving a package does",
    "/user/cancel": "asks as archiving a package does",
    "/user/resume": "asks as archiving a package does",
    "/user/given/end": "asks as archiving a package does",
    "/package/publish": "asks as archiving a package does",
    "/package/unarchive": "asks as archiving a package does",
    "/package/delete": "asks as archiving a package does",
    "/developer/revoke": "asks as archiving a package does",
    "/developer/secret/revoke": "asks as archiving a package does",
    "/integrations/segment/rule/delete": "asks as archiving a package does",
    "/integrations/segment/rule": "the form for a new rule, filled in",
    "/users/import/progress": "is there while a file is read",
    "/users/export": "a file",
    "/user/export": "a file",
    "/user/ledger.csv": "a file",
    "/insights/usage.csv": "a file",
    "/insights/usage.parquet": "a file",
    "/insights/credits": "is as usage is",
    "/insights/credits.csv": "a file",
    "/console/schema.json": "a file",
    "/developer/webhooks": "a list, as that of keys is",
    "/developer/webhook": "a list, as that of keys is",
    "/developer/webhook/delete": "asks as archiving a package does",
    "/developer/api": "a list of addresses, as the documentation has it",
    "/developer/api/address": "a list of fields, as the documentation has it",
}


def script() -> ModuleType:
    """The program that takes the pictures."""
    loader = SourceFileLoader("screenshots", str(ROOT / "scripts" / "screenshots"))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_the_readme_shows_every_picture_with_words() -> None:
    """None is kept that is not shown, and each says what is on it."""
    shown = re.findall(r"!\[([^\]]+)\]\(docs/screenshots/([^)]+)\)", (ROOT / "README.md").read_text())
    assert all(words for words, _ in shown)
    assert sorted(name for _, name in shown) == sorted(path.name for path in (ROOT / "docs/screenshots").iterdir())


CAPTIONS: dict[str, tuple[str, list[str]]] = {
    "insights": (
        "Usage of each feature over a year, as lines, with filters for days, feature, package and user",
        ["Units by feature", "From", "To", "Feature", "Package", "User", "1 year"],
    ),
    "limits": (
        "A list of users who are near a limit or have reached it, with when they run out and when it resets",
        ["User", "Used", "Runs out", "Resets", "Reached"],
    ),
    "user": (
        "A user's page: what they may use, how much of each limit is used, when it resets, and why",
        ["Entitlements", "Used", "Resets", "Why"],
    ),
    "packages": (
        "The packages with their status, features, subscribers and add-ons",
        ["Status", "Features", "Subscribers", "Add-ons", "Published", "Draft"],
    ),
    "sign-in": ("Signing in", ["Sign in", "Password"]),
    "package": (
        "A package: its features with their limits, and how many users have it",
        ["Features", "Limit", "8000 per month with overage", "Subscribers"],
    ),
    "package-new": ("The form for a new package", ["New package", "Package name"]),
    "package-edit": ("Changing a package, its features and their limits", ["Edit Nest", "Features", "Limit"]),
    "package-duplicate": ("Duplicating a package as a draft", ["Duplicate Colony", "The copy is a draft"]),
    "package-archive": ("Archiving a package, with how many users have it", ["Archive Nest?", "subscribers keep it"]),
    "features": (
        "All features with their types and the packages they are in",
        ["Type", "Packages assigned to", "Consumable", "Binary"],
    ),
    "feature": (
        "A feature: its name, its type, and what one unit of it is called",
        ["Name", "Type", "Consumable", "Unit label, singular"],
    ),
    "feature-new": ("The form for a new feature", ["New feature", "Name"]),
    "subscribers": (
        "Users, searched and filtered, with what they are subscribed to",
        ["Name", "Packages", "Filter", "Active"],
    ),
    "user-new": ("The form for a new user", ["New user", "Identifier"]),
    "user-edit": ("Changing a user", ["Name"]),
    "why": (
        "Why a user may or may not use a feature: what counts, what does not, and why",
        ["Feature", "Units", "No:", "What counts", "What does not count", "Why"],
    ),
    "ledger": (
        "The ledger of a user, searched by feature, time and outcome",
        ["Ledger of", "Entries of", "From", "To", "Outcome", "Download as CSV"],
    ),
    "entry": (
        "One entry of the ledger: the usage, the answer that was given, and the counters it moved",
        ["Entry", "Usage", "Answer", "Used afterwards", "Counters", "Change"],
    ),
    "user-tokens": ("Revoking the tokens of a user", ["Revoke the tokens of", "Revoke"]),
    "users-import": ("Importing users from a file", ["Import users", "CSV file"]),
    "adoption": ("Adoption: how many of the users who may use a feature do use it", ["Had it", "Used it", "Share"]),
    "top-users": ("Who uses a feature most", ["Top users", "User", "Units"]),
    "refusals": ("Who was refused a feature, and how often", ["User", "Refusals"]),
    "insights-dark": ("Usage over a year, in dark mode", ["Units by feature", "1 year"]),
    "integrations": ("What can send events, and how", ["Segment", "add a Webhooks destination"]),
    "events": (
        "Events from Segment with what happened to each; there are none yet",
        ["Event", "Status", "No events yet."],
    ),
    "rules": (
        "Rules for events from Segment, and events that no rule matches; there are none yet",
        ["Rules", "No rules yet.", "Unmapped events by name", "All events are mapped."],
    ),
    "rule": ("The form for a rule", ["New rule", "Map an event when", "Then record usage for"]),
    "developer": ("Keys with their last use", ["Keys", "Last used", "Never"]),
    "console": ("The console for asking the Admin API", ["Console", "Private key of this environment"]),
    "log": (
        "Every change: who made it, when, and the values before and after",
        ["When", "Changed by", "Change", "Before and after"],
    ),
    "people": ("Who may sign in, and their roles", ["Colleagues", "E-mail address", "Role", "Owner"]),
    "account": ("Your own account", ["Your account", "Change your password"]),
}
"""What is said of each picture, and the words on it that bear it out."""

VISIBLE_TEXT = """() => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
  while (walker.nextNode()) {
    const range = document.createRange();
    range.selectNodeContents(walker.currentNode);
    const box = range.getBoundingClientRect();
    if (box.height && box.top >= 0 && box.bottom <= innerHeight) found.push(walker.currentNode.textContent);
  }
  return found.join(" ").replace(/\\s+/g, " ");
}"""


def test_each_caption_is_borne_out_by_its_page() -> None:
    """What a picture is said to show stands on the part of the page that it is taken of, on a fresh demo."""
    shown: dict[str, str] = {}

    async def read(page: Page, name: str) -> None:
        await page.wait_for_load_state("networkidle")
        shown[name] = await page.evaluate(VISIBLE_TEXT)

    script().main(read)
    lacking = {
        name: [word for word in words if word.lower() not in shown[name].lower()]
        for name, (_, words) in CAPTIONS.items()
    }
    assert {name: words for name, words in lacking.items() if words} == {}


def test_the_captions_of_the_readme_are_those_that_are_borne_out() -> None:
    """A new caption, or another, is entered above with what bears it out."""
    shown = re.findall(r"!\[([^\]]+)\]\(docs/screenshots/([^)]+)\.png\)", (ROOT / "README.md").read_text())
    assert {name: caption for caption, name in shown} == {name: caption for name, (caption, _) in CAPTIONS.items()}


def test_every_page_is_pictured_or_says_why_not() -> None:
    """A new page is entered in one of the two lists, and its picture is there."""
    taken = script()
    names = {**taken.PAGES, **taken.PAGES_EVERYWHERE, "sign-in": "/login"}
    assert all((ROOT / "docs/screenshots" / f"{name}.png").exists() for name in names)
    pictured = {urlsplit(path).path for path in names.values()}
    there_are = {route.path for route in ROUTES if route.method == "GET"}
    assert pictured.isdisjoint(NOT_PICTURED)
    assert there_are == pictured | set(NOT_PICTURED)
