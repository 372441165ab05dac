"""Packages over HTTP: their life from draft to archive, and what each mistake is called."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.admin.calls import (
    ARCHIVE,
    CREATE_PACKAGE,
    DELETE,
    DUPLICATE,
    PACKAGE,
    PUBLISH,
    UNARCHIVE,
    UPDATE_FEATURE,
    UPDATE_PACKAGE,
    name_of,
    state,
)
from tests.support.serving import Served

TEN = {"limit": 10, "resetPeriod": "MONTH"}
UNCOUNTED = {
    "limit": None,
    "unitLabel": None,
    "unitLabelPlural": None,
    "overageEnabled": False,
    "resetPeriod": None,
    "combine": "HIGHEST",
}


def package(served: Served, package_id: str) -> dict[str, Any]:
    found: dict[str, Any] = served.ask(
        f"query($id: String!) {{ package(id: $id) {{ {PACKAGE} }} }}", {"id": package_id}
    )
    return dict(found["package"])


def test_a_new_package_is_a_draft_with_defaults(served: Served) -> None:
    """Name, kind, metadata and prices have defaults; a feature without an entitlement is unlimited."""
    created = served.ask(CREATE_PACKAGE, {"input": {"id": "new", "features": {"id": "message"}}})["createPackage"]
    assert created == {
        "id": "new",
        "name": "new",
        "isAddon": False,
        "status": "DRAFT",
        "updatedAt": "2026-03-10T12:00:00.000Z",
        "metadata": {},
        "basePackageIds": [],
        "trialDays": None,
        "features": [
            {
                **UNCOUNTED,
                "id": "message",
                "name": "message",
                "type": "CONSUMABLE",
                "unitLabel": "message",
                "metadata": {},
            }
        ],
        "prices": [],
    }
    assert package(served, "new") == created


def test_what_is_given_is_kept(served: Served) -> None:
    """An add-on keeps its limits, its features' own names and the base packages it goes with."""
    entitlement = {"limit": 2_147_483_647, "resetPeriod": "DAY", "overageEnabled": True, "combine": "ADD"}
    given = {
        "id": "boost",
        "name": "Boost",
        "isAddon": True,
        "basePackageIds": ["basic", "open"],
        "trialDays": 365,
        "metadata": {"a": 1},
        "features": [{"id": "message", "name": "More", "entitlement": entitlement}, {"id": "support"}],
    }
    created = served.ask(CREATE_PACKAGE, {"input": given})["createPackage"]
    assert {key: created[key] for key in ("name", "isAddon", "basePackageIds", "trialDays", "metadata")} == {
        "name": "Boost",
        "isAddon": True,
        "basePackageIds": ["basic", "open"],
        "trialDays": 365,
        "metadata": {"a": 1},
    }
    more, support = created["features"]
    assert (more["name"], *(more[name] for name in entitlement)) == ("More", 2_147_483_647, "DAY", True, "ADD")
    assert support == {**UNCOUNTED, "id": "support", "name": "support", "type": "BINARY", "metadata": {}}


def test_a_draft_changes_in_everything(served: Served) -> None:
    """Each field that is given replaces what was there; the rest stays."""
    served.clock.advance(hours=1)
    changes = {
        "name": "D",
        "isAddon": True,
        "basePackageIds": ["basic"],
        "trialDays": 7,
        "features": [{"id": "support"}],
        "metadata": [1],
    }
    changed = served.ask(UPDATE_PACKAGE, {"id": "draft", "input": changes})["updatePackage"]
    assert (changed["name"], changed["isAddon"], changed["basePackageIds"], changed["metadata"]) == (
        "D", True, ["basic"], [1],
    )  # fmt: skip
    assert [held["id"] for held in changed["features"]] == ["support"]
    assert changed["updatedAt"] == "2026-03-10T13:00:00.000Z"
    nothing = {"isAddon": None, "features": None, "basePackageIds": None}
    assert served.ask(UPDATE_PACKAGE, {"id": "draft", "input": nothing})["updatePackage"] == changed
    cleared = served.ask(UPDATE_PACKAGE, {"id": "draft", "input": {"name": None, "metadata": None}})["updatePackage"]
    assert (cleared["name"], cleared["metadata"], cleared["trialDays"]) == ("draft", {}, 7)
    no_trial = served.ask(UPDATE_PACKAGE, {"id": "draft", "input": {"trialDays": None}})["updatePackage"]
    assert no_trial == cleared | {"trialDays": None}


