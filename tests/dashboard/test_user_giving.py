"""What is given to one user on their page: seen by everybody, given and ended by editors, once however often sent."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import httpx
import pytest

from kana.model.colleague import Role
from kana.model.given import Override, TopUp
from kana.model.text import UNITS_MAX
from kana.model.usage import Usage
from tests.dashboard.desk import Desk, Visitor, text_of
from tests.support.world import TEST, TESTER

PAGE = "/test/user?id=user-0"


@pytest.fixture
def editor(desk: Desk) -> Visitor:
    """Somebody who may change things."""
    return desk.colleague(Role.EDITOR)


def top_ups(desk: Desk, user_id: str = "user-0") -> list[TopUp]:
    return [each.given for each in desk.served.run(desk.served.engine.giving.top_ups(TEST, user_id))]


def overrides(desk: Desk) -> list[Override]:
    return [each.given for each in desk.served.run(desk.served.engine.giving.overrides(TEST, "user-0"))]


def use(desk: Desk, delta: int, user_id: str = "user-0") -> None:
    usage = Usage(environment=TEST, user_id=user_id, feature_id="message", delta=delta)
    desk.served.run(desk.served.engine.usage.record(usage))


def give(visitor: Visitor, user_id: str = "user-0", **fields: str) -> httpx.Response:
    """Send the form for units."""
    given = {"key": "k", "feature": "message", "amount": "500", "last-day": "", "reason": "bought 500"}
    return visitor.post(f"/test/user/top-up?id={user_id}", **{**given, **fields})


def except_(visitor: Visitor, **fields: str) -> httpx.Response:
    """Send the form for an exception."""
    given = {"feature": "message", "terms": "limit", "limit": "20", "reset": "package", "last-day": "", "reason": "vip"}
    return visitor.post("/test/user/override?id=user-0", **{**given, **fields})


def said_after(visitor: Visitor, answer: httpx.Response) -> str:
    """What the page says that a sent form leads to."""
    assert answer.status_code == 303, text_of(answer.text)
    return text_of(visitor.get(answer.headers["location"]))


def test_units_are_given_and_seen_in_the_order_in_which_they_are_used(desk: Desk, editor: Visitor) -> None:
    """Each source with its amount, what is used and left of it and when it ends; the reason and who gave it."""
    said = said_after(editor, give(editor, **{"amount": "1,500", "last-day": "2026-03-20"}))
    assert "The user was given 1,500 of message." in said
    use(desk, 12)
    said = text_of(desk.colleague(Role.VIEWER).get(PAGE))
    assert "12 of 1,510" in said
    assert "Basic Plan: 10 per day Top-up: 1500 in all" in said
    assert (
        "Messages: used up in this order From Amount Used Left Until"
        " Basic Plan 10 10 0 11 March 2026, 12:00 UTC Top-up bought 500 1,500 2 1,498 21 March 2026, 00:00 UTC"
    ) in said
    assert (
        "Messages Top-up 1,500 more 2 1,498 left 10 March 2026, 12:00 UTC 21 March 2026, 00:00 UTC"
        " bought 500 editor@example.com Active"
    ) in said


def test_a_form_gives_once(desk: Desk, editor: Visitor) -> None:
    """Sent twice, it says so; a page that is opened again gives again."""
    keys = re.findall(r'name="key" value="(dashboard-[^"]+)"', editor.get(PAGE))
    assert len(set(keys)) == 2
    give(editor, key=keys[1])
    assert "This form had been sent before, and gave only once." in said_after(editor, give(editor, key=keys[1]))
    assert len(top_ups(desk)) == 1
    give(editor, key="another")
    assert len(top_ups(desk)) == 2


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"amount": "many"}, "Units must be a whole number from 1 to 9,007,199,254,740,991, got 'many'"),
        ({"amount": ""}, "Units must be a whole number"),
        ({"amount": str(UNITS_MAX + 1)}, "Units must be a whole number"),
        ({"reason": ""}, "Reason must be 1 to 500 characters and not blank"),
        ({"last-day": "2026-03-09"}, "Last day must be 2026-03-10 or later, got 2026-03-09"),
        ({"last-day": "tomorrow"}, "Last day must be a date such as 2027-02-28, got 'tomorrow'"),
        ({"last-day": "9999-12-31"}, "Last day must be a date"),
        ({"feature": "support"}, "FeatureId must name a CONSUMABLE feature"),
        ({"feature": "gone"}, "Feature not found"),
    ],
)
def test_what_is_no_top_up_is_said_in_the_form(
    desk: Desk, editor: Visitor, fields: dict[str, str], message: str
) -> None:
    """It stays open with what was typed, and nothing is given; corrected, it gives."""
    answer = give(editor, **fields)
    assert answer.status_code == 400
    assert message in text_of(answer.text)
    assert re.search(r'id="give-units" role="dialog" aria-labelledby="give-units-title">', answer.text)
    assert re.search(r'id="set-exception"[^>]* popover>', answer.text)
    if "reason" not in fields:
        assert 'name="reason" maxlength="500" required value="bought 500"' in answer.text
    assert top_ups(desk) == []
    key = re.findall(r'name="key" value="(dashboard-[^"]+)"', answer.text)[1]
    assert give(editor, key=key).status_code == 303


def test_a_key_that_gave_something_else_is_refused(desk: Desk, editor: Visitor) -> None:
    """A page kept open and changed after it was sent gives nothing by accident."""
    give(editor)
    answer = give(editor, amount="7")
    assert (answer.status_code, "This form had been sent before with other values." in text_of(answer.text)) == (
        400,
        True,
    )
    assert [each.amount for each in top_ups(desk)] == [500]


def test_an_exception_stands_in_place_of_the_package(desk: Desk, editor: Visitor) -> None:
    """With its reason; what is used counts on, and its end is the end of the day that was named."""
    use(desk, 4)
    said = said_after(editor, except_(editor, **{"last-day": "2026-03-31", "overage": "on"}))
    assert "The exception for message applies from now on." in said
    assert "4 of 20" in said
    assert "Override: 20 per day with overage" in said
    assert "Messages: used up in this order From Amount Used Left Until Override vip 20 4 16" in said
    assert "Messages Override 20 per day with overage – 10 March 2026, 12:00 UTC 1 April 2026, 00:00 UTC vip" in said


def test_an_exception_sent_again_changes_nothing(desk: Desk, editor: Visitor) -> None:
    """Another one ends it."""
    for _ in range(2):
        said_after(editor, except_(editor))
    assert len(overrides(desk)) == 1
    said = said_after(editor, except_(editor, limit="30", reset="never"))
    assert [each.ends_at is None for each in overrides(desk)] == [False, True]
    assert "Override 30 in all" in said
    assert "vip editor@example.com Ended" in said


@pytest.mark.parametrize(
    ("fields", "gives"),
    [
        ({"terms": "all", "limit": "5", "overage": "on"}, "Messages Override Unlimited per day"),
        ({"terms": "denied"}, "Messages Override Nothing"),
        ({"terms": "all", "feature": "support"}, "Support at night Override On"),
        ({"terms": "denied", "feature": "support"}, "Support at night Override Nothing"),
        ({"limit": "0", "reset": "WEEK"}, "Messages Override 0 per week"),
    ],
)
def test_what_an_exception_may_say(editor: Visitor, fields: dict[str, str], gives: str) -> None:
    """All of it, nothing, or up to a limit; a limit that does not apply is not looked at."""
    assert gives in said_after(editor, except_(editor, **fields))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"limit": ""}, "Limit must be a whole number from 0 to 9,007,199,254,740,991, got ''"),
        ({"reason": " "}, "Reason must be 1 to 500 characters"),
        ({"feature": "support"}, "Limit is for CONSUMABLE features"),
        ({"last-day": "2026-01-01"}, "Last day must be 2026-03-10 or later, got 2026-01-01"),
        ({"terms": "other"}, "Choose what the user may use"),
        ({"reset": "SECOND"}, "Choose when usage goes back to zero"),
    ],
)
def test_what_is_no_exception_is_said_in_the_form(
    desk: Desk, editor: Visitor, fields: dict[str, str], message: str
) -> None:
    """It stays open, and nothing changes: an empty limit is never unlimited."""
    answer = except_(editor, **fields)
    assert (answer.status_code, message in text_of(answer.text)) == (400, True)
    assert re.search(r'id="set-exception" role="dialog" aria-labelledby="set-exception-title">', answer.text)
    assert overrides(desk) == []


def end_link(visitor: Visitor, kind: str) -> str:
    """The address that ends what is listed."""
    [link] = re.findall(rf'href="([^"]*/given/end[^"]*kind={kind}[^"]*)"', visitor.get(PAGE))
    return unescape(str(link))


def test_a_top_up_is_ended_after_a_question(desk: Desk, editor: Visitor) -> None:
    """It says what is lost; afterwards it is listed as ended, with what was used, and cannot be ended again."""
    give(editor)
    use(desk, 13)
    link = end_link(editor, "top-up")
    asked = text_of(editor.get(link))
    assert (
        "End the top-up for Messages? user-0 loses the 497 of 500 that are left. Reason it was given: bought" in asked
    )
    said = said_after(editor, editor.post(link))
    assert "The top-up was ended." in said
    assert "500 more 3 0 left" in said
    assert "Ended" in said
    assert "given/end" not in editor.get(PAGE)


def test_an_override_is_ended_after_a_question(editor: Visitor) -> None:
    """The packages apply again."""
    except_(editor)
    link = end_link(editor, "override")
    assert "What the packages of user-0 allow applies again at once." in text_of(editor.get(link))
    said = said_after(editor, editor.post(link))
    assert "The override was ended." in said
    assert "0 of 10" in said


def test_what_is_another_users_is_not_ended(desk: Desk, editor: Visitor) -> None:
    """The address names both: neither another's, nor one of the other kind, nor what is no id."""
    give(editor, "user-1")
    [given] = top_ups(desk, "user-1")
    for query in (f"kind=top-up&given={given.id}", f"kind=override&given={given.id}", "kind=top-up&given=x"):
        address = f"/test/user/given/end?id=user-0&{query}"
        editor.get(address, status=404)
        assert editor.post(address).status_code == 404
    assert [each.ends_at for each in top_ups(desk, "user-1")] == [None]


