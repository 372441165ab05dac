"""Subscriptions over HTTP: subscribe, change, cancel, page; and what each mistake is called."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.admin.calls import (
    ARCHIVE,
    CANCEL,
    CHANGE,
    CHECK,
    CREATE_PACKAGE,
    LINK,
    PUBLISH,
    RESUME,
    SHOW,
    SUBSCRIBE,
    SUBSCRIPTION,
    name_of,
    record,
    state,
)
from tests.support.serving import Served

LINK_OK = {"templateId": "t", "successUrl": "https://a.example/ok", "cancelUrl": "http://localhost:3000/no?x=1#y"}
ALREADY = "Cannot subscribe to multiple tiers"
NO_BASE = "Cannot subscribe to addon. Missing live tier subscription."
UNKNOWN = "Package Id not found for app"


def held_by(served: Served, user_id: str) -> list[dict[str, Any]]:
    rows = served.ask(f"query($id: String) {{ subscriptions(userId: $id) {{ {SUBSCRIPTION} }} }}", {"id": user_id})
    return list(rows["subscriptions"])


def test_subscribing_answers_in_the_order_of_the_ids(served: Served) -> None:
    """One subscription for each package, all from the same moment, an add-on before its base if so asked."""
    made = served.ask(SUBSCRIBE, {"userId": "bob", "packageIds": ["extra", "basic"]})["subscribe"]
    assert [row["package"]["id"] for row in made] == ["extra", "basic"]
    assert {(row["userId"], row["status"], row["startedAt"], row["endsAt"]) for row in made} == {
        ("bob", "ACTIVE", "2026-03-10T12:00:00.000Z", None)
    }
    assert all(row["id"].isdigit() for row in made)
    for row in made:
        query = f"query($id: String!) {{ subscription(id: $id) {{ {SUBSCRIPTION} }} }}"
        assert served.ask(query, {"id": row["id"]})["subscription"] == row


@pytest.mark.parametrize(
    ("user_id", "package_ids", "message"),
    [
        ("bob", ["basic", "open"], ALREADY),
        ("ada", ["open"], ALREADY),
        ("ada", ["basic"], ALREADY),
        ("bob", ["extra"], NO_BASE),
        ("bob", ["draft"], UNKNOWN),
        ("bob", ["basic", "x"], UNKNOWN),
    ],
)
def test_a_refused_subscription_changes_nothing(
    shared: Served, user_id: str, package_ids: list[str], message: str
) -> None:
    """Kana's own words, and all or nothing."""
    before = state(shared)
    error = shared.error(SUBSCRIBE, {"userId": user_id, "packageIds": package_ids})
    assert (*name_of(error), error["message"]) == ("BAD_USER_INPUT", "SubscriptionError", message)
    assert error["path"] == ["subscribe"]
    assert state(shared) == before


def test_change_moves_in_one_step(served: Served) -> None:
    """The old subscription ends as the new one starts, and usage starts from zero."""
    record(served, 10)
    served.clock.advance(days=3)
    new = served.ask(CHANGE, {"userId": "ada", "packageId": "open"})["changeSubscription"]
    assert (new["status"], new["startedAt"], new["package"]["id"]) == ("ACTIVE", "2026-03-13T12:00:00.000Z", "open")
    old, current = held_by(served, "ada")
    assert (old["status"], old["endsAt"], current) == ("CANCELLED", new["startedAt"], new)
    checked = served.ask(CHECK, {"userId": "ada", "featureId": "message"})["canUseFeature"]
    assert checked["consumption"] == {"used": 0, "budget": 10, "overageEnabled": True}
    past = served.ask(SHOW, {"userId": "ada", "featureId": "message"})["showUsage"]["past"]
    assert [(one["periodEnd"], one["consumption"]["used"]) for one in past] == [(new["startedAt"], 10)]


