"""A user's page: what they may use and why, and what can be done for them."""

from __future__ import annotations

import json
import re
import shlex
from datetime import UTC, datetime
from html import unescape

import httpx
import pytest

from kana.model.colleague import Role
from kana.model.environment import Environment
from kana.model.key import KeyKind
from kana.model.text import UNITS_MAX
from kana.model.usage import Entry, Usage
from tests.dashboard.desk import HOSTILE, Desk, Visitor, text_of
from tests.support.ledger import entries_of
from tests.support.world import LIVE, TEST, TESTER, adds

PAGE = "/test/user?id=user-0"


@pytest.fixture
def editor(desk: Desk) -> Visitor:
    """Somebody who may change things."""
    return desk.colleague(Role.EDITOR)


def entries(desk: Desk, user_id: str = "user-0") -> list[Entry]:
    """The user's ledger, the newest first."""
    return desk.served.run(entries_of(desk.served.store, user_id))


def use(desk: Desk, delta: int, user_id: str = "user-0", *, feature_id: str = "message") -> None:
    """Record usage through the engine."""
    usage = Usage(environment=TEST, user_id=user_id, feature_id=feature_id, delta=delta)
    desk.served.run(desk.served.engine.usage.record(usage))


def form_key(html: str) -> str:
    """The idempotency key that stands in the form."""
    found = re.search(r'name="key" value="([^"]+)"', html)
    assert found
    return found[1]


def record(
    visitor: Visitor, key: str, amount: str = "3", way: str = "record", reason: str = "a gift"
) -> httpx.Response:
    """Send the form for usage."""
    return visitor.post("/test/user/usage?id=user-0", key=key, feature="message", amount=amount, way=way, reason=reason)


def test_entitlements_show_used_against_limit_and_when_it_resets(desk: Desk) -> None:
    """A bar with the numbers beside it; a feature that is on or off has none."""
    use(desk, 4)
    html = desk.colleague(Role.VIEWER).get(PAGE)
    assert '<progress class="kana-used" max="10" value="4"' in html
    said = text_of(html)
    assert "Messages message Copy 4 of 10 11 March 2026, 12:00 UTC Basic Plan: 10 per day" in said
    assert "Support at night support Copy Allowed Never Basic Plan" in said


def test_it_estimates_when_a_limit_is_reached(desk: Desk) -> None:
    """At the pace of the period so far; nothing is said where it resets first, or is used up."""
    desk.served.clock.advance(hours=6)
    viewer = desk.colleague(Role.VIEWER)
    for delta, expected in ((2, False), (3, True), (5, False)):
        use(desk, delta)
        said = text_of(viewer.get(PAGE))
        assert ("5 of 10 At this pace used up by 11 March 2026, 00:00 UTC" in said) is expected
        assert ("At this pace" in said) is expected


def test_a_limit_that_is_reached_is_seen_and_its_refusal_stands_in_the_ledger(desk: Desk) -> None:
    """At a glance: used up; and below who was refused how much, with the reason."""
    use(desk, 10)
    use(desk, 1)
    said = text_of(desk.colleague(Role.VIEWER).get(PAGE))
    assert "10 of 10 Limit reached" in said
    assert "Use 1 10 of 10 Refused The limit of 10 is reached for this period: 10 used, 1 more would exceed it" in said


def test_a_total_that_is_full_is_not_told_as_used_up_nor_as_allowed(desk: Desk) -> None:
    """At 2^53-1 no more is recorded, of a feature that is on or off neither, and the page says that."""
    use(desk, UNITS_MAX, feature_id="support")
    said = text_of(desk.colleague(Role.VIEWER).get(PAGE))
    assert "Support at night support Copy Total too large Never Basic Plan" in said


def test_it_says_what_adds(desk: Desk) -> None:
    """One sum with a line for each package."""
    run, engine = desk.served.run, desk.served.engine
    run(engine.catalog.create_package(TEST, id="more", name="More", is_addon=True, features=[adds(5)], by=TESTER))
    run(engine.catalog.publish_package(TEST, "more", by=TESTER))
    run(engine.accounts.subscribe(TEST, "user-0", ["more"]))
    use(desk, 12)
    said = text_of(desk.colleague(Role.VIEWER).get(PAGE))
    assert "12 of 15 11 March 2026, 12:00 UTC Basic Plan: 10 per day More: 5 per month on top of other packages" in said
    ends = "Basic Plan 10 10 0 11 March 2026, 12:00 UTC More 5 2 3 10 April 2026, 12:00 UTC"
    assert f"Messages: used up in this order From Amount Used Left Until {ends}" in said


