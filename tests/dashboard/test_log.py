"""The log of administrative changes: every form that changes something has a line, with who, before and after."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import apsw
import pytest

from kana.dashboard.pages import ROUTES
from kana.model.colleague import Role
from tests.dashboard.desk import Desk, text_of
from tests.support.world import TESTER

_PERSON = "owner@example.com"

_TOLD = {
    "/user/new": ("created", "user"),
    "/user/edit": ("updated", "user"),
    "/user/subscribe": ("created", "subscription"),
    "/user/change": ("updated", "subscription"),
    "/user/cancel": ("updated", "subscription"),
    "/user/resume": ("updated", "subscription"),
    "/users/import/carry-out": ("imported", "users"),
    "/developer/secure-mode": ("updated", "settings"),
    "/developer/time-zone": ("updated", "settings"),
    "/developer/secret/revoke": ("revoked", "signing secret"),
    "/user/tokens": ("revoked", "user tokens"),
}
"""Forms whose lines are looked at here."""

_TOLD_IN_TESTS_OF_THEIR_OWN = {
    *(f"/package/{verb}" for verb in ("new", "edit", "duplicate", "publish", "archive", "unarchive", "delete")),
    *("/feature", "/feature/new", "/developer/key", "/developer/rotate", "/developer/revoke", "/developer/secret"),
    *(f"/integrations/segment/rule{verb}" for verb in ("", "/new", "/delete")),
    *("/people/invite", "/people/role", "/people/disable", "/people/withdraw"),
    *("/invite", "/account/password", "/user/delete", "/user/merge"),
    *("/subscribers/move", "/subscribers/move-back"),
    *("/developer/webhooks", *(f"/developer/webhook/{verb}" for verb in ("rotate", "switch", "delete"))),
    *("/user/top-up", "/user/override", "/user/given/end"),
}

_NO_CHANGE = {
    *("/login", "/logout", "/logout/everywhere", "/theme", "/users/import"),
    *("/developer/webhook/resend", "/developer/webhook/replay"),
}
"""Forms of one's own request, the look at a file, and sending again what was sent."""

_IN_THE_LEDGER = {
    *("/user/usage", "/user/entry/reverse", "/integrations/segment/retry"),
    *("/user/reservation/release", "/user/reservation/settle"),
}
"""Entries like any other: by hand they name the colleague and the reason, an event tried again its sender."""


def test_every_form_is_in_the_log_or_says_why_not() -> None:
    """A new form is entered in one of the tables above."""
    forms = [route.path for route in ROUTES if route.method == "POST"]
    assert sorted(forms) == sorted([*_TOLD, *_TOLD_IN_TESTS_OF_THEIR_OWN, *_NO_CHANGE, *_IN_THE_LEDGER])


@pytest.fixture
def lines(desk: Desk) -> dict[tuple[str, str], list[tuple[str, Any, Any]]]:
    """What the owner did by each form: subject, before and after of each line, by action and kind."""
    owner = desk.colleague(Role.OWNER)
    desk.served.run(desk.served.engine.catalog.publish_package(desk.environment, "pro/2026", by=TESTER))
    owner.post("/test/user/new", id="ada", name="Ada", metadata="")
    owner.post("/test/user/edit?id=ada", name="Ada L.", metadata="")
    owner.post("/test/user/subscribe?id=ada", package="basic")
    owner.post("/test/user/change?id=ada", package="pro/2026")
    page = owner.get("/test/user?id=ada")
    number = re.findall(r"subscription=(\d+)", page)[-1]
    owner.post(f"/test/user/cancel?id=ada&subscription={number}&when=end")
    owner.post(f"/test/user/resume?id=ada&subscription={number}")
    owner.post(f"/test/user/cancel?id=ada&subscription={number}")
    owner.post("/test/developer/secure-mode", required="on")
    owner.post("/test/developer/time-zone", time_zone="Asia/Tokyo")
    owner.post("/test/user/tokens?id=ada")
    [older] = desk.served.run(desk.served.engine.access.signing_secrets())[:1]
    desk.served.clock.advance(seconds=1)
    owner.post(f"/{older.environment}/developer/secret")
    owner.post(f"/{older.environment}/developer/secret/revoke?id={older.id}")
    files = {"file": ("new users.csv", b"id,name\nada,Ada\ngrace,Grace\n", "text/csv")}
    sent = owner.http.post("/test/users/import", data={"csrf": owner.csrf}, files=files)
    progress = sent.headers["location"]
    for step in ("checked", "done"):
        for _ in range(600):
            if "hx-trigger" not in owner.get(progress):
                break
            time.sleep(0.05)
        if step == "checked":
            owner.post(progress.replace("/progress", "/carry-out"))
    found: dict[tuple[str, str], list[tuple[str, Any, Any]]] = {}
    connection = apsw.Connection(str(desk.place))
    for action, kind, subject, before, after in connection.execute(
        "select action, subject_kind, subject_id, before, after from admin_log where actor_name = ? order by id",
        (_PERSON,),
    ):
        told = (str(subject), json.loads(str(before or "null")), json.loads(str(after or "null")))
        found.setdefault((str(action), str(kind)), []).append(told)
    connection.close()
    return found


def test_what_is_done_to_users_is_told_with_before_and_after(
    lines: dict[tuple[str, str], list[tuple[str, Any, Any]]],
) -> None:
    """Each form has its line; a file of users is one line with counts; settings say what they were."""
    assert set(_TOLD.values()) <= set(lines)
    [(subject, before, after)] = lines["updated", "user"]
    assert (subject, before["name"], after["name"]) == ("ada", "Ada", "Ada L.")
    [(subject, before, after)] = lines["created", "user"]
    assert (subject, before, after["id"]) == ("ada", None, "ada")
    began = [(subject, before, after["package_id"]) for subject, before, after in lines["created", "subscription"]]
    assert began == [("ada", None, "basic"), ("ada", None, "pro/2026")]
    ended = [(subject, after["package_id"]) for subject, _, after in lines["updated", "subscription"]]
    assert ended == [("ada", "basic"), *[("ada", "pro/2026")] * 3]
    assert lines["imported", "users"] == [("new users.csv", None, {"made": 1, "changed": 1})]
    [(_, *mode), (_, *zone)] = lines["updated", "settings"]
    assert [each["requires_secure_mode"] for each in (*mode, *zone)] == [False, True, True, True]
    assert [each["time_zone"] for each in (*mode, *zone)] == ["UTC", "UTC", "UTC", "Asia/Tokyo"]


def test_changes_of_colleagues_are_shown_to_owners_only(desk: Desk) -> None:
    """No environment owns them: an owner sees them below each, an editor below none."""
    owner, editor = desk.colleague(Role.OWNER), desk.colleague(Role.EDITOR)
    owner.post("/people/invite", email="new@example.com", role="viewer")
    for environment in ("test", "live"):
        assert "new@example.com" in text_of(owner.get(f"/{environment}/log"))
        assert "new@example.com" not in text_of(editor.get(f"/{environment}/log"))
