"""A form counts only when a page of ours sent it for this session."""

from __future__ import annotations

import pytest

from kana.model.colleague import Role
from tests.dashboard.desk import Desk, Visitor

CHANGE = "/test/package/delete?id=hostile"


def is_there(desk: Desk) -> bool:
    """Whether what the form would delete is still there."""
    return "hostile" in desk.served.run(desk.served.engine.catalog.read(desk.environment)).packages


@pytest.mark.parametrize("token", [None, "", "0" * 64, "é", "another session's"])
def test_a_form_without_the_token_of_its_session_is_refused(desk: Desk, token: str | None) -> None:
    """Missing, empty, made up or another person's: 403, and nothing is done."""
    editor = desk.colleague(Role.EDITOR)
    if token == "another session's":
        token = desk.colleague(Role.OWNER).csrf
    answer = editor.http.post(CHANGE, data={} if token is None else {"csrf": token})
    assert answer.status_code == 403
    assert is_there(desk)


def test_the_token_of_an_earlier_session_is_refused(desk: Desk) -> None:
    """Signing in again makes the forms of the session before worthless."""
    editor = desk.colleague(Role.EDITOR)
    old = editor.csrf
    editor.post("/logout")
    assert editor.sign_in("editor@example.com").status_code == 303
    assert editor.http.post(CHANGE, data={"csrf": old}).status_code == 403
    assert editor.http.post(CHANGE, data={"csrf": editor.csrf}).status_code == 303
    assert not is_there(desk)


@pytest.mark.parametrize(
    ("headers", "is_ours"),
    [
        ({}, True),
        ({"Origin": "{own}", "Sec-Fetch-Site": "same-origin"}, True),
        ({"Origin": "null", "Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "none"}, True),
        ({"Origin": "https://elsewhere.example"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "{own}", "Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Origin": "{own}.elsewhere.example"}, False),
    ],
)
def test_a_form_of_another_site_is_refused(desk: Desk, headers: dict[str, str], *, is_ours: bool) -> None:
    """Even with the right token, when the browser says that another site sent it."""
    editor = desk.colleague(Role.EDITOR)
    sent = {name: value.format(own=desk.served.url) for name, value in headers.items()}
    answer = editor.http.post(CHANGE, data={"csrf": editor.csrf}, headers=sent)
    assert answer.status_code == (303 if is_ours else 403)
    assert is_there(desk) is not is_ours


def test_a_form_that_is_too_large_is_refused(desk: Desk) -> None:
    """A megabyte is the most that a page takes, however it is sent."""
    editor = desk.colleague(Role.EDITOR)
    csrf = editor.csrf
    for files in (None, {"file": b"x"}):
        answer = editor.http.post(CHANGE, data={"csrf": csrf, "more": "x" * 1_100_000}, files=files)
        assert answer.status_code == 413
    assert is_there(desk)


def test_a_key_opens_no_page_and_a_session_no_api(desk: Desk) -> None:
    """The two ways in do not know each other."""
    editor: Visitor = desk.colleague(Role.EDITOR)
    answer = editor.http.post("/graphql", json={"query": "{ features { id } }"})
    assert answer.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    key = next(iter(desk.served.keys[desk.environment].values()))
    assert desk.guest().http.get("/test/packages", headers={"Authorization": key}).status_code == 303
