"""Deleting a user in the dashboard."""

from __future__ import annotations

import pytest

from kana.errors import UserNotFound
from kana.model.colleague import Role
from tests.dashboard.desk import Desk, text_of
from tests.support.world import LIVE, TEST

ADDRESS = "/test/user/delete?id=user-0"


def test_whoever_deletes_a_user_types_their_id(desk: Desk) -> None:
    """Anything else changes nothing and says what to type; then the user is gone, in this environment alone."""
    owner, run, accounts = desk.colleague(Role.OWNER), desk.served.run, desk.served.engine.accounts
    assert "deleted everywhere" in text_of(owner.get(ADDRESS))
    for typed in ("", "user", "USER-0", "user-1"):
        refused = owner.post(ADDRESS, typed=typed)
        assert refused.status_code == 400
        assert "Type user-0 to delete this user." in text_of(refused.text)
    assert run(accounts.user(TEST, "user-0")).id == "user-0"

    done = owner.post(ADDRESS, typed=" user-0 ")
    assert (done.status_code, done.headers["location"]) == (303, "/test/subscribers")
    assert "The user was deleted. The log calls them deleted-user:" in text_of(owner.get("/test/subscribers"))
    with pytest.raises(UserNotFound):
        run(accounts.user(TEST, "user-0"))
    assert run(accounts.user(LIVE, "user-0")).id == "user-0"
    [line, *_] = run(desk.served.engine.insights.log(TEST))
    assert (line.action, line.subject_kind, line.actor.kind) == ("deleted", "user", "person")
    assert owner.get(ADDRESS, status=404)


def test_only_owners_are_offered_to_delete(desk: Desk) -> None:
    """An editor changes users and cannot take away what the log says of them."""
    assert "/test/user/delete" in desk.colleague(Role.OWNER).get("/test/user?id=user-0")
    editor = desk.colleague(Role.EDITOR)
    assert "/test/user/delete" not in editor.get("/test/user?id=user-0")
    assert editor.post(ADDRESS, typed="user-0").status_code == 403
    assert desk.served.run(desk.served.engine.accounts.user(TEST, "user-0")).id == "user-0"


def test_all_that_is_kept_of_a_user_is_a_file(desk: Desk) -> None:
    """One JSON object, for editors; of nobody it is not found, before anything is sent."""
    editor = desk.colleague(Role.EDITOR)
    assert "/test/user/export?id=user-0" in editor.get("/test/user?id=user-0")
    answer = editor.http.get("/test/user/export?id=user-0")
    assert answer.headers["content-disposition"] == 'attachment; filename="user.json"'
    told = answer.json()
    assert told["userId"] == "user-0"
    assert [record["kind"] for record in told["records"]][:3] == ["user", "id", "subscription"]
    assert editor.http.head("/test/user/export?id=user-0").content == b""
    assert editor.get("/test/user/export?id=nobody", status=404)
    assert desk.colleague(Role.VIEWER).get("/test/user/export?id=user-0", status=403)


def test_whoever_merges_a_user_types_their_id(desk: Desk) -> None:
    """Wrong forms change nothing and keep what was typed; then the first id leads to the other user."""
    owner, run, accounts = desk.colleague(Role.OWNER), desk.served.run, desk.served.engine.accounts
    address = "/test/user/merge?id=user-0"
    assert "used in the current periods" in text_of(owner.get(address))
    for into, typed, said in (
        ("user-1", "user-1", "Type user-0 to merge this user."),
        ("nobody", "user-0", "User not found: 'nobody'"),
        ("user-0", "user-0", "'user-0' cannot be merged into the same user"),
        ("", "user-0", "Identifier must be 1 to 255 characters"),
    ):
        refused = owner.post(address, into=into, typed=typed)
        assert refused.status_code == 400
        assert said in text_of(refused.text)
        assert f'name="into" value="{into}"' in refused.text
    assert run(accounts.user(TEST, "user-0")).id == "user-0"

    done = owner.post(address, into=" user-1 ", typed="user-0")
    assert (done.status_code, done.headers["location"]) == (303, "/test/user?id=user-1")
    assert "user-0 was merged into user-1." in text_of(owner.get("/test/user?id=user-1"))
    assert run(accounts.user(TEST, "user-0")).id == "user-1"
    assert run(accounts.user(LIVE, "user-0")).id == "user-0"
    [line, *_] = run(desk.served.engine.insights.log(TEST))
    assert (line.action, line.subject_id, line.before, line.after) == (
        "merged", "user-1", {"id": "user-0"}, {"id": "user-1"}
    )  # fmt: skip
    editor = desk.colleague(Role.EDITOR)
    assert editor.post("/test/user/merge?id=user-2", into="user-1", typed="user-2").status_code == 403
