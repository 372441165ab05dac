"""What publishing a configuration makes of a catalogue, what it forbids, and the words for what differs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kana.model.catalog import Catalog
from kana.model.change import Cap, Change, Verb, describe
from kana.model.config import read_config
from kana.model.package import PackageFeature, PackagePrice, PackageStatus
from kana.model.plan import PROBLEMS_MAX, Plan, plan
from tests.support.world import (
    MILLISECOND,
    NOON,
    a_catalog,
    a_feature,
    a_package,
    allows,
    holds,
)

LATER = NOON + MILLISECOND
DRAFT, PUBLISHED, ARCHIVED = PackageStatus.DRAFT, PackageStatus.PUBLISHED, PackageStatus.ARCHIVED

MESSAGE = {"id": "message", "name": "message", "type": "CONSUMABLE"}
SSO = {"id": "sso", "name": "sso", "type": "BINARY"}
FREE = {"id": "free", "features": [{"id": "message", "limit": 50, "reset_period": "MONTH"}, {"id": "sso"}]}
PRO = {"id": "pro", "features": [{"id": "message", "limit": None}]}
EXTRA = {"id": "extra", "base_packages": ["free"], "features": [{"id": "message", "limit": 5}]}


def held(**fields: Any) -> dict[str, Any]:
    return {"id": "message", "limit": 50, "reset_period": "MONTH"} | fields


def the_catalog() -> Catalog:
    """Two features; ``free`` is published, ``pro`` a draft, ``extra`` a published add-on, ``old`` archived."""
    return a_catalog(
        a_feature(),
        a_feature("sso", binary=True),
        a_package("free", allows(50), holds("sso")),
        a_package("pro", allows(None, None), status=DRAFT),
        a_package("extra", allows(5, None), is_addon=True, base_package_ids=("free",)),
        a_package("old", allows(1), status=ARCHIVED),
    )


def the_file(**changes: Any) -> dict[str, Any]:
    """The configuration that equals ``the_catalog``."""
    return {
        "features": [MESSAGE, SSO],
        "packages": {"draft": [PRO], "published": [FREE]},
        "addons": {"published": [EXTRA]},
    } | changes


def planned(catalog: Catalog | None = None, **changes: Any) -> Plan:
    return plan(catalog or the_catalog(), read_config(the_file(**changes)), now=LATER)


def lines(catalog: Catalog | None = None, **changes: Any) -> list[str]:
    """What publishing would change, in words."""
    old = catalog or the_catalog()
    found = planned(old, **changes)
    assert found.problems == ()
    return [f"{change.subject} {change.what}" for change in describe(old, found.catalog)]


def problems(catalog: Catalog | None = None, **changes: Any) -> list[tuple[str, str]]:
    """What forbids publishing; nothing is changed then."""
    old = catalog or the_catalog()
    found = planned(old, **changes)
    assert found.catalog is old
    return [(problem.path, problem.text) for problem in found.problems]


def of_free(*held: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"draft": [PRO], "published": [FREE | {"features": list(held)} | fields]}


def test_the_same_configuration_changes_nothing() -> None:
    """The catalogue that comes out is the one that went in, whatever the order of lists."""
    reversed_free = FREE | {"features": FREE["features"][::-1]}
    assert planned().catalog == the_catalog()
    assert lines() == []
    assert lines(packages={"draft": [PRO], "published": [reversed_free]}, features=[SSO, MESSAGE]) == []


def test_an_empty_catalogue_gets_everything() -> None:
    """Features, packages and add-ons are created as drafts or published, with what they hold."""
    assert lines(a_catalog()) == [
        "Feature 'message' is created as CONSUMABLE",
        "Feature 'sso' is created as BINARY",
        "Package 'pro' is created as a draft: 'message' unlimited",
        "Package 'free' is created and published: 'message' 50 per month, 'sso'",
        "Add-on 'extra' is created and published: 'message' 5 in all, goes with 'free'",
    ]
    made = planned(a_catalog()).catalog
    assert made.package("free").created_at == made.feature("sso").created_at == LATER
    assert made.package("free").metadata == {}
    assert made.package("extra").base_package_ids == ("free",)


def test_a_package_may_be_created_without_features() -> None:
    """As a draft that is yet to be filled."""
    assert lines(packages={"draft": [PRO, {"id": "new"}], "published": [FREE]}) == [
        "Package 'new' is created as a draft: no features"
    ]


def test_what_a_configuration_cannot_say_is_kept() -> None:
    """Metadata, prices, unit labels and names within a package outlive a publish that changes all around them."""
    price = PackagePrice(id="p", provider="stripe", amount=1, currency="usd", interval=None)
    named = PackageFeature(feature_id="message", name="Mail", allowance=allows(50).allowance)
    catalog = a_catalog(
        a_feature(unit_label="message", metadata={"a": 1}),
        a_feature("sso", binary=True),
        a_package("free", named, holds("sso"), metadata={"b": 2}, prices=(price,)),
    )
    file: dict[str, Any] = {
        "features": [MESSAGE | {"name": "Messages"}, SSO],
        "packages": of_free(held(limit=60)) | {"draft": []},
        "addons": None,
    }

    found = planned(catalog, **file).catalog

    free = found.package("free")
    assert (free.metadata, free.prices) == ({"b": 2}, (price,))
    assert free.features == (replace(named, allowance=allows(60).allowance),)
    assert (free.created_at, free.updated_at) == (NOON, LATER)
    assert found.feature("message") == a_feature(name="Messages", unit_label="message", metadata={"a": 1})


def test_what_is_missing_goes_or_stays() -> None:
    """Drafts are deleted, published packages archived; features and archived packages stay."""
    found = planned(features=[], packages={}, addons={})
    assert found.problems == ()
    assert list(found.catalog.features) == ["message", "sso"]
    statuses = {package.id: package.status for package in found.catalog.packages.values()}
    assert statuses == {"free": ARCHIVED, "extra": ARCHIVED, "old": ARCHIVED}
    assert found.catalog.package("old").updated_at == NOON
    assert lines(features=[], packages={}, addons={}) == [
        "Package 'free' is archived: nobody new can subscribe to it",
        "Add-on 'extra' is archived: nobody new can subscribe to it",
        "Package 'pro' is deleted: it is a draft",
    ]


def test_absent_addons_leaves_them_alone() -> None:
    """A file of Kana's own command line, which knows no add-ons, changes none."""
    assert lines(addons=None) == []