def test_usage_over_time_is_there_for_eyes_and_for_programs(desk: Desk) -> None:
    """A chart of the periods, the oldest first, and a table that says the same, the newest first."""
    use(desk, 4)
    desk.served.clock.advance(days=2)
    use(desk, 6)
    html = desk.colleague(Role.VIEWER).get(PAGE)
    found = re.search(r'data-chart="([^"]*)"', html)
    assert found
    chart = json.loads(unescape(found[1]))
    assert (chart["label"], chart["points"][1]) == ("Messages", [4, 0, 6])
    assert "12 March 2026, 12:00 UTC 13 March 2026, 12:00 UTC 6 10 11 March 2026, 12:00 UTC" in text_of(html)


def test_usage_is_recorded_with_who_and_why(desk: Desk, editor: Visitor) -> None:
    """An entry like any other. The same form sent twice counts once; another one counts again."""
    key = form_key(editor.get(PAGE))
    for said in ("Recorded 3 of message.", "This form had been sent before, and counted only once."):
        answer = record(editor, key)
        assert answer.status_code == 303
        assert said in text_of(editor.get(answer.headers["location"]))
    [entry] = entries(desk)
    assert (entry.delta, entry.metadata) == (3, {"reason": "a gift", "by": "editor@example.com"})
    assert record(editor, form_key(editor.get(PAGE))).status_code == 303
    assert len(entries(desk)) == 2
    assert "editor@example.com: a gift" in text_of(editor.get(PAGE))


def test_usage_is_given_back(desk: Desk, editor: Visitor) -> None:
    """By a negative entry; more than was used is refused with the reason, and the refusal is kept."""
    use(desk, 5)
    desk.served.clock.advance(seconds=1)  # Ids grow with time, not from one engine to another.
    assert record(editor, form_key(editor.get(PAGE)), amount="2", way="back").status_code == 303
    refused = record(editor, form_key(editor.get(PAGE)), amount="1,000", way="back")
    assert (refused.status_code, "Only 3 used in this period" in refused.text) == (400, True)
    assert [(entry.delta, entry.recorded) for entry in entries(desk)] == [(-1000, False), (-2, True), (5, True)]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"amount": "0"}, "whole number from 1"),
        ({"amount": "-1"}, "whole number from 1"),
        ({"amount": "1.5"}, "whole number from 1"),
        ({"amount": "9" * 17}, "whole number from 1"),
        ({"reason": " "}, "Reason must be 1 to 500 characters, got 0"),
        ({"reason": "x" * 501}, "Reason must be 1 to 500 characters, got 501"),
        ({"feature": "none"}, "Feature not found"),
        ({"key": "é"}, "idempotencyKey must be"),
    ],
)
def test_a_wrong_form_records_nothing(desk: Desk, editor: Visitor, fields: dict[str, str], says: str) -> None:
    """It comes back as it was typed, says what is wrong, and has a new key."""
    sent = {"key": "one", "feature": "message", "amount": "1", "way": "record", "reason": "why", **fields}
    answer = editor.post("/test/user/usage?id=user-0", **sent)
    assert (answer.status_code, says in unescape(answer.text)) == (400, True)
    assert form_key(answer.text) != sent["key"]
    assert entries(desk) == []


def test_subscriptions_begin_change_and_end(desk: Desk, editor: Visitor) -> None:
    """The page offers what can be had, and shows what was had, the newest first."""
    run, engine = desk.served.run, desk.served.engine
    run(engine.catalog.publish_package(TEST, "pro/2026", by=TESTER))
    run(engine.accounts.create_user(TEST, id="new"))
    assert editor.post("/test/user/subscribe?id=new", package="basic").status_code == 303
    assert editor.post("/test/user/change?id=new", package="pro/2026").status_code == 303
    [old, held] = run(engine.accounts.subscriptions(TEST, user_id="new"))
    number = held.subscription.id
    question = text_of(editor.get(f"/test/user/cancel?id=new&subscription={number}&when=end"))
    assert "Cancel Pro & Co at the end of the period?" in question
    assert editor.post(f"/test/user/cancel?id=new&subscription={number}&when=end").status_code == 303
    desk.served.clock.advance(minutes=20)
    said = text_of(editor.get("/test/user?id=new"))
    history = said[said.index("Subscription Actions") :]
    assert "Pro & Co Active 10 March 2026, 12:00 UTC 11 March 2026, 12:00 UTC" in history
    assert history.index("Pro & Co") < history.index("Basic Plan Cancelled")
    assert editor.post(f"/test/user/cancel?id=new&subscription={number}&when=now").status_code == 303
    nothing = "None: this user has no subscription, top-up or override that gives access now."
    assert nothing in text_of(editor.get("/test/user?id=new"))
    assert old.subscription.package_id == "basic"