def test_cancel_takes_addons_along_and_again_changes_nothing(served: Served) -> None:
    """A base package's add-ons end with it."""
    served.ask(SUBSCRIBE, {"userId": "ada", "packageIds": ["extra"]})
    [base] = [row for row in held_by(served, "ada") if row["package"]["id"] == "basic"]
    served.clock.advance(minutes=1)
    cancelled = served.ask(CANCEL, {"id": base["id"]})["cancelSubscription"]
    assert (cancelled["status"], cancelled["endsAt"]) == ("CANCELLED", "2026-03-10T12:01:00.000Z")
    assert {row["status"] for row in held_by(served, "ada")} == {"CANCELLED"}
    before = state(served)
    assert served.ask(CANCEL, {"id": base["id"]})["cancelSubscription"] == cancelled
    assert state(served) == before
    assert served.ask(CHECK, {"userId": "ada", "featureId": "support"})["canUseFeature"]["access"] is False


def test_cancel_at_period_end_stands_until_then(served: Served) -> None:
    """It is ACTIVE to the last millisecond and CANCELLED from the end on."""
    [held] = held_by(served, "ada")
    ending = served.ask(CANCEL, {"id": held["id"], "atPeriodEnd": True})["cancelSubscription"]
    assert (ending["status"], ending["endsAt"]) == ("ACTIVE", "2026-04-10T12:00:00.000Z")
    served.clock.advance(days=31, milliseconds=-1)
    assert record(served)["recorded"] is True
    served.clock.advance(milliseconds=1)
    assert held_by(served, "ada")[0]["status"] == "CANCELLED"
    assert record(served)["recorded"] is False


def test_an_archived_package_stays_with_those_who_have_it(served: Served) -> None:
    """Nobody new may have it."""
    served.ask(ARCHIVE, {"id": "basic"})
    assert served.ask(CHECK, {"userId": "ada", "featureId": "message"})["canUseFeature"]["access"] is True
    assert served.error(SUBSCRIBE, {"userId": "bob", "packageIds": ["basic"]})["message"] == UNKNOWN


def test_an_addon_tied_to_base_packages_needs_one_of_them(served: Served) -> None:
    """The refusal names those it goes with."""
    tied = {"id": "tied", "isAddon": True, "basePackageIds": ["open"], "features": []}
    served.ask(CREATE_PACKAGE, {"input": tied})
    served.ask(PUBLISH, {"id": "tied"})
    error = served.error(SUBSCRIBE, {"userId": "ada", "packageIds": ["tied"]})
    assert error["message"] == "Cannot subscribe to addon 'tied': it goes with 'open' only"
    assert served.ask(SUBSCRIBE, {"userId": "eve", "packageIds": ["tied"]})["subscribe"][0]["status"] == "ACTIVE"


@pytest.mark.parametrize(
    ("query", "variables", "name", "message"),
    [
        (SUBSCRIBE, {"userId": "x", "packageIds": ["basic"]}, "UserNotFoundError", "User not found: 'x'"),
        (
            SUBSCRIBE,
            {"userId": "bob", "packageIds": []},
            "InvalidValueError",
            "packageIds must contain 1 to 100 ids, got 0",
        ),
        (
            SUBSCRIBE,
            {"userId": "bob", "packageIds": ["basic", "basic"]},
            "InvalidValueError",
            "packageIds must name each id once, got 'basic' more than once",
        ),
        (
            CHANGE,
            {"userId": "bob", "packageId": "open"},
            "SubscriptionError",
            "User 'bob' has no base package to change; use subscribe",
        ),
        (
            CHANGE,
            {"userId": "ada", "packageId": "basic"},
            "SubscriptionError",
            "User 'ada' is already subscribed to 'basic'",
        ),
        (
            CHANGE,
            {"userId": "ada", "packageId": "extra"},
            "SubscriptionError",
            "Package 'extra' is an add-on; changeSubscription takes a base package",
        ),
        (CHANGE, {"userId": "x", "packageId": "open"}, "UserNotFoundError", "User not found: 'x'"),
        (CANCEL, {"id": "12"}, "SubscriptionNotFoundError", "Subscription not found: '12'"),
        (CANCEL, {"id": "-1"}, "SubscriptionNotFoundError", "Subscription not found: '-1'"),
        (
            '{ subscription(id: "99999999999999999999") { id } }',
            None,
            "SubscriptionNotFoundError",
            "Subscription not found: '99999999999999999999'",
        ),
        (LINK, {**LINK_OK, "userId": "x"}, "UserNotFoundError", "User not found: 'x'"),
        (LINK, LINK_OK, "SubscriptionLinkError", "no billing provider is connected"),
        ("{ subscriptions(first: -1) { id } }", None, "InvalidValueError", "first must be 1 to 10000, got -1"),
    ],
)
def test_mistakes(shared: Served, query: str, variables: Any, name: str, message: str) -> None:
    """Each mistake has its name, says what is wrong, and changes nothing."""
    before = state(shared)
    error = shared.error(query, variables)
    assert (*name_of(error), error["message"]) == ("BAD_USER_INPUT", name, message)
    assert state(shared) == before


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/relative",
        "javascript:alert(1)",
        "ftp://a.example/x",
        "//a.example/x",
        "https://",
        "https://user:secret@a.example/x",
        "https://a.example\\@b.example/",
        "https://a.example/\nx",
        "https://a.example:port/",
        "https://[::1/x",
        "https://a.example/" + "x" * 2048,
    ],
)
@pytest.mark.parametrize("field", ["successUrl", "cancelUrl"])
def test_a_link_leads_to_web_addresses_only(shared: Served, field: str, url: str) -> None:
    """A checkout must not send people where a browser would run code or show a password."""
    error = shared.error(LINK, {**LINK_OK, field: url})
    assert name_of(error) == ("BAD_USER_INPUT", "InvalidValueError")
    assert error["message"].startswith(f"{field} must be an http or https URL")