def test_of_a_published_package_the_metadata_changes(served: Served) -> None:
    """As Kana published it; all else is refused, and says what to do instead."""
    changed = served.ask(UPDATE_PACKAGE, {"id": "basic", "input": {"metadata": {"sold": True}}})["updatePackage"]
    assert (changed["metadata"], changed["status"]) == ({"sold": True}, "PUBLISHED")
    before = state(served)
    refused: list[dict[str, Any]] = [{"features": []}, {"trialDays": 7}]
    for changes in refused:
        error = served.error(UPDATE_PACKAGE, {"id": "basic", "input": changes})
        assert name_of(error) == ("BAD_USER_INPUT", "ConflictError")
        assert "Duplicate it" in error["message"]
    assert state(served) == before


def test_the_life_of_a_package(served: Served) -> None:
    """A draft is published, archived and unarchived, and never a draft again; each step again changes nothing."""
    published = served.ask(PUBLISH, {"id": "draft"})["publishPackage"]
    assert (published["status"], published["updatedAt"]) == ("PUBLISHED", "2026-03-10T12:00:00.000Z")
    served.clock.advance(hours=1)
    assert served.ask(PUBLISH, {"id": "draft"})["publishPackage"] == published
    archived = served.ask(ARCHIVE, {"id": "draft"})["archivePackage"]
    assert (archived["status"], archived["updatedAt"]) == ("ARCHIVED", "2026-03-10T13:00:00.000Z")
    assert served.ask(ARCHIVE, {"id": "draft"})["archivePackage"] == archived
    error = served.error(PUBLISH, {"id": "draft"})
    assert error["message"] == "Package 'draft' is ARCHIVED; only a DRAFT can be published. Unarchive it instead"
    served.clock.advance(hours=1)
    again = served.ask(UNARCHIVE, {"id": "draft"})["unarchivePackage"]
    assert again == {**published, "updatedAt": "2026-03-10T14:00:00.000Z"}
    assert served.ask(UNARCHIVE, {"id": "draft"})["unarchivePackage"] == again
    [line] = served.ask('{ adminLog(subject: "draft", first: 1) { action before after } }')["adminLog"]
    assert (line["action"], line["before"]["status"], line["after"]["status"]) == ("updated", "ARCHIVED", "PUBLISHED")


def test_a_duplicate_is_a_draft_that_equals_the_original(served: Served) -> None:
    """All but the id and the status is the same, the name unless another is given."""
    original = package(served, "basic")
    copy = served.ask(DUPLICATE, {"id": "basic", "newId": "copy"})["duplicatePackage"]
    assert copy == {**original, "id": "copy", "status": "DRAFT", "updatedAt": "2026-03-10T12:00:00.000Z"}
    named = served.ask(DUPLICATE, {"id": "copy", "newId": "other", "name": "Other"})["duplicatePackage"]
    assert named == {**copy, "id": "other", "name": "Other"}


def test_deleting_a_draft_answers_it_as_it_was(served: Served) -> None:
    """What is deleted is gone, and its id is free."""
    draft = package(served, "draft")
    assert served.ask(DELETE, {"id": "draft"})["deletePackage"] == draft
    assert name_of(served.error('{ package(id: "draft") { id } }')) == ("BAD_USER_INPUT", "PackageNotFoundError")
    served.ask(CREATE_PACKAGE, {"input": {"id": "draft", "features": []}})


