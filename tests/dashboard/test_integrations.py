"""Segment's events and rules in the dashboard, asked for as a browser without scripts would."""

from __future__ import annotations

import re
import time
from html import unescape

import apsw
import pytest

from kana.dashboard.pages.segment_rules import likely_feature
from kana.model.colleague import Role
from kana.model.environment import Environment
from kana.model.key import KeyKind
from tests.dashboard.desk import HOSTILE, Desk, Visitor, text_of
from tests.dashboard.segment import send
from tests.support.world import LIVE, TEST

RULES = "/test/integrations/segment/rules"
NEW = "/test/integrations/segment/rule/new"


@pytest.fixture
def editor(desk: Desk) -> Visitor:
    """An editor of an environment to which Segment sent something."""
    send(desk, TEST)
    return desk.colleague(Role.EDITOR)


def used(desk: Desk, environment: Environment, user_id: str) -> int:
    """How many messages a user has used."""
    shown = desk.served.run(desk.served.engine.usage.show(environment, user_id, "message"))
    assert shown.current is not None
    return shown.current.consumption.used


def rule_id(editor: Visitor) -> str:
    """The id of the only rule."""
    [found] = set(re.findall(r"segment/rule\?id=(\d+)", editor.get(RULES)))
    return str(found)


def test_integrations_say_what_is_connected(editor: Visitor) -> None:
    """Segment with what came and what became of it; Stripe is not."""
    page = text_of(editor.get("/test/integrations"))
    assert "Segment Connected" in page
    assert "Events 5 Last event 10 March 2026, 12:00 UTC Not mapped to a feature 3" in page
    assert "Waiting for a user or feature 1" in page
    assert "Failed 1" in page
    assert "Stripe Not connected" in page
    other = text_of(editor.get("/live/integrations"))
    assert "Segment No events yet" in other
    assert "Events 0 Last event None yet" in other


def test_events_are_listed_by_status(editor: Visitor) -> None:
    """Each with what became of it and why, and as it came; names are text."""
    page = editor.get("/test/integrations/segment")
    assert "Named user-2 – Failed properties.delta must be a whole number" in text_of(page)
    assert HOSTILE not in page
    waiting = text_of(editor.get("/test/integrations/segment?status=WAITING"))
    assert "Named nobody-yet message (1) Waiting" in waiting
    assert "Message sent" not in waiting
    assert "No events have this status." in editor.get("/test/integrations/segment?status=RECORDED")
    assert editor.http.get("/test/integrations/segment?status=LOST").status_code == 400
    assert editor.http.get("/test/integrations/segment?before=x").status_code == 400


def test_unmapped_events_are_told_by_name_and_by_property(editor: Visitor) -> None:
    """The most frequent first, with how many there are."""
    page = text_of(editor.get(RULES))
    assert f"Message sent 2 Map this {HOSTILE} 1 Map this" in page
    assert "object.name message 2 Map this" in page
    assert "size 3 1 Map this" in page


def test_an_event_is_mapped_in_two_clicks(desk: Desk, editor: Visitor) -> None:
    """The first shows a form that is filled in, the feature too; sent as it stands it records what came before."""
    link = re.search(r'href="([^"]*)" aria-label="Map this: Message sent"', editor.get(RULES))
    assert link is not None
    form = editor.get(unescape(link[1]))
    assert 'name="event_name" maxlength="255" value="Message sent"' in form
    assert '<option value="message" selected>Messages</option>' in form
    answer = editor.post(NEW, name="Message sent", event_name="Message sent", property="", value="", feature="message")
    assert answer.status_code == 303
    page = text_of(editor.get(RULES))
    assert "Message sent was created. It is now being applied to earlier events." in page
    assert "Message sent Name is Message sent Messages" in page
    while (used(desk, TEST, "user-0"), used(desk, TEST, "user-1")) != (1, 1):
        time.sleep(0.05)
    assert "Message sent 2" not in text_of(editor.get(RULES))
    assert desk.log("person")[-1][:3] == ("editor@example.com", "created", "mapping rule")


def test_a_property_is_mapped(editor: Visitor) -> None:
    """The form of a property has its path and value, and a rule may have several."""
    form = editor.get(f"{NEW}?property=object.name&value=message")
    assert 'value="object.name is message"' in form
    assert '<option value="message" selected>' in form
    editor.post(NEW, name="Big", property=["object.name", "", "size"], value=["message", "", "3"], feature="message")
    assert "Big object.name is message and size is 3 Messages" in text_of(editor.get(RULES))


def test_a_rule_is_changed_and_deleted(editor: Visitor) -> None:
    """The form shows what it is; a delete is asked about first."""
    editor.post(NEW, name="First", event_name="Nothing like it", feature="message")
    rule = rule_id(editor)
    address = f"/test/integrations/segment/rule?id={rule}"
    assert 'value="Nothing like it"' in editor.get(address)
    editor.post(address, name="Second", property="size", value="4", feature="support")
    assert "Second size is 4 Support at night" in text_of(editor.get(RULES))
    delete = f"/test/integrations/segment/rule/delete?id={rule}"
    assert "Usage already recorded stays." in editor.get(delete)
    assert editor.post(delete).status_code == 303
    assert "Second was deleted." in editor.get(RULES)
    assert "No rules yet." in editor.get(RULES)
    assert "Mapping rule not found" in editor.get(address, status=404)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"name": "", "event_name": "x", "feature": "message"}, "name"),
        ({"name": "Rule", "feature": "message"}, "needs an eventName or at least one condition"),
        ({"name": "Rule", "event_name": "x", "feature": ""}, "Feature"),
        ({"name": "Rule", "property": "size", "value": "", "feature": "message"}, "alue must"),
    ],
)
def test_a_rule_that_is_none_is_shown_again(editor: Visitor, fields: dict[str, str], says: str) -> None:
    """With what is wrong, and what was typed; nothing is made."""
    answer = editor.post(NEW, **fields)
    assert answer.status_code == 400
    assert says in unescape(answer.text)
    assert f'value="{fields["name"]}"' in answer.text
    assert "No rules yet." in editor.get(RULES)


