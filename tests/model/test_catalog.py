"""The catalogue: what it holds, what may change, and what a store has to write for it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from kana.errors import Conflict, FeatureNotFound, InvalidValue, KanaError, PackageNotFound
from kana.model.allowance import Allowance, Cost
from kana.model.catalog import Catalog, difference
from kana.model.package import Package, PackageFeature, PackageStatus
from tests.support.world import NOON, ONE_DAY, a_catalog, a_feature, a_package, allows, holds

NOW = NOON + ONE_DAY
MESSAGE, CHAT = a_feature(), a_feature("chat", binary=True)
BASIC = a_package("basic", allows(10))
DRAFT = a_package("draft", status=PackageStatus.DRAFT)
RETIRED = a_package("retired", status=PackageStatus.ARCHIVED)
EXTRA = a_package("extra", holds("chat"), is_addon=True, base_package_ids=("basic",))
CATALOG = a_catalog(MESSAGE, CHAT, BASIC, DRAFT, RETIRED, EXTRA)


def test_nouns_are_found_by_id() -> None:
    """A feature or package is itself; an unknown id is an error that shows it."""
    assert CATALOG.feature("chat") is CHAT
    assert CATALOG.package("draft") is DRAFT
    with pytest.raises(FeatureNotFound, match=re.escape("Feature not found: 'none\\n'")):
        CATALOG.feature("none\n")
    with pytest.raises(PackageNotFound, match="Package not found: 'Basic'"):
        CATALOG.package("Basic")


def test_a_feature_is_found_as_a_package_holds_it() -> None:
    """What a package allows of a feature; None where it does not hold it, an error where there is no such package."""
    for package in CATALOG.packages.values():
        for held in package.features:
            assert CATALOG.held(package.id, held.feature_id) is held
        assert CATALOG.held(package.id, "none") is None
    with pytest.raises(PackageNotFound, match="Package not found: 'Basic'"):
        CATALOG.held("Basic", "message")


def test_packages_that_hold_a_feature_come_in_order() -> None:
    """Those without it are left out."""
    catalog = CATALOG.with_new_package(a_package("another", holds("chat")))
    assert [package.id for package in catalog.packages_with("chat")] == ["extra", "another"]
    assert catalog.packages_with("none") == []


WRONG_CREDIT = "cost.featureId of 'message' must name another CONSUMABLE feature that costs nothing itself, got '{}'"


def costing(credit: str, *, paying: bool = False) -> Package:
    """A package in which a message costs a credit, which may cost something itself."""
    held = PackageFeature(feature_id="message", allowance=Allowance(cost=Cost(feature_id=credit, units=2)))
    chained = PackageFeature(feature_id=credit, allowance=Allowance(cost=Cost(feature_id="message", units=2)))
    return a_package("p", held, *([chained] if paying else []))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda c: c.with_new_feature(MESSAGE), Conflict, "Feature 'message' already exists; a feature's id is unique"),
        (lambda c: c.with_new_package(BASIC), Conflict, "Package 'basic' already exists; a package's id is unique"),
        (
            lambda c: c.with_package(a_package("p", holds("none"))),
            FeatureNotFound,
            "Package 'p' names feature 'none', which does not exist",
        ),
        (
            lambda c: c.with_package(a_package("p", allows(1, feature="chat"))),
            InvalidValue,
            "entitlement is for CONSUMABLE features only, and 'chat' is BINARY",
        ),
        (
            lambda c: c.with_package(costing("none")),
            FeatureNotFound,
            "Package 'p' names feature 'none', which does not exist",
        ),
        (lambda c: c.with_package(costing("chat")), InvalidValue, WRONG_CREDIT.format("chat")),
        (lambda c: c.with_package(costing("message")), InvalidValue, WRONG_CREDIT.format("message")),
        (
            lambda c: c.with_new_feature(a_feature("token")).with_package(costing("token", paying=True)),
            InvalidValue,
            WRONG_CREDIT.format("token"),
        ),
        (
            lambda c: c.with_package(a_package("p", is_addon=True, base_package_ids=("none",))),
            PackageNotFound,
            "Add-on 'p' names base package 'none', which does not exist",
        ),
        (
            lambda c: c.with_package(a_package("p", is_addon=True, base_package_ids=("extra",))),
            InvalidValue,
            "basePackageIds must name base packages, and 'extra' is an add-on",
        ),
        (
            lambda c: c.with_package(replace(DRAFT, is_addon=True, base_package_ids=("draft",))),
            InvalidValue,
            "basePackageIds must name base packages, and 'draft' is an add-on",
        ),
        (
            lambda c: c.with_package(replace(BASIC, is_addon=True)),
            InvalidValue,
            "'basic' is a base package of 'extra' and cannot become an add-on",
        ),
        (lambda c: c.without_package("none"), PackageNotFound, "Package not found: 'none'"),
        (
            lambda c: c.without_package("basic"),
            Conflict,
            "Package 'basic' is PUBLISHED; only a DRAFT can be deleted",
        ),
        (
            lambda c: c.with_package(a_package("tied", is_addon=True, base_package_ids=("draft",))).without_package(
                "draft"
            ),
            Conflict,
            "Package 'draft' is a base package of add-on 'tied'; change that one first",
        ),
        (lambda c: c.published("none", now=NOW), PackageNotFound, "Package not found: 'none'"),
        (
            lambda c: c.published("retired", now=NOW),
            Conflict,
            "Package 'retired' is ARCHIVED; only a DRAFT can be published. Unarchive it instead",
        ),
        (
            lambda c: c.unarchived("draft", now=NOW),
            Conflict,
            "Package 'draft' is a DRAFT; publish it, as only an ARCHIVED one is unarchived",
        ),
        (lambda c: c.unarchived("none", now=NOW), PackageNotFound, "Package not found: 'none'"),
        (
            lambda c: c.archived("draft", now=NOW),
            Conflict,
            "Package 'draft' is a DRAFT; delete it instead of archiving it",
        ),
    ],
)
def test_changes_that_would_break_the_catalogue(
    change: Callable[[Catalog], Catalog], error: type[KanaError], message: str
) -> None:
    """Each is refused with the ids that stand in the way."""
    with pytest.raises(error) as raised:
        change(CATALOG)
    assert type(raised.value) is error
    assert raised.value.message == message


def test_a_package_is_never_a_draft_again() -> None:
    """From draft to published to archived and back, each step noted; a step that was made changes nothing."""
    published = CATALOG.published("draft", now=NOW)
    assert published.package("draft") == replace(DRAFT, status=PackageStatus.PUBLISHED, updated_at=NOW)
    assert published.published("draft", now=NOW + ONE_DAY) is published
    archived = published.archived("draft", now=NOW + ONE_DAY)
    assert archived.package("draft").status is PackageStatus.ARCHIVED
    assert archived.archived("draft", now=NOW) is archived
    again = archived.unarchived("draft", now=NOW + 2 * ONE_DAY)
    assert again.package("draft") == replace(published.package("draft"), updated_at=NOW + 2 * ONE_DAY)
    assert again.unarchived("draft", now=NOW) is again


def test_an_addon_may_be_changed_where_nothing_names_it() -> None:
    """An add-on that stays an add-on is checked against what names it as a base: nothing does."""
    changed = replace(EXTRA, base_package_ids=())
    assert CATALOG.with_package(changed).package("extra") == changed


def test_a_draft_can_be_deleted() -> None:
    """It is gone, and the catalogue before the change still has it."""
    assert "draft" not in CATALOG.without_package("draft").packages
    assert "draft" in CATALOG.packages


def test_what_differs_is_all_that_is_written() -> None:
    """Changed and new nouns whole, deleted packages by id, and nothing for what is equal."""
    feature, package = replace(MESSAGE, name="Messages"), a_package("new")
    new = CATALOG.with_feature(feature).with_new_package(package).without_package("draft")
    change = difference(CATALOG, new)
    assert (change.features, change.packages, change.deleted_package_ids) == ((feature,), (package,), ("draft",))
    assert not change.is_empty
    assert difference(CATALOG, CATALOG.with_package(replace(BASIC))).is_empty


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: a_package(""), "id must be 1 to 255 characters, got 0: ''"),
        (lambda: a_package("p", name=""), "name must be 1 to 255 characters, got 0: ''"),
        (lambda: a_package("p", metadata="\0"), "metadata must not contain NUL or lone surrogates, got '\\x00'"),
        (
            lambda: a_package("p", holds("a"), holds("b"), holds("a")),
            "features must name each id once, got 'a' more than once",
        ),
        (
            lambda: a_package("p", is_addon=True, base_package_ids=("a", "a")),
            "basePackageIds must name each id once, got 'a' more than once",
        ),
        (
            lambda: a_package("p", base_package_ids=("a",)),
            "basePackageIds is for add-ons only, and 'p' is a base package",
        ),
        (lambda: a_package("p", trial_days=0), "trialDays must be 1 to 365, got 0"),
        (lambda: a_package("p", trial_days=366), "trialDays must be 1 to 365, got 366"),
        (lambda: holds(""), "features.id must be 1 to 255 characters, got 0: ''"),
        (lambda: replace(holds("a"), name=""), "features.name must be 1 to 255 characters, got 0: ''"),
    ],
)
def test_packages_that_cannot_be(build: Callable[[], Package], message: str) -> None:
    """The message names the field."""
    with pytest.raises(InvalidValue) as raised:
        build()
    assert raised.value.message == message
