"""Jobs that move many users over HTTP: preview, begin, watch, take back; and what each mistake is called."""

from __future__ import annotations

import time
from typing import Any

import pytest

from kana.model.bulk_change import USERS_MAX
from tests.api.admin.calls import (
    CHANGE,
    CHANGE_MANY,
    CREATE_PACKAGE,
    PREVIEW_CHANGES,
    PUBLISH,
    SHOW_CHANGES,
    TAKE_BACK_CHANGES,
    name_of,
    record,
)
from tests.support.serving import Served

NOON = "2026-03-10T12:00:00.000Z"
NOBODY = {"left": 0, "changed": 0, "refused": 0, "skipped": 0}


@pytest.fixture
def shop(served: Served) -> Served:
    """Ada has basic and has used eight messages of ten; small allows five, and no support."""
    held = {"id": "message", "entitlement": {"limit": 5, "resetPeriod": "MONTH"}}
    served.ask(CREATE_PACKAGE, {"input": {"id": "small", "features": [held]}})
    served.ask(PUBLISH, {"id": "small"})
    record(served, 8)
    return served


def preview(served: Served, *, first: int | None = None, after: str | None = None, **given: Any) -> dict[str, Any]:
    """What a job would do."""
    variables = {"input": {"packageId": "small", **given}, "first": first, "after": after}
    answer: dict[str, Any] = served.ask(PREVIEW_CHANGES, variables)["previewSubscriptionChanges"]
    return answer


def begun(served: Served, **given: Any) -> dict[str, Any]:
    """A job that has begun."""
    answer: dict[str, Any] = served.ask(CHANGE_MANY, {"input": {"packageId": "small", **given}})["changeSubscriptions"]
    return answer


def done(served: Served, number: str) -> dict[str, Any]:
    """The job once nothing is left to do."""
    until = time.monotonic() + 20
    while True:
        found: dict[str, Any] = served.ask(SHOW_CHANGES, {"id": number})["subscriptionChanges"]
        if found["state"] in ("DONE", "TAKEN_BACK"):
            return found
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_preview_says_who_would_lose_what(shop: Served) -> None:
    """For each user and in all; a page has the users that it is asked for, and nothing is changed."""
    found = preview(shop, userIds=["ada", "bob", "eve", "nobody"], usage="CARRY")
    assert found["totals"] == {
        "users": 4, "wouldChange": 2, "wouldBeRefused": 2, "wouldBeSkipped": 0, "losing": 1, "over": 1, "isWhole": True,
    }  # fmt: skip
    assert found["users"][0] == {
        "userId": "ada", "outcome": "WOULD_CHANGE", "reason": None, "packageId": "basic", "loses": ["support"],
        "over": [{"featureId": "message", "used": 8, "limit": 5}],
    }  # fmt: skip
    assert [(each["outcome"], each["reason"]) for each in found["users"][1:]] == [
        ("WOULD_BE_REFUSED", "User 'bob' has no base package to change; use subscribe"),
        ("WOULD_CHANGE", None),
        ("WOULD_BE_REFUSED", "The user does not exist."),
    ]
    page = preview(shop, userIds=["ada", "bob", "eve"], first=1, after="ada")["users"]
    assert [each["userId"] for each in page] == ["bob"]
    assert [each["userId"] for each in preview(shop, search="e")["users"]] == ["eve"]


def test_a_job_is_begun_watched_and_taken_back(shop: Served) -> None:
    """It tells who began it, how far it is and what has become of each user; so it does on the way back."""
    started = begun(shop, userIds=["ada", "bob"], usage="CARRY")
    change = done(shop, started["id"])
    assert started["id"].isdigit()
    assert change["startedBy"].startswith("prv_test_")
    told = ("packageId", "fromPackageId", "when", "usage", "startedAt", "takenBackBy")
    assert [change[name] for name in told] == ["small", None, "NOW", "CARRY", NOON, None]
    there = {"users": 2, "left": 0, "done": 2, "changed": 1, "refused": 1, "skipped": 0}
    assert change["progress"] == {**there, "back": None}
    refusal = "User 'bob' has no base package to change; use subscribe"
    assert change["results"] == [
        {"id": "1", "userId": "ada", "outcome": "CHANGED", "reason": None, "back": None, "backReason": None},
        {"id": "2", "userId": "bob", "outcome": "REFUSED", "reason": refusal, "back": None, "backReason": None},
    ]
    shop.ask(TAKE_BACK_CHANGES, {"id": started["id"]})
    back = done(shop, started["id"])
    assert (back["state"], back["takenBackBy"]) == ("TAKEN_BACK", change["startedBy"])
    assert back["progress"] == {**there, "back": {**NOBODY, "changed": 1}}
    assert back["results"][0]["back"] == "CHANGED"
    assert record(shop, 2)["consumption"] == {"used": 10, "budget": 10, "overageEnabled": False}
    assert shop.ask(TAKE_BACK_CHANGES, {"id": started["id"]})["takeBackSubscriptionChanges"] == back


