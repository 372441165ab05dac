"""The pages of webhooks, asked for as a browser without scripts would."""

from __future__ import annotations

import re

import pytest

from kana.model.colleague import Role
from kana.model.webhook import Reply, WebhookEndpoint
from tests.dashboard.desk import Desk, text_of
from tests.support.world import TEST, TESTER

URL = "https://8.8.8.8/hooks"
_SECRET = re.compile(r"whsec_[\w+/=]{44}")


def endpoints(desk: Desk) -> list[WebhookEndpoint]:
    """Those of test."""
    return list(desk.served.run(desk.served.engine.webhooks.endpoints(TEST)))


def test_a_secret_is_shown_once(desk: Desk) -> None:
    """In the answer to the form that makes it; the form is shown again with what was wrong."""
    owner = desk.colleague(Role.OWNER)
    wrong = owner.post("/test/developer/webhooks", url="https://10.0.0.1", type="top_up.used_up")
    assert wrong.status_code == 400
    assert "Url must lead to a public address" in text_of(wrong.text)
    assert 'value="top_up.used_up" checked' in wrong.text
    made = owner.post("/test/developer/webhooks", url=URL, type="top_up.used_up")
    [endpoint] = endpoints(desk)
    assert (endpoint.url, endpoint.types) == (URL, ("top_up.used_up",))
    [first] = set(_SECRET.findall(made.text))
    assert not _SECRET.findall(owner.get("/test/developer/webhooks"))
    rotated = owner.post(f"/test/developer/webhook/rotate?id={endpoint.id}")
    assert set(_SECRET.findall(rotated.text)) - {first}
    assert "signs too for 24 hours" in rotated.text


def test_what_came_is_shown_and_sent_again(desk: Desk) -> None:
    """A delivery with its last answer; only an owner changes endpoints, only an editor sends again."""
    owner, editor = desk.colleague(Role.OWNER), desk.colleague(Role.EDITOR)
    owner.post("/test/developer/webhooks", url=URL)
    [endpoint] = endpoints(desk)
    page = f"/test/developer/webhook?id={endpoint.id}"
    owner.post(f"/test/developer/webhook/switch?id={endpoint.id}", enable="no")
    assert "Somebody disabled it." in owner.get("/test/developer/webhooks")
    store, now = desk.served.store.webhooks, desk.served.clock()
    desk.served.run(desk.served.engine.accounts.create_user(TEST, id="hooked"))
    desk.served.run(store.fill(endpoint, limit=1000, most=1000, now=now))
    [delivery, *_] = desk.served.run(desk.served.engine.webhooks.deliveries(TEST, str(endpoint.id)))
    reply = Reply(status=500, body="<b>out of order</b>")
    changes = (lambda same: same, lambda old: old.after(reply, now=now, chance=0.5))
    desk.served.run(store.settle(TEST, delivery, changes, by=TESTER, now=now))
    shown = editor.get(page)
    assert "500" in shown
    assert "&lt;b&gt;out of order&lt;/b&gt;" in shown
    assert "Rotate secret" not in shown
    assert "Nothing yet." in editor.get(f"{page}&state=FAILED")
    editor.post(f"/test/developer/webhook/resend?id={endpoint.id}", notification=str(delivery.notification_id))
    [again, *_] = desk.served.run(desk.served.engine.webhooks.deliveries(TEST, str(endpoint.id)))
    assert (again.tries, len(again.attempts)) == (0, 1)
    before = endpoints(desk)[0].position
    editor.post(f"/test/developer/webhook/replay?id={endpoint.id}", hours="24")
    assert endpoints(desk)[0].position < before
    assert editor.post(f"/test/developer/webhook/replay?id={endpoint.id}", hours="x").status_code == 400
    for verb in ("switch", "rotate", "delete"):
        assert editor.post(f"/test/developer/webhook/{verb}?id={endpoint.id}").status_code == 403
    assert "Delete this endpoint?" in owner.get(f"/test/developer/webhook/delete?id={endpoint.id}")
    owner.post(f"/test/developer/webhook/delete?id={endpoint.id}")
    assert endpoints(desk) == []
    lines = desk.served.run(desk.served.engine.insights.log(TEST))
    mine = [(line.action, line.subject_kind) for line in lines if line.subject_id == str(endpoint.id)]
    assert mine == [(action, "webhook endpoint") for action in ("deleted", "updated", "created")]


@pytest.mark.parametrize("path", ["webhook", "webhook/delete"])
def test_an_endpoint_that_is_not_there(desk: Desk, path: str) -> None:
    """It is not found."""
    assert desk.colleague(Role.OWNER).http.get(f"/test/developer/{path}?id=7").status_code == 404