def test_pages_follow_the_order_of_creation(served: Served) -> None:
    """``first`` and ``after`` walk the list without gap or overlap."""
    served.ask(SUBSCRIBE, {"userId": "bob", "packageIds": ["basic", "extra"]})
    ids = [row["id"] for row in served.ask("{ subscriptions { id } }")["subscriptions"]]
    assert len(ids) == 4
    walked, after = [], None
    for _ in range(4):
        rows = served.ask("query($a: String) { subscriptions(first: 1, after: $a) { id } }", {"a": after})
        after = rows["subscriptions"][0]["id"]
        walked.append(after)
    assert walked == ids
    assert served.ask("query($a: String) { subscriptions(after: $a) { id } }", {"a": after})["subscriptions"] == []


TERMS = (
    "mutation($startsAt: DateTime, $anchorAt: DateTime, $anchor: SubscriptionAnchor, $timeZone: String,"
    ' $trialEndsAt: DateTime, $endsWithTrial: Boolean) { subscribe(userId: "bob", packageIds: ["basic"],'
    " startsAt: $startsAt, anchorAt: $anchorAt, anchor: $anchor, timeZone: $timeZone, trialEndsAt: $trialEndsAt,"
    " endsWithTrial: $endsWithTrial) { id status startedAt endsAt trialEndsAt anchorAt timeZone } }"
)
ONE = ": periods have one anchor"
NOW, TOMORROW, LATER = (f"2026-03-{day}T12:00:00.000Z" for day in (10, 11, 24))