def test_results_are_paged(shop: Served) -> None:
    """After the id of a result, and by outcome."""
    number = begun(shop, userIds=["ada", "bob", "eve"])["id"]
    done(shop, number)
    query = (
        "query($id: String!, $first: Int, $after: String, $outcome: SubscriptionChangeOutcome)"
        " { subscriptionChanges(id: $id) { results(first: $first, after: $after, outcome: $outcome) { userId } } }"
    )

    def users(**page: Any) -> list[str]:
        rows = shop.ask(query, {"id": number, **page})["subscriptionChanges"]["results"]
        return [row["userId"] for row in rows]

    assert users(first=1, after="1") == ["bob"]
    assert users(first=2, outcome="CHANGED") == ["ada", "eve"]
    assert users(outcome="SKIPPED") == []
    error = shop.error(query, {"id": number, "after": "x"})
    assert error["message"] == "after must be the id of a result, got 'x'"


def test_a_key_begins_one_job(shop: Served) -> None:
    """Again it answers the same one; with other content it is an error."""
    first = begun(shop, fromPackageId="basic", idempotencyKey="k")
    assert done(shop, first["id"])["progress"]["changed"] == 1
    assert begun(shop, fromPackageId="basic", idempotencyKey="k")["id"] == first["id"]
    error = shop.error(CHANGE_MANY, {"input": {"packageId": "open", "fromPackageId": "basic", "idempotencyKey": "k"}})
    assert name_of(error) == ("IDEMPOTENCY_KEY_REUSED", "IdempotencyKeyReusedError")


def test_a_list_may_name_very_many(shop: Served) -> None:
    """Ten thousand ids, in a request that is longer than others."""
    ids = [f"{number:036}" for number in range(USERS_MAX - 1)]
    assert begun(shop, userIds=["ada", *ids])["progress"]["users"] == USERS_MAX
    error = shop.error(CHANGE_MANY, {"input": {"packageId": "small", "userIds": ["ada"] * (USERS_MAX + 1)}})
    assert error["message"] == f"items of $input.userIds is {USERS_MAX + 1}, at most {USERS_MAX} allowed"


@pytest.mark.parametrize(
    ("given", "name", "message"),
    [
        ({}, "InvalidValueError", "userIds, fromPackageId or search must say who is moved"),
        ({"userIds": []}, "InvalidValueError", "userIds must name 1 to 10000 users, got 0"),
        ({"search": "a", "packageId": "none"}, "PackageNotFoundError", "Package not found: 'none'"),
        (
            {"search": "a", "packageId": "draft"},
            "InvalidValueError",
            "packageId must name a published package, and 'draft' is DRAFT",
        ),
        ({"search": "a", "idempotencyKey": "a b"}, "InvalidValueError", "idempotencyKey must be 1 to 255 printable"),
    ],
)
def test_what_begins_no_job(shared: Served, given: dict[str, Any], name: str, message: str) -> None:
    """The error names the field and what is allowed; nothing is begun."""
    error = shared.error(CHANGE_MANY, {"input": {"packageId": "open", **given}})
    assert name_of(error)[1] == name
    assert error["message"].startswith(message)
    assert shared.run(shared.store.bulk_changes.open_changes()) == []


@pytest.mark.parametrize("number", ["1", "x"])
def test_a_job_that_does_not_exist(shared: Served, number: str) -> None:
    """It can be neither read nor taken back."""
    for query in (SHOW_CHANGES, TAKE_BACK_CHANGES):
        error = shared.error(query, {"id": number})
        assert (name_of(error)[1], error["message"]) == (
            "BulkChangeNotFoundError",
            f"Subscription changes not found: '{number}'",
        )


def test_who_was_changed_meanwhile_stays(shop: Served) -> None:
    """The way back leaves alone whom somebody else has moved on, and says so."""
    number = begun(shop, userIds=["ada"])["id"]
    done(shop, number)
    shop.ask(CHANGE, {"userId": "ada", "packageId": "open"})
    shop.ask(TAKE_BACK_CHANGES, {"id": number})
    back = done(shop, number)
    assert back["progress"]["back"] == {**NOBODY, "skipped": 1}
    assert back["results"][0]["backReason"] == "The subscription that the user was moved to has ended since."