def test_days_of_trial_come_go_and_stay() -> None:
    """A published package may get and lose them, as only new subscriptions are trials; who has it keeps it."""
    free = {"draft": [PRO], "published": [FREE | {"trial_days": 14}]}
    assert lines(packages=free, addons={"published": [EXTRA | {"trial_days": 1}]}) == [
        "Package 'free' gives new subscriptions a trial of 14 days; until now no trial",
        "Add-on 'extra' gives new subscriptions a trial of 1 day; until now no trial",
    ]
    having = planned(packages=free).catalog
    assert lines(having, packages=free) == []
    assert lines(having) == ["Package 'free' gives new subscriptions no trial; until now a trial of 14 days"]
    [change] = describe(the_catalog(), having)
    assert (change.reaches_subscribers, change.keeps, change.takes) == (True, True, False)
    assert lines(packages={"draft": [PRO, {"id": "new", "trial_days": 7}], "published": [FREE]}) == [
        "Package 'new' is created as a draft: no features, with a trial of 7 days"
    ]


def test_a_draft_that_an_addon_names_stays() -> None:
    """A deletion that would leave an add-on without the base package it names is refused."""
    catalog = a_catalog(
        a_feature(), a_package("pro", status=DRAFT), a_package("extra", is_addon=True, base_package_ids=("pro",))
    )
    file: dict[str, Any] = {"features": [MESSAGE], "packages": {}, "addons": None}
    assert problems(catalog, **file) == [("", "Add-on 'extra' names base package 'pro', which does not exist.")]


def test_drafts_change_freely() -> None:
    """A draft may be published, renamed, and even become an add-on; an add-on may be tied to packages or to none."""
    assert lines(packages={"published": [FREE, PRO]}) == ["Package 'pro' is published: users can subscribe to it"]
    assert lines(packages={"draft": [PRO | {"name": "Pro!"}], "published": [FREE]}) == [
        "Package 'pro' is renamed from 'pro' to 'Pro!'"
    ]
    assert lines(packages={"published": [FREE]}, addons={"draft": [PRO], "published": [EXTRA]}) == [
        "Add-on 'pro' was package and becomes add-on"
    ]
    assert lines(addons={"published": [EXTRA | {"base_packages": []}]}) == [
        "Add-on 'extra' goes with any base package; until now with 'free'"
    ]


