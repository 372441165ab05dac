"""What the dashboard says before it asks for a yes is what a yes then does."""

from __future__ import annotations

import pytest

from kana.errors import NotFound, SubscriptionRefused
from kana.model.catalog import Catalog
from kana.model.colleague import Role
from kana.model.entitlement import Decision
from kana.model.key import KeyKind
from kana.model.package import PackageStatus
from kana.model.usage import Usage
from tests.dashboard.desk import Desk, Visitor, text_of
from tests.support.world import DAY, TEST, TESTER, allows


@pytest.fixture
def editor(desk: Desk) -> Visitor:
    """Somebody who may change things."""
    return desk.colleague(Role.EDITOR)


def catalog(desk: Desk) -> Catalog:
    return desk.served.run(desk.served.engine.catalog.read(TEST))


def check(desk: Desk, user_id: str, feature_id: str = "message") -> Decision:
    return desk.served.run(desk.served.engine.usage.check(TEST, user_id, feature_id))


def used(desk: Desk, user_id: str) -> int:
    consumption = check(desk, user_id).consumption
    assert consumption is not None
    return consumption.used


def use(desk: Desk, user_id: str, delta: int) -> None:
    usage = Usage(environment=TEST, user_id=user_id, feature_id="message", delta=delta)
    desk.served.run(desk.served.engine.usage.record(usage))


def subscribe(desk: Desk, user_id: str, *package_ids: str) -> None:
    desk.served.run(desk.served.engine.accounts.create_user(TEST, id=user_id))
    desk.served.run(desk.served.engine.accounts.subscribe(TEST, user_id, package_ids))


def subscription_id(desk: Desk, user_id: str, package_id: str) -> int:
    held = desk.served.run(desk.served.engine.accounts.subscriptions(TEST, user_id=user_id))
    [found] = [one.subscription.id for one in held if one.subscription.package_id == package_id]
    return found


def test_archiving(desk: Desk, editor: Visitor) -> None:
    """Nobody new can subscribe, those who have it keep it, as many as were counted; and there is a way back."""
    asked = text_of(editor.get("/test/package/archive?id=basic"))
    assert (
        "New users can no longer subscribe to it, until you unarchive it."
        " The 3 subscribers keep it until they change or cancel their subscription." in asked
    )
    use(desk, "user-0", 4)
    before = [check(desk, f"user-{number}") for number in range(3)]
    assert editor.post("/test/package/archive?id=basic").status_code == 303
    assert [check(desk, f"user-{number}") for number in range(3)] == before
    with pytest.raises(SubscriptionRefused):
        subscribe(desk, "late", "basic")
    assert editor.post("/test/package/publish?id=basic").status_code == 409
    assert catalog(desk).package("basic").status is PackageStatus.ARCHIVED

    asked = text_of(editor.get("/test/package/unarchive?id=basic"))
    assert "Users can subscribe to it again at once. Those who kept it notice nothing." in asked
    assert editor.post("/test/package/unarchive?id=basic").status_code == 303
    subscribe(desk, "later", "basic")
    assert [check(desk, f"user-{number}") for number in range(3)] == before
    editor.get("/test/package/unarchive?id=basic", status=409)


def test_publishing(desk: Desk, editor: Visitor) -> None:
    """Users can subscribe from then on; it is archived later, and never again a draft."""
    asked = text_of(editor.get("/test/package/publish?id=pro%2F2026"))
    assert "Users can subscribe to it at once. It cannot become a draft again, but you can archive it later." in asked
    with pytest.raises(SubscriptionRefused):
        subscribe(desk, "early", "pro/2026")
    assert editor.post("/test/package/publish?id=pro%2F2026").status_code == 303
    subscribe(desk, "later", "pro/2026")
    assert editor.post("/test/package/delete?id=pro%2F2026").status_code in (400, 409)
    assert catalog(desk).package("pro/2026").status is PackageStatus.PUBLISHED
    assert editor.post("/test/package/archive?id=pro%2F2026").status_code == 303


def test_deleting_a_draft(desk: Desk, editor: Visitor) -> None:
    """Nobody has it, and it cannot be undone."""
    asked = text_of(editor.get("/test/package/delete?id=hostile"))
    assert "It is a draft without subscribers. This cannot be undone." in asked
    assert desk.served.run(desk.served.engine.catalog.count_subscribers(TEST)).get("hostile", 0) == 0
    assert editor.post("/test/package/delete?id=hostile").status_code == 303
    with pytest.raises(NotFound):
        catalog(desk).package("hostile")


