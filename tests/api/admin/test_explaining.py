"""Why a user may or may not use a feature, over HTTP."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from kana.model.catalog import Catalog
from kana.model.given import OverrideTerms
from kana.model.package import Package, PackagePrice
from tests.api.admin.calls import CHANGE, EXPLAIN, TEST, name_of, record, state
from tests.support.serving import Served
from tests.support.world import NOON, ONE_DAY, TESTER, a_package, adds


def explain(served: Served, user_id: str = "ada", feature_id: str = "message", **given: Any) -> dict[str, Any]:
    data = served.ask(EXPLAIN, {"userId": user_id, "featureId": feature_id, **given})
    return dict(data["explain"])


def put(served: Served, *packages: Package) -> None:
    """Put packages into the catalogue as they are."""

    def change(catalog: Catalog, _: datetime) -> Catalog:
        for package in packages:
            catalog = catalog.with_package(package)
        return catalog

    served.run(served.engine.catalog.apply(TEST, change, by=TESTER))


def test_it_says_what_holds_what_does_not_and_what_would_help(served: Served) -> None:
    """With the outcome that a record would have; asking changes nothing."""
    record(served, 10)
    price = PackagePrice(id="p", provider="STRIPE", amount=500, currency="eur", interval="month")
    put(served, a_package("more", adds(5), is_addon=True, prices=(price,)))
    before = state(served)
    found = explain(served, delta=5)
    assert (found["access"], found["outcome"]) == (False, "LIMIT_EXCEEDED")
    assert found["consumption"] == {"used": 10, "budget": 10, "overageEnabled": False}
    [grant] = found["grants"]
    assert grant["subscription"]["package"] == {"id": "basic"}
    assert {name: grant[name] for name in ("source", "amount", "used", "remaining", "given", "endsAt")} == {
        "source": "PACKAGE", "amount": 10, "used": 10, "remaining": 0, "given": None, "endsAt": found["fitsAt"],
    }  # fmt: skip
    assert [(each["cause"], each["package"]["id"]) for each in found["notHeld"]] == [
        ("NOT_SUBSCRIBED", "open"),
        ("NOT_SUBSCRIBED", "endless"),
        ("NOT_SUBSCRIBED", "more"),
    ]
    assert [(each["way"], each["package"]["id"], each["price"] and each["price"]["amount"]) for each in
            found["unlocks"]] == [
        ("SUBSCRIBE", "more", 500),
        ("CHANGE_SUBSCRIPTION", "open", None),
        ("CHANGE_SUBSCRIPTION", "endless", None),
    ]  # fmt: skip
    assert state(served) == before


def test_what_was_given_is_named_with_who_gave_it_and_why(served: Served) -> None:
    """A top-up that counts, an override in place of the package, and the package that it replaces."""
    giving = served.engine.giving
    served.run(giving.create_top_up(TEST, "ada", "message", 3, reason="sold", by=TESTER))
    terms = OverrideTerms(limit=20)
    gift = served.run(giving.set_override(TEST, "ada", "message", terms, reason="asked", by=TESTER))
    found = explain(served)
    assert [(each["source"], each["given"] and each["given"]["reason"]) for each in found["grants"]] == [
        ("OVERRIDE", "asked"),
        ("TOP_UP", "sold"),
    ]
    assert found["grants"][0]["given"] == {
        "id": str(gift.given.id), "source": "OVERRIDE", "reason": "asked", "givenBy": "tester",
        "startsAt": found["grants"][0]["given"]["startsAt"], "endsAt": None,
    }  # fmt: skip
    assert (found["notHeld"][0]["cause"], found["notHeld"][0]["subscription"]["status"]) == ("REPLACED", "ACTIVE")
    served.run(giving.end_override(TEST, gift.given.id, by=TESTER))
    assert ("ENDED", "asked") in [
        (each["cause"], each["given"]["reason"]) for each in explain(served)["notHeld"] if each["given"]
    ]


def test_a_feature_that_is_on_or_off_has_no_units(served: Served) -> None:
    """It is held or it is not."""
    [grant] = explain(served, feature_id="support")["grants"]
    assert (grant["amount"], grant["used"], grant["remaining"]) == (None, None, None)
    found = explain(served, "bob", "support")
    assert (found["outcome"], found["grants"], found["consumption"]) == ("NO_SUBSCRIPTION", [], None)


def test_the_past_is_explained_by_what_was_subscribed_to_then(served: Served) -> None:
    """And says nothing of what would help now."""
    then = served.clock.now
    served.clock.advance(days=1)
    served.ask(CHANGE, {"userId": "ada", "packageId": "endless"})
    found = explain(served, delta=11, at=(then + timedelta(hours=1)).isoformat())
    assert [each["subscription"]["package"]["id"] for each in found["grants"]] == ["basic"]
    assert (found["outcome"], found["fitsAt"], found["unlocks"]) == ("LIMIT_EXCEEDED", None, [])
    assert found["at"].startswith((then + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S"))


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"userId": "nobody"}, ("BAD_USER_INPUT", "UserNotFoundError")),
        ({"featureId": "nothing"}, ("BAD_USER_INPUT", "FeatureNotFoundError")),
        ({"delta": 0}, ("BAD_USER_INPUT", "InvalidValueError")),
        ({"at": (NOON + 2 * ONE_DAY).isoformat()}, ("BAD_USER_INPUT", "InvalidValueError")),
    ],
)
def test_what_cannot_be_asked_is_an_error(served: Served, given: dict[str, Any], name: tuple[str, str]) -> None:
    """That names what is wrong."""
    variables = {"userId": "ada", "featureId": "message", **given}
    [error] = served.post(EXPLAIN, variables).json()["errors"]
    assert name_of(error) == name