def test_an_exchange_of_roles_needs_no_order() -> None:
    """The rules are asked on what is wanted as a whole: what forbids itself step by step may be right in the end."""
    catalog = a_catalog(
        a_feature(),
        a_package("one", status=DRAFT),
        a_package("two", status=DRAFT, is_addon=True, base_package_ids=("one",)),
    )
    file = {
        "features": [MESSAGE],
        "packages": {"draft": [{"id": "two"}]},
        "addons": {"draft": [{"id": "one", "base_packages": ["two"]}]},
    }
    assert len(lines(catalog, **file)) == 4


@pytest.mark.parametrize(
    ("changed", "what", "takes"),
    [
        (held(limit=10), "changes 'message' from 50 per month to 10 per month", True),
        (held(limit=60), "changes 'message' from 50 per month to 60 per month", False),
        (held(limit=None), "changes 'message' from 50 per month to unlimited per month", False),
        (held(overage_enabled=True), "changes 'message' from 50 per month to 50 per month with overage", False),
        (held(combine="ADD"), "changes 'message' from 50 per month to 50 per month on top of other packages", False),
        (
            held(reset_period="DAY"),
            "changes 'message' from 50 per month to 50 per day, where usage starts at zero or, if it was counted"
            " per day before in the current period, continues from there",
            True,
        ),
        (
            held(reset_period=None),
            "changes 'message' from 50 per month to 50 in all, where usage starts at zero or, if it was counted"
            " without a reset before, continues from there",
            True,
        ),
    ],
)  # fmt: skip
def test_a_published_allowance_changes_for_those_who_have_it(changed: dict[str, Any], what: str, takes: bool) -> None:
    """The change says so, and whether it takes something: a lower limit or other periods do."""
    found = planned(packages=of_free(changed, {"id": "sso"}))
    allowance = found.catalog.package("free").features[0].allowance
    [change] = describe(the_catalog(), found.catalog)
    cap = Cap("message", allowance) if takes else None
    assert change == Change(
        verb=Verb.UPDATE, noun="package", id="free", what=what, reaches_subscribers=True, takes=takes, cap=cap
    )


def test_a_published_package_loses_and_gains_features() -> None:
    """Losing takes from those who subscribe; on a draft nobody does."""
    catalog = the_catalog()
    found = planned(packages={"draft": [PRO | {"features": [{"id": "sso"}]}], "published": [FREE | {"features": []}]})
    changes = describe(catalog, found.catalog)
    assert [(change.id, change.what, change.reaches_subscribers, change.takes) for change in changes] == [
        ("free", "loses 'message'", True, True),
        ("free", "loses 'sso'", True, True),
        ("pro", "loses 'message'", False, False),
        ("pro", "gains 'sso'", False, False),
    ]


def test_archiving_takes_and_deleting_does_not() -> None:
    """Who subscribes keeps an archived package; a draft has no subscribers."""
    found = planned(packages={}, addons={}).catalog
    verbs = {change.id: (change.verb, change.takes) for change in describe(the_catalog(), found)}
    assert verbs == {"free": (Verb.ARCHIVE, True), "extra": (Verb.ARCHIVE, True), "pro": (Verb.DELETE, False)}


def test_a_feature_is_renamed_and_no_more() -> None:
    """Of a feature only the name changes."""
    assert lines(features=[MESSAGE | {"name": "Messages"}, SSO]) == [
        "Feature 'message' is renamed from 'message' to 'Messages'"
    ]


def test_metadata_is_no_change_to_talk_about() -> None:
    """A configuration cannot hold it, so it is not compared."""
    catalog = the_catalog()
    assert describe(catalog, catalog.with_feature(a_feature(metadata={"a": 1}))) == []


