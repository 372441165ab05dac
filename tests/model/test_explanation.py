"""Why one subscription answers and the others do not, in words that say which rule decided."""

from __future__ import annotations

import pytest

from kana.model.effective import candidates, effective
from kana.model.explanation import explain
from kana.model.package import Package
from tests.support.world import NOON, a_catalog, a_feature, a_package, a_subscription, allows, an_account


def told(*packages: Package) -> list[tuple[str, bool, str]]:
    """What is told of a user who is subscribed to these, in this order."""
    feature = a_feature()
    catalog = a_catalog(feature, *packages)
    account = an_account(*(a_subscription(number, package.id) for number, package in enumerate(packages, 1)))
    ranked = candidates(account, catalog, feature, now=NOON)
    answering = effective(account, catalog, feature, now=NOON)
    assert (ranked[0].subscription if ranked else None) == (answering.holder if answering else None)
    return [(each.candidate.package.id, each.answers, each.why) for each in explain(ranked)]


def test_nothing_answers_for_a_feature_that_nobody_gives() -> None:
    """No candidate, no story."""
    assert told(a_package("plain")) == []


def test_the_only_one_answers() -> None:
    """There is nothing to weigh."""
    assert told(a_package("one", allows(1))) == [("one", True, "It is the user's only package with this feature.")]


@pytest.mark.parametrize(
    ("second", "why", "why_not"),
    [
        (
            a_package("b", allows(2000)),
            "The highest limit answers: 2,000 is more than 10.",
            "Its limit, 10, is lower. Limits are not added up.",
        ),
        (
            a_package("b", allows(None)),
            "The highest limit answers: unlimited is more than 10.",
            "Its limit, 10, is lower. Limits are not added up.",
        ),
        (
            a_package("b", allows(10, overage=True)),
            "Limits are equal, and this package allows overage.",
            "Its limit is equal, and it does not allow overage. Limits are not added up.",
        ),
        (
            a_package("b", allows(10)),
            "Limits are equal, and a base package comes before an add-on.",
            "Its limit is equal, and it is an add-on. Limits are not added up.",
        ),
    ],
)
def test_the_rule_that_decides_is_named_on_both_sides(second: Package, why: str, why_not: str) -> None:
    """The better one stands first, whichever is older."""
    assert told(a_package("a", allows(10), is_addon=True), second) == [("b", True, why), ("a", False, why_not)]


def test_of_equals_the_older_subscription_answers() -> None:
    """And each of the others is told so."""
    younger = "Everything else is equal, and this subscription is newer. Limits are not added up."
    packages = [a_package(name, allows(10), is_addon=True) for name in ("x", "y", "z")]
    assert told(*packages) == [
        ("x", True, "Everything else is equal, and this subscription is older."),
        ("y", False, younger),
        ("z", False, younger),
    ]