def test_a_rule_of_the_other_environment_is_not_there(editor: Visitor) -> None:
    """Live has rules of its own."""
    editor.post(NEW, name="First", event_name="x", feature="message")
    rule = rule_id(editor)
    assert editor.http.get(f"/{LIVE}/integrations/segment/rule?id={rule}").status_code == 404
    assert editor.post(f"/{LIVE}/integrations/segment/rule/delete?id={rule}").status_code == 404


def test_a_viewer_looks_at_rules(desk: Desk, editor: Visitor) -> None:
    """Without a button; the form is there to be read."""
    editor.post(NEW, name="First", event_name="x", feature="message")
    viewer = desk.colleague(Role.VIEWER)
    page = viewer.get(RULES)
    for word in ("Map this", "Create a rule", ">Edit<", ">Delete<"):
        assert word not in page
    assert "<fieldset disabled>" in viewer.get(f"/test/integrations/segment/rule?id={rule_id(editor)}")


def test_events_have_pages(desk: Desk) -> None:
    """Fifty a page, the newest first."""
    for number in range(12):
        send_five(desk, number)
    viewer = desk.colleague(Role.VIEWER)
    page = viewer.get("/test/integrations/segment")
    assert page.count("<summary>Message</summary>") == 50
    link = re.search(r'rel="next" href="([^"]*)"', page)
    assert link is not None
    assert viewer.get(unescape(link[1])).count("<summary>Message</summary>") == 10


def send_five(desk: Desk, number: int) -> None:
    """Post five tracks at once."""
    batch = [{"type": "track", "messageId": f"{number}-{each}", "userId": "user-0", "event": "x"} for each in range(5)]
    answer = desk.served.http.post(
        "/v1/batch", json={"batch": batch}, headers={"Authorization": desk.served.keys[TEST][KeyKind.PRIVATE]}
    )
    assert answer.json() == {"success": True}


def test_the_likely_feature_is_the_one_that_reads_like_it(desk: Desk) -> None:
    """By name or id, of the whole or a word of it; none where nothing is near."""
    catalog = desk.served.run(desk.served.engine.catalog.read(TEST))
    assert likely_feature(catalog, "messages") == "message"
    assert likely_feature(catalog, "Message sent") == "message"
    assert likely_feature(catalog, "support_opened") == "support"
    assert likely_feature(catalog, "zzz") == ""
    assert likely_feature(catalog, "") == ""


def test_the_first_page_says_that_events_failed(desk: Desk, editor: Visitor) -> None:
    """With the way to them; where none did it says nothing."""
    page = editor.get("/test/packages")
    assert "Segment: 1 event failed and is not counted as usage. See why and try again" in text_of(page)
    assert 'href="/test/integrations/segment?status=FAILED"' in page
    assert "event failed" not in editor.get("/live/packages")
    assert "event failed" in desk.colleague(Role.VIEWER).get("/test/packages")


def test_what_failed_is_tried_again(desk: Desk, editor: Visitor) -> None:
    """One by its button, all by another; a viewer has neither, and nobody has those of another environment."""
    page = editor.get("/test/integrations/segment?status=FAILED")
    [action] = re.findall(r'action="(/test/integrations/segment/retry\?id=\d+)"', page)
    answer = editor.post(action)
    assert (answer.status_code, answer.headers["location"]) == (303, "/test/integrations/segment?status=FAILED")
    assert "Named: failed. properties.delta must be a whole number" in text_of(editor.get(answer.headers["location"]))
    assert editor.post("/test/integrations/segment/retry").status_code == 303
    assert "tried again within seconds" in text_of(editor.get("/test/integrations/segment"))
    assert editor.post(action.replace("/test/", "/live/")).status_code == 404
    for wrong in ("0", "x", "9" * 30):
        assert editor.post(f"/test/integrations/segment/retry?id={wrong}").status_code in (400, 404)

    viewer = desk.colleague(Role.VIEWER)
    assert "segment/retry" not in viewer.get("/test/integrations/segment?status=FAILED")
    assert viewer.post(action).status_code == 403


@pytest.mark.parametrize(
    ("user", "delta", "told"),
    [
        ("user-2", "3", "success: Named: recorded."),
        ("user-2", '"many"', "danger: Named: failed. properties.delta must be a whole number"),
        ("user-2", "300", "danger: Named: refused. The limit of 10 is reached for this period"),
        ("nobody-yet", "3", "warning: Named: waiting. User not found: 'nobody-yet'"),
    ],
)
def test_a_retry_is_told_as_what_it_came_to(desk: Desk, editor: Visitor, user: str, delta: str, told: str) -> None:
    """What failed again or is refused is told as an error, what is still open as a warning, the rest as done."""
    connection = apsw.Connection(str(desk.place))
    connection.execute(
        "update segment_events set user_id = ?, raw = replace(replace(raw, '\"many\"', ?), 'user-2', ?) "
        "where environment = 'test' and status = 'FAILED'",
        (user, delta, user),
    )
    connection.close()
    [action] = re.findall(r'action="([^"]+/retry\?id=\d+)"', editor.get("/test/integrations/segment?status=FAILED"))

    page = editor.get(editor.post(action).headers["location"])

    [(tone, role, text)] = re.findall(r'<div class="alert alert-(\w+)" role="(\w+)">([^<]*)</div>', page)
    assert f"{tone}: {unescape(text)}".startswith(told)
    assert role == ("alert" if tone == "danger" else "status")