def test_a_subscription_begins_on_terms(desk: Desk, editor: Visitor) -> None:
    """A later start, a calendar and a trial; what is not usual is told, and what cannot be is an error."""
    run, engine = desk.served.run, desk.served.engine
    run(engine.accounts.create_user(TEST, id="new"))
    form = {"package": "basic", "starts_at": "2026-03-12T09:30", "anchor": "CALENDAR", "time_zone": "Asia/Tokyo"}
    trial = {"trial_ends_at": "2026-03-20T09:30:30", "ends_with_trial": "on"}
    assert editor.post("/test/user/subscribe?id=new", **form, **trial).status_code == 303
    [held] = run(engine.accounts.subscriptions(TEST, user_id="new"))
    assert (held.subscription.start, held.subscription.ends_at) == (
        datetime(2026, 3, 12, 9, 30, tzinfo=UTC), datetime(2026, 3, 20, 9, 30, 30, tzinfo=UTC),
    )  # fmt: skip
    said = text_of(editor.get("/test/user?id=new"))
    assert "Scheduled Trial until 2026-03-20 09:30 UTC, periods by the calendar in Asia/Tokyo 12 March" in said
    for wrong, message in (
        ({"starts_at": "soon"}, "Starts must be a date and a time, as in 2026-03-10T12:00, got"),
        ({"anchor": "CALENDAR", "time_zone": "Mars"}, "timeZone must be an IANA name such as Europe/Berlin, got"),
        ({"ends_with_trial": "on"}, "endsWithTrial needs a trial to end with, and 'basic' would have none"),
        (trial | {"without_trial": "on"}, "trialEndsAt cannot be given for a start without a trial"),
    ):
        answer = editor.post("/test/user/subscribe?id=new", package="basic", **wrong)
        assert (answer.status_code, message in unescape(answer.text)) == (400, True)


def test_a_change_waits_for_the_period_and_is_taken_back(desk: Desk, editor: Visitor) -> None:
    """It is seen as scheduled; resuming asks first, and nothing is left of the change."""
    run, engine = desk.served.run, desk.served.engine
    run(engine.catalog.publish_package(TEST, "pro/2026", by=TESTER))
    use(desk, 4)
    change = {"package": "pro/2026", "when": "PERIOD_END", "usage": "CARRY"}
    assert editor.post("/test/user/change?id=user-0", **change).status_code == 303
    html = editor.get(PAGE)
    assert "Pro & Co Scheduled" in text_of(html)
    assert "Change Basic Plan to" in text_of(html)
    [number] = re.findall(r"/user/resume\?id=user-0&amp;subscription=(\d+)", html)
    address = f"/test/user/resume?id=user-0&subscription={number}"
    assert "Resume Basic Plan?" in text_of(editor.get(address))
    assert editor.post(f"/test/user/resume?id=user-1&subscription={number}").status_code == 404
    assert editor.post(address).status_code == 303
    assert "Pro & Co Cancelled" in text_of(editor.get(PAGE))
    assert editor.post(f"/test/user/cancel?id=user-0&subscription={number}&when=now").status_code == 303
    assert editor.post(address).status_code == 400


def test_usage_counts_on_over_a_change(desk: Desk, editor: Visitor) -> None:
    """What was used is shown under the new package."""
    run, engine = desk.served.run, desk.served.engine
    run(engine.catalog.publish_package(TEST, "pro/2026", by=TESTER))
    use(desk, 4)
    change = {"package": "pro/2026", "when": "NOW", "usage": "CARRY"}
    assert editor.post("/test/user/change?id=user-0", **change).status_code == 303
    decision = run(engine.usage.check(TEST, "user-0", "message"))
    assert decision.consumption is not None
    assert decision.consumption.used == 4