def test_changing_to_another_package(desk: Desk, editor: Visitor) -> None:
    """Now, and usage of the new package counts from zero; on the way back, which is a new subscription, too."""
    desk.served.run(desk.served.engine.catalog.publish_package(TEST, "pro/2026", by=TESTER))
    use(desk, "user-0", 4)
    page = editor.get("/test/user?id=user-0")
    assert '<option value="NOW">Now</option>' in page
    assert '<option value="RESET">Starts at zero</option>' in page
    for package_id in ("pro/2026", "basic"):
        assert editor.post("/test/user/change?id=user-0", package=package_id).status_code == 303
        assert used(desk, "user-0") == 0
        use(desk, "user-0", 3)


@pytest.mark.parametrize("when", ["now", "end"])
def test_cancelling(desk: Desk, editor: Visitor, when: str) -> None:
    """At once or when the period ends, add-ons with it; a new subscription counts from zero."""
    desk.served.run(desk.served.engine.catalog.publish_package(TEST, "extra", by=TESTER))
    subscribe(desk, "ada", "basic", "extra")
    use(desk, "ada", 4)
    address = f"/test/user/cancel?id=ada&subscription={subscription_id(desk, 'ada', 'basic')}&when={when}"
    asked = text_of(editor.get(address))
    said = "ada loses it at once. This cannot be undone: a new subscription counts usage from zero."
    if when == "end":
        said = "ada keeps it until the current period ends. Until then you can resume it."
    assert f"{said} Their add-ons end with it." in asked
    assert editor.post(address).status_code == 303
    if when == "end":
        desk.served.clock.advance(days=1, milliseconds=-1)
        assert check(desk, "ada").access
        desk.served.clock.advance(milliseconds=1)
    assert not check(desk, "ada").access
    held = desk.served.run(desk.served.engine.accounts.subscriptions(TEST, user_id="ada"))
    assert [one.subscription.stands(desk.served.clock()) for one in held] == [False, False]
    desk.served.run(desk.served.engine.accounts.subscribe(TEST, "ada", ["basic"]))
    assert used(desk, "ada") == 0


def test_changing_a_published_package(desk: Desk, editor: Visitor) -> None:
    """The review of the file is the one that is shown here: it says who is reached, and they are."""
    form = {"name": "Basic Plan", "held": ["message", "support"], "limit:message": "2", "reset:message": "DAY"}
    use(desk, "user-0", 4)
    page = editor.get("/test/package/edit?id=basic")
    seen = page.partition('name="seen" value="')[2].partition('"')[0]
    asked = text_of(editor.post("/test/package/edit?id=basic", seen=seen, **form).text)
    assert "3 subscribers have this package. The change takes effect for all of them at once." in asked
    assert "this touches 3 subscribers, 1 of them above 2 already in their current period." in asked
    assert catalog(desk).package("basic").feature("message") == allows(10, DAY)
    assert editor.post("/test/package/edit?id=basic", seen=seen, confirm="1", **form).status_code == 303
    budgets = [check(desk, f"user-{number}").consumption for number in range(3)]
    assert [(one.used, one.budget) for one in budgets if one is not None] == [(4, 2), (0, 2), (0, 2)]


def test_deleting_a_rule(desk: Desk, editor: Visitor) -> None:
    """What it alone maps is no usage any more, what another maps is; what was recorded stays."""
    run, mapping = desk.served.run, desk.served.engine.mapping
    rules = [
        run(mapping.create_rule(TEST, name=name, event_name=event, conditions=(), feature_id="message", by=TESTER))
        for name, event in (("both", "Shared"), ("alone", "Shared"), ("only", "Single"))
    ]
    send(desk, "one", "Shared")
    send(desk, "two", "Single")
    before = used(desk, "user-0")
    assert before >= 2
    for rule in (rules[1], rules[2]):
        address = f"/test/integrations/segment/rule/delete?id={rule.id}"
        said = "New events that only this rule maps are no longer recorded as usage. Usage already recorded stays."
        assert said in text_of(editor.get(address))
        assert editor.post(address).status_code == 303
    assert used(desk, "user-0") == before
    send(desk, "three", "Shared")
    send(desk, "four", "Single")
    assert used(desk, "user-0") == before + 1


def send(desk: Desk, message_id: str, event: str) -> None:
    answer = desk.served.http.post(
        "/segment/events",
        json={"type": "track", "messageId": message_id, "userId": "user-0", "event": event},
        headers={"Authorization": desk.served.keys[TEST][KeyKind.PRIVATE]},
    )
    assert answer.json() == {"success": True}, answer.text
