"""Why a user may or may not use a feature, as support people read it."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from kana.model.catalog import Catalog
from kana.model.colleague import Role
from kana.model.given import OverrideTerms
from kana.model.package import PackagePrice
from kana.model.usage import Usage
from tests.dashboard.desk import Desk, text_of
from tests.dashboard.test_user_reservations import furnish_credit
from tests.support.world import NOON, TEST, TESTER, a_package, adds

PAGE = "/test/user/why?id=user-0"


def use(desk: Desk, delta: int) -> None:
    """Record usage through the engine."""
    usage = Usage(environment=TEST, user_id="user-0", feature_id="message", delta=delta)
    desk.served.run(desk.served.engine.usage.record(usage))


def said_by(desk: Desk, asked: str = "") -> str:
    return text_of(desk.colleague(Role.VIEWER).get(f"{PAGE}{asked}"))


def test_a_users_page_leads_to_it(desk: Desk) -> None:
    """From each feature that they have, and for those that they do not have."""
    html = desk.colleague(Role.VIEWER).get("/test/user?id=user-0")
    assert 'href="/test/user/why?id=user-0&amp;feature=message"' in html
    assert 'href="/test/user/why?id=user-0"' in html


def test_it_says_yes_with_what_counts(desk: Desk) -> None:
    """One unit of the first feature unless something else is asked."""
    use(desk, 4)
    said = said_by(desk, "&feature=message")
    assert "Yes: 1 of Messages" in said
    assert "with 4 of 10 used" in said
    assert (
        "Basic Plan 4 of 10 10 March 2026, 12:00 UTC – 11 March 2026, 12:00 UTC"
        " It is the user's only package with this feature."
    ) in said
    assert "What would help" not in said


def test_it_says_no_and_what_would_help(desk: Desk) -> None:
    """Waiting for the reset, or a package, with its price where it has one."""

    def change(catalog: Catalog, _: datetime) -> Catalog:
        monthly = PackagePrice(id="p", provider="STRIPE", amount=500, currency="eur", interval="month")
        once = PackagePrice(id="q", provider="STRIPE", amount=900, currency="eur", interval=None)
        for name, price in (("More", monthly), ("Once", once)):
            package = a_package(name.lower(), adds(5), name=name, is_addon=True, prices=(price,))
            catalog = catalog.with_package(package)
        return catalog

    desk.served.run(desk.served.engine.catalog.apply(TEST, change, by=TESTER))
    use(desk, 10)
    said = said_by(desk, "&feature=message")
    assert "No: 1 of Messages Limit reached The limit of 10 is reached for this period" in said
    assert "Waiting: it fits at 11 March 2026, 12:00 UTC, if nothing is used or changed until then." in said
    assert "the cheapest first: Subscribe to Once , 9.00 EUR Subscribe to More , 5.00 EUR per month" in said
    assert "Extra messages – It has this feature, but it is a draft" in said
    said = said_by(desk, "&feature=message&delta=1,000")
    assert "Waiting does not help" in said
    assert "No package that the user could have now would admit it." in said


def test_it_says_who_gave_what_and_what_was_replaced(desk: Desk) -> None:
    """An override in force, a top-up, and the package in whose place the override stands."""
    run, giving = desk.served.run, desk.served.engine.giving
    run(giving.create_top_up(TEST, "user-0", "message", 3, reason="sold", by=TESTER))
    run(giving.set_override(TEST, "user-0", "message", OverrideTerms(limit=20), reason="asked", by=TESTER))
    said = said_by(desk, "&feature=message")
    assert "An override denies it" not in said
    assert "Override tester: asked 0 of 20" in said
    assert "Top-up tester: sold 0 of 3 10 March 2026, 12:00 UTC – no end" in said
    assert "Basic Plan 10 March 2026, 12:00 UTC – no end An override stands in its place." in said


def test_it_says_who_denies_it(desk: Desk) -> None:
    """Also where a top-up is left, and the override counts nothing."""
    run, giving = desk.served.run, desk.served.engine.giving
    run(giving.create_top_up(TEST, "user-0", "message", 3, reason="sold", by=TESTER))
    run(giving.set_override(TEST, "user-0", "message", OverrideTerms(denied=True), reason="fraud", by=TESTER))
    said = said_by(desk, "&feature=message")
    assert "An override denies it, set by tester: fraud" in said
    assert "Top-up tester: sold 0 of 3" in said


def test_a_feature_that_is_on_or_off_has_no_units(desk: Desk) -> None:
    """The row says that the package has it."""
    assert "Basic Plan – 10 March 2026, 12:00 UTC – no end It has this feature." in said_by(desk, "&feature=support")


def test_a_moment_of_the_past_is_explained(desk: Desk) -> None:
    """As it was then, without what would help now."""
    use(desk, 10)
    desk.served.clock.advance(days=2)
    said = said_by(desk, f"&feature=message&at={NOON + timedelta(hours=1):%Y-%m-%dT%H:%M}")
    assert "No: 1 of Messages" in said
    assert "At 10 March 2026, 13:00 UTC, with 10 of 10 used. Packages are shown as they were then" in said
    assert "What would help" not in said
    assert '"at": "2026-03-10T13:00:00+00:00"' in said


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("&delta=x", "Units must be a whole number of at most 9,007,199,254,740,991 either way, got 'x'"),
        ("&delta=0", "Delta must not be 0 with ADD: there is nothing to record"),
        ("&at=yesterday", "The moment must be a day and a time such as 2026-01-31T12:00, got 'yesterday'"),
        ("&at=2026-03-10T12:00%2B01:00", "The moment must be a day and a time"),
        ("&at=0001-01-01T00:00", "The moment must be a day and a time"),
        ("&feature=message&at=2030-01-01T00:00", "At must be at most 5 minutes ahead of"),
        ("&feature=message&at=2020-01-01T00:00", "At must not be before"),
        ("&feature=nothing", "Feature not found: 'nothing'"),
    ],
)
def test_what_cannot_be_asked_is_said_at_its_field(desk: Desk, asked: str, says: str) -> None:
    """And nothing is explained."""
    answer = desk.colleague(Role.VIEWER).http.get(f"{PAGE}{asked}")
    assert answer.status_code in (400, 404)
    assert says in text_of(answer.text)
    assert "What does not count" not in answer.text


def test_it_says_how_far_the_credit_goes(desk: Desk) -> None:
    """Here and on the user's page, which says so too when the credit does not suffice any more."""
    furnish_credit(desk)
    viewer = desk.colleague(Role.VIEWER)
    assert "The credit suffices for 20 more." in text_of(viewer.get(f"{PAGE}&feature=image"))
    assert "The credit suffices" not in text_of(viewer.get(f"{PAGE}&feature=credit"))
    page = text_of(viewer.get("/test/user?id=user-0"))
    assert "0 of 9 The credit suffices for 20 more" in page
    assert page.count("The credit suffices") == 1
    usage = Usage(environment=TEST, user_id="user-0", feature_id="credit", delta=96)
    desk.served.run(desk.served.engine.usage.record(usage))
    page = text_of(viewer.get("/test/user?id=user-0"))
    assert "0 of 9 Not enough credit The credit suffices for 0 more" in page