def test_what_cannot_be_is_said(desk: Desk, editor: Visitor) -> None:
    """A second base package, a change to nothing, another user's subscription, a user who is not there."""
    answer = editor.post("/test/user/subscribe?id=user-0", package="basic")
    assert (answer.status_code, "Cannot subscribe to multiple tiers" in answer.text) == (400, True)
    assert editor.post("/test/user/change?id=user-0", package="basic").status_code == 400
    [held] = desk.served.run(desk.served.engine.accounts.subscriptions(TEST, user_id="user-1"))
    theirs = f"subscription={held.subscription.id}&when=now"
    assert editor.post(f"/test/user/cancel?id=user-0&{theirs}").status_code == 404
    assert editor.post(f"/live/user/cancel?id=user-1&{theirs}").status_code == 404
    editor.get("/test/user?id=nobody", status=404)
    editor.get("/test/user", status=400)


def test_a_user_is_made_and_changed(desk: Desk, editor: Visitor) -> None:
    """All that is kept of one but the id; what is wrong stands at its field, and nothing is saved."""
    typed = {"name": "Ada", "email": "ada@example.com", "billing_id": "cus_1", "metadata": '{"a": [1]}'}
    typed["time_zone"] = "Asia/Tokyo"
    assert editor.post("/test/user/new", id="ada/1", **typed).status_code == 303
    assert "already exists" in editor.post("/test/user/new", id="ada/1", **typed).text
    assert editor.post("/test/user/edit?id=ada/1", **{**typed, "email": "", "name": HOSTILE}).status_code == 303
    user = desk.served.run(desk.served.store.users.user(TEST, "ada/1"))
    assert (user.name, user.email, user.billing_id, user.metadata) == (HOSTILE, None, "cus_1", {"a": [1]})
    assert (user.time_zone, 'value="Asia/Tokyo"' in editor.get("/test/user/edit?id=ada/1")) == ("Asia/Tokyo", True)
    assert "Time zone Asia/Tokyo" in text_of(editor.get("/test/user?id=ada/1"))
    assert HOSTILE not in editor.get("/test/user?id=ada/1")
    for wrong in ({"metadata": "{"}, {"name": "x" * 256}, {"time_zone": "Mars"}):
        answer = editor.post("/test/user/edit?id=ada/1", **{**typed, **wrong})
        assert (answer.status_code, 'class="kana-error"' in answer.text) == (400, True)
    assert desk.served.run(desk.served.store.users.user(TEST, "ada/1")) == user


def test_a_viewer_sees_and_changes_nothing(desk: Desk) -> None:
    """No form is shown, and one that is sent all the same is refused."""
    viewer = desk.colleague(Role.VIEWER)
    assert "Give back" not in viewer.get(PAGE)
    for path in ("usage", "subscribe", "change", "cancel", "edit"):
        assert viewer.post(f"/test/user/{path}?id=user-0").status_code == 403
    assert entries(desk) == []


def test_the_api_calls_shown_work(desk: Desk, editor: Visitor) -> None:
    """Each command, as it is copied, does what it says when its key stands in KANA_KEY."""
    html = editor.get(PAGE) + editor.get("/test/user/edit?id=user-0") + editor.get("/test/user/new")
    desk.served.run(desk.served.engine.accounts.create_user(TEST, id="it's"))
    html += editor.get("/test/user?id=it's")
    seen = set()
    for command in map(unescape, re.findall(r"<pre><code>(.*?)</code></pre>", html, re.DOTALL)):
        words = shlex.split(command.replace("\\\n", ""))
        body = json.loads(words[words.index("-d") + 1])
        key = desk.served.keys[Environment.TEST][KeyKind.PRIVATE]
        answer = desk.served.http.post(words[1], json=body, headers={"Authorization": key}).json()
        seen.add(re.search(r"\{ (\w+)", body["query"])[1])  # type: ignore[index]
        for error in answer.get("errors", ()):
            # The values are examples: rules may say no, the schema may not.
            assert error["extensions"]["exception"]["name"] in ("SubscriptionError", "ConflictError"), error
    calls = {"recordUsage", "createTopUp", "setOverride", "subscribe", "cancelSubscription", "resumeSubscription"}
    assert seen == {*calls, "updateUser", "createUser"}


def test_environments_are_apart(desk: Desk, editor: Visitor) -> None:
    """What is done in test is not seen in live."""
    use(desk, 7)
    assert "7 of 10" in editor.get(PAGE)
    assert "7 of 10" not in editor.get("/live/user?id=user-0")
    assert desk.served.run(entries_of(desk.served.store, "user-0", environment=LIVE)) == []
