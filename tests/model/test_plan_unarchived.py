"""A configuration that has a package which is archived: it is published again, as the file says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kana.model.change import Verb, describe
from tests.model.test_plan import EXTRA, FREE, LATER, PRO, PUBLISHED, lines, planned, problems, the_catalog


def test_an_archived_package_in_the_file_is_published_again() -> None:
    """With what the file says of it: who kept it may notice that, and nothing else."""
    held = {"id": "message", "limit": 1, "reset_period": "MONTH"}
    old, less = {"id": "old", "features": [held]}, {"id": "old", "features": [held | {"limit": 0}]}
    again: dict[str, Any] = {"packages": {"draft": [PRO], "published": [FREE, old]}}
    assert lines(**again) == ["Package 'old' is published again: users can subscribe to it"]
    published = planned(**again).catalog.package("old")
    assert published == replace(the_catalog().package("old"), status=PUBLISHED, updated_at=LATER)
    assert lines(packages={"draft": [PRO], "published": [FREE, less]}) == [
        "Package 'old' changes 'message' from 1 per month to 0 per month",
        "Package 'old' is published again: users can subscribe to it",
    ]
    [change] = describe(the_catalog(), planned(**again).catalog)
    assert (change.verb, change.reaches_subscribers, change.keeps, change.takes) == (Verb.UNARCHIVE, True, True, False)


def test_an_archived_package_keeps_its_kind() -> None:
    """Who kept it has it beside a base package, or as one."""
    addons = {"published": [EXTRA, {"id": "old"}]}
    assert problems(packages={"draft": [PRO], "published": [FREE]}, addons=addons) == [
        ("addons.published[1]", "Package 'old' is archived and cannot change its kind; it belongs under packages."),
    ]