def test_viewers_see_what_was_given_and_give_nothing(desk: Desk, editor: Visitor) -> None:
    """Neither a button nor a form; sent anyhow it is refused."""
    give(editor)
    viewer = desk.colleague(Role.VIEWER)
    page = viewer.get(PAGE)
    assert "bought 500" in text_of(page)
    assert "Give units" not in page
    assert "given/end" not in page
    assert [give(viewer, key="v").status_code, except_(viewer).status_code] == [403, 403]
    assert (len(top_ups(desk)), overrides(desk)) == (1, [])


def test_a_user_without_a_subscription_has_what_was_given(desk: Desk, editor: Visitor) -> None:
    """With nothing the page says so; with a top-up it shows what may be used, and from what."""
    desk.served.run(desk.served.engine.accounts.create_user(TEST, id="alone"))
    said = text_of(editor.get("/test/user?id=alone"))
    assert "None: this user has no subscription, top-up or override that gives access now." in said
    assert "None: this user has what their packages allow." in said
    give(editor, "alone", amount="5")
    use(desk, 2, "alone")
    said = text_of(editor.get("/test/user?id=alone"))
    assert "Messages message Copy 2 of 5 Never Top-up: 5 in all" in said
    assert "Messages: used up in this order From Amount Used Left Until Top-up bought 500 5 2 3 No end" in said
    editor.post("/test/user/override?id=alone", feature="support", terms="all", reset="package", reason="beta")
    said = text_of(editor.get("/test/user?id=alone"))
    assert "Support at night support Copy Allowed Never Override" in said