@pytest.mark.parametrize(
    ("terms", "answer"),
    [
        ({}, ("ACTIVE", NOW, None, None, NOW, None)),
        ({"anchor": "START"}, ("ACTIVE", NOW, None, None, NOW, None)),
        ({"startsAt": TOMORROW}, ("SCHEDULED", TOMORROW, None, None, TOMORROW, None)),
        ({"anchorAt": LATER}, ("ACTIVE", NOW, None, None, LATER, None)),
        ({"anchor": "CALENDAR"}, ("ACTIVE", NOW, None, None, None, "UTC")),
        ({"anchor": "CALENDAR", "timeZone": "Asia/Tokyo"}, ("ACTIVE", NOW, None, None, None, "Asia/Tokyo")),
        ({"trialEndsAt": LATER}, ("TRIALING", NOW, None, LATER, NOW, None)),
        ({"trialEndsAt": LATER, "endsWithTrial": True}, ("TRIALING", NOW, LATER, LATER, NOW, None)),
    ],
)
def test_subscribing_on_terms(served: Served, terms: dict[str, Any], answer: tuple[str | None, ...]) -> None:
    """The answer says the status now, and all that was agreed on."""
    [made] = served.ask(TERMS, terms)["subscribe"]
    assert tuple(made.values())[1:] == answer


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({"timeZone": "UTC"}, "timeZone needs anchor CALENDAR: other periods follow no time zone"),
        ({"anchor": "CALENDAR", "timeZone": "Mars"}, "timeZone must be an IANA name such as Europe/Berlin, got 'Mars'"),
        (
            {"anchor": "CALENDAR", "anchorAt": NOW},
            "anchorAt cannot be given with anchor CALENDAR: periods have one anchor",
        ),
        ({"anchor": "START", "anchorAt": NOW}, f"anchorAt cannot be given with anchor START{ONE}"),
        (
            {"endsWithTrial": True},
            "endsWithTrial needs a trial to end with, and 'basic' would have none: give trialEndsAt",
        ),
        ({"trialEndsAt": NOW}, "trialEndsAt must be after 2026-03-10T12:00:00+00:00, got 2026-03-10T12:00:00+00:00"),
        ({"startsAt": "1969-01-01T00:00:00Z"}, "startsAt must be from 1970 to 2999, got 1969-01-01T00:00:00+00:00"),
    ],
)
def test_terms_that_cannot_be(shared: Served, terms: dict[str, Any], message: str) -> None:
    """The error names the field, what was given and what is allowed, and nothing changes."""
    before = state(shared)
    error = shared.error(TERMS, terms)
    assert (*name_of(error), error["message"]) == ("BAD_USER_INPUT", "InvalidValueError", message)
    assert state(shared) == before


@pytest.mark.parametrize(
    ("given", "variables", "trial_ends_at"),
    [
        ("", {}, LATER),
        ("trialEndsAt: null", {}, None),
        ("trialEndsAt: $t", {"t": None}, None),
        ("trialEndsAt: $t", {}, LATER),
        ("trialEndsAt: $t", {"t": TOMORROW}, TOMORROW),
    ],
)
def test_a_trial_by_the_package_or_none(
    served: Served, given: str, variables: dict[str, Any], trial_ends_at: str | None
) -> None:
    """Left out, the package's days count, and null is no trial; literally or by a variable, which may be left out."""
    features = '[{id: "support"}]'
    served.ask(f'mutation {{ createPackage(input: {{id: "tried", trialDays: 14, features: {features}}}) {{ id }} }}')
    served.ask('mutation { publishPackage(id: "tried") { id } }')
    call = f'subscribe(userId: "bob", packageIds: ["tried"], {given}) {{ status trialEndsAt }}'
    head = "mutation($t: DateTime)" if "$t" in given else "mutation"
    status = "ACTIVE" if trial_ends_at is None else "TRIALING"
    [made] = served.ask(f"{head} {{ {call} }}", variables)["subscribe"]
    assert made == {"status": status, "trialEndsAt": trial_ends_at}


def test_a_change_at_the_periods_end_is_seen_and_taken_back(served: Served) -> None:
    """The old subscription has its end and the new one its start; resuming the old one takes back both."""
    change = (
        'mutation($usage: ChangeUsage) { changeSubscription(userId: "ada", packageId: "open", when: PERIOD_END,'
        f" usage: $usage) {{ {SUBSCRIPTION} }} }}"
    )
    new = served.ask(change, {"usage": "CARRY"})["changeSubscription"]
    old, scheduled = sorted(held_by(served, "ada"), key=lambda row: str(row["status"]))
    assert (new["status"], scheduled, old["status"], old["endsAt"]) == ("SCHEDULED", new, "ACTIVE", new["startedAt"])
    resumed = served.ask(RESUME, {"id": old["id"]})["resumeSubscription"]
    assert (resumed["id"], resumed["endsAt"]) == (old["id"], None)
    assert {row["status"] for row in held_by(served, "ada")} == {"ACTIVE", "CANCELLED"}
    served.ask(CANCEL, {"id": old["id"]})
    error = served.error(RESUME, {"id": old["id"]})
    assert error["message"] == f"Subscription {old['id']} has ended; subscribe the user again"