@pytest.mark.parametrize(
    ("changes", "path", "text"),
    [
        (
            {"features": [MESSAGE, SSO, MESSAGE]},
            "features[2]",
            "Feature 'message' appears 2 times; ids must be unique.",
        ),
        (
            {"packages": {"draft": [FREE, PRO], "published": [FREE]}},
            "packages.published[0]",
            "Package 'free' appears 2 times; ids must be unique.",
        ),
        (
            {"packages": of_free(held(), held())},
            "packages.published[0].features[1]",
            "Package 'free': feature 'message' appears 2 times; ids must be unique.",
        ),
        (
            {"addons": {"published": [EXTRA | {"base_packages": ["free", "free"]}]}},
            "addons.published[0]",
            "Add-on 'extra' names a base package more than once.",
        ),
        (
            {"features": [MESSAGE | {"type": "BINARY"}]},
            "features[0].type",
            "Feature 'message' is CONSUMABLE and cannot become BINARY; a type cannot change.",
        ),
        (
            {"packages": of_free({"id": "ghost"})},
            "packages.published[0].features[0]",
            "Package 'free': feature 'ghost' does not exist; all package features must link to a defined feature.",
        ),
        (
            {"packages": of_free({"id": "message"})},
            "packages.published[0].features[0]",
            "Package 'free': feature 'message' is CONSUMABLE and must have a limit: a number, or null for unlimited.",
        ),
        (
            {"packages": of_free({"id": "sso", "limit": 5})},
            "packages.published[0].features[0]",
            "Package 'free': feature 'sso' is BINARY and cannot have limit, overage_enabled, reset_period, combine,"
            " rollover, grace_percent or cost.",
        ),
        (
            {"packages": {"draft": [PRO, FREE]}},
            "packages.draft[1]",
            "Package 'free' is published and cannot become a draft again.",
        ),
        (
            {"packages": {"draft": [PRO, {"id": "old"}], "published": [FREE]}},
            "packages.draft[1]",
            "Package 'old' is archived and cannot become a draft again.",
        ),
        (
            {"packages": {"draft": [PRO], "published": [FREE, {"id": "extra"}]}, "addons": None},
            "packages.published[1]",
            "Add-on 'extra' is published and cannot change its kind; it belongs under addons.",
        ),
        (
            {"packages": {"draft": [PRO]}, "addons": {"published": [EXTRA, {"id": "free"}]}},
            "addons.published[1]",
            "Package 'free' is published and cannot change its kind; it belongs under packages.",
        ),
        (
            {"addons": {"published": [EXTRA | {"base_packages": ["ghost"]}]}},
            "addons.published[0]",
            "Add-on 'extra' names base package 'ghost', which does not exist.",
        ),
        (
            {"addons": {"draft": [{"id": "more", "base_packages": ["extra"]}], "published": [EXTRA]}},
            "addons.draft[0]",
            "basePackageIds must name base packages, and 'extra' is an add-on.",
        ),
        (
            {"addons": {"draft": [{"id": "more", "base_packages": ["more"]}], "published": [EXTRA]}},
            "addons.draft[0]",
            "basePackageIds must name base packages, and 'more' is an add-on.",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(changes: dict[str, Any], path: str, text: str) -> None:
    """The problem names the thing and why, and the catalogue stays as it is."""
    assert (path, text) in problems(**changes)


def test_a_null_limit_on_a_binary_feature_says_nothing() -> None:
    """Kana's own server sent it so."""
    binary = {"id": "sso", "limit": None, "overage_enabled": False}
    assert lines(packages=of_free(held(), binary)) == []


def test_of_many_problems_the_first_are_named_and_the_rest_counted() -> None:
    """A file that is wrong in every line gets an answer that somebody can read, and is not held in memory twice."""
    unknown = [{"id": f"unknown-{number}"} for number in range(PROBLEMS_MAX + 3)]

    found = problems(packages={"draft": [PRO, {"id": "new", "features": unknown}], "published": [FREE]})

    assert len(found) == PROBLEMS_MAX + 1
    assert found[0][0] == "packages.draft[1].features[0]"
    assert found[-2][0] == f"packages.draft[1].features[{PROBLEMS_MAX - 1}]"
    assert found[-1] == (
        f"packages.draft[1].features[{PROBLEMS_MAX}]",
        f"3 more problems are not named; the first {PROBLEMS_MAX} are.",
    )
    as_many = [{"id": f"unknown-{number}"} for number in range(PROBLEMS_MAX)]
    found = problems(packages={"draft": [PRO, {"id": "new", "features": as_many}], "published": [FREE]})
    assert len(found) == PROBLEMS_MAX