def test_only_the_newest_of_what_ended_are_listed(desk: Desk, editor: Visitor) -> None:
    """What holds is there whatever its age; a page does not grow without bounds."""
    giving, run = desk.served.engine.giving, desk.served.run

    async def many() -> None:
        for number in range(52):
            await giving.create_top_up(TEST, "user-0", "message", 1, reason=f"number {number}.", by=TESTER)
        for each in (await giving.top_ups(TEST, "user-0"))[1:]:
            await giving.end_top_up(TEST, each.given.id, by=TESTER)

    run(many())
    said = text_of(editor.get(PAGE))
    assert [f"number {number}." in said for number in (0, 1, 2, 51)] == [True, False, True, True]


def test_the_log_tells_who_gave_what_and_why(desk: Desk, editor: Visitor) -> None:
    """In words, with the reason, under the user's id."""
    give(editor)
    except_(editor)
    editor.post(end_link(editor, "top-up"))
    said = text_of(editor.get("/test/log?subject=user-0"))
    for line in ("Top-up created user-0", "Override created user-0", "Top-up updated user-0", "reason bought 500"):
        assert line in said


def test_the_api_calls_of_the_buttons_are_shown(editor: Visitor) -> None:
    """Ready to paste, with this user and a feature that is counted."""
    calls: Any = re.findall(r'data-copy="(curl[^"]*)"', editor.get(PAGE))
    for name in ("createTopUp", "setOverride"):
        [call] = [unescape(each) for each in calls if name in each]
        assert '"userId": "user-0", "featureId": "formula"' in call
