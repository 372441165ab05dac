"""The README shows every page of the dashboard."""

from __future__ import annotations

import re
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit

from kana.dashboard.pages import ROUTES

ROOT = Path(__file__).parents[2]

NOT_PICTURED = {
    "/": "leads to the packages",
    "/invite": "the sign-in with another heading",
    "/login/provider": "leads to the provider",
    "/login/provider/back": "leads back from it",
    "/user/cancel": "asks as archiving a package does",
    "/package/publish": "asks as archiving a package does",
    "/package/delete": "asks as archiving a package does",
    "/developer/revoke": "asks as archiving a package does",
    "/developer/secret/revoke": "asks as archiving a package does",
    "/integrations/segment/rule/delete": "asks as archiving a package does",
    "/integrations/segment/rule": "the form for a new rule, filled in",
    "/users/import/progress": "is there while a file is read",
    "/users/export": "a file",
    "/insights/usage.csv": "a file",
    "/insights/usage.parquet": "a file",
    "/console/schema.json": "a file",
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


def test_every_page_is_pictured_or_says_why_not() -> None:
    """A new page is entered in one of the two lists, and its picture is there."""
    taken = script()
    names = {**taken.PAGES, **taken.PAGES_EVERYWHERE, "sign-in": "/login"}
    assert all((ROOT / "docs/screenshots" / f"{name}.png").exists() for name in names)
    pictured = {urlsplit(path).path for path in names.values()}
    there_are = {route.path for route in ROUTES if route.method == "GET"}
    assert pictured.isdisjoint(NOT_PICTURED)
    assert there_are == pictured | set(NOT_PICTURED)