@pytest.mark.parametrize(
    ("query", "variables", "name", "message"),
    [
        (
            CREATE_PACKAGE,
            {"input": {"id": "basic", "features": []}},
            "ConflictError",
            "Package 'basic' already exists; a package's id is unique",
        ),
        (
            CREATE_PACKAGE,
            {"input": {"id": "x", "features": {"id": "y"}}},
            "FeatureNotFoundError",
            "Package 'x' names feature 'y', which does not exist",
        ),
        (
            CREATE_PACKAGE,
            {"input": {"id": "x", "features": [{"id": "message"}, {"id": "message"}]}},
            "InvalidValueError",
            "features must name each id once, got 'message' more than once",
        ),
        (
            CREATE_PACKAGE,
            {"input": {"id": "x", "features": {"id": "support", "entitlement": TEN}}},
            "InvalidValueError",
            "entitlement is for CONSUMABLE features only, and 'support' is BINARY",
        ),
        (
            CREATE_PACKAGE,
            {"input": {"id": "x", "features": {"id": "message", "entitlement": {**TEN, "limit": -1}}}},
            "InvalidValueError",
            "limit must be 0 to 9007199254740991, got -1",
        ),
        (
            CREATE_PACKAGE,
            {"input": {"id": "x", "features": [], "basePackageIds": ["basic"]}},
            "InvalidValueError",
            "basePackageIds is for add-ons only, and 'x' is a base package",
        ),
        (
            CREATE_PACKAGE,
            {"input": {"id": "x", "features": [], "trialDays": 366}},
            "InvalidValueError",
            "trialDays must be 1 to 365, got 366",
        ),
        (
            CREATE_PACKAGE,
            {"input": {"id": "x", "features": [], "isAddon": True, "basePackageIds": ["extra"]}},
            "InvalidValueError",
            "basePackageIds must name base packages, and 'extra' is an add-on",
        ),
        (
            CREATE_PACKAGE,
            {"input": {"id": "x", "features": [], "isAddon": True, "basePackageIds": ["y"]}},
            "PackageNotFoundError",
            "Add-on 'x' names base package 'y', which does not exist",
        ),
        (UPDATE_PACKAGE, {"id": "x", "input": {"metadata": {}}}, "PackageNotFoundError", "Package not found: 'x'"),
        (PUBLISH, {"id": "x"}, "PackageNotFoundError", "Package not found: 'x'"),
        (
            ARCHIVE,
            {"id": "draft"},
            "ConflictError",
            "Package 'draft' is a DRAFT; delete it instead of archiving it",
        ),
        (
            DELETE,
            {"id": "basic"},
            "ConflictError",
            "Package 'basic' is PUBLISHED; only a DRAFT can be deleted",
        ),
        (DELETE, {"id": "x"}, "PackageNotFoundError", "Package not found: 'x'"),
        (
            DUPLICATE,
            {"id": "basic", "newId": "open"},
            "ConflictError",
            "Package 'open' already exists; a package's id is unique",
        ),
        (DUPLICATE, {"id": "x", "newId": "y"}, "PackageNotFoundError", "Package not found: 'x'"),
        (
            '{ packages(status: "published") { id } }',
            None,
            "InvalidValueError",
            "status must be one of DRAFT, PUBLISHED, ARCHIVED, ALL, got 'published'",
        ),
        (
            "{ packages(first: 10001) { id } }",
            None,
            "InvalidValueError",
            "first must be 1 to 10000, got 10001",
        ),
    ],
)
def test_mistakes(shared: Served, query: str, variables: Any, name: str, message: str) -> None:
    """Each mistake has its name, says what is wrong, and changes nothing."""
    before = state(shared)
    error = shared.error(query, variables)
    assert (*name_of(error), error["message"]) == ("BAD_USER_INPUT", name, message)
    assert state(shared) == before


@pytest.mark.parametrize(
    ("arguments", "ids"),
    [
        ("", ["basic", "open", "endless", "extra"]),
        ("(status: null)", ["basic", "open", "endless", "extra"]),
        ('(status: "DRAFT", includeFeatures: true)', ["draft"]),
        ('(status: "ARCHIVED")', []),
        ('(status: "ALL")', ["basic", "open", "endless", "extra", "draft"]),
        ('(status: "ALL", first: 2)', ["basic", "open"]),
        ('(status: "ALL", first: 2, after: "open")', ["endless", "extra"]),
        ('(first: 9, after: "draft")', []),
        ('(after: "basic")', ["open", "endless", "extra"]),
    ],
)
def test_lists(shared: Served, arguments: str, ids: list[str]) -> None:
    """PUBLISHED unless another status is asked for, in order of creation, page by page."""
    assert [package["id"] for package in shared.ask(f"{{ packages{arguments} {{ id }} }}")["packages"]] == ids


def test_a_feature_that_changes_shows_in_its_packages(served: Served) -> None:
    """Packages hold a feature and not a copy of it; the answer to a change shows the change."""
    query = UPDATE_FEATURE.replace("unitLabelPlural", "unitLabelPlural packages { features { id name } }", 1)
    changed = served.ask(query, {"id": "support", "input": {"name": "24 hours"}})["updateFeature"]
    names = [held["name"] for package in changed["packages"] for held in package["features"] if held["id"] == "support"]
    assert names == ["24 hours", "24 hours"]
