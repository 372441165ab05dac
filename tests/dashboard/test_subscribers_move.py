"""Moving many users to another package by the dashboard: form, preview, progress, results and the way back."""

from __future__ import annotations

import re
import time
from html import unescape
from urllib.parse import quote

import pytest

from kana.errors import Unavailable
from kana.model.colleague import Role
from tests.dashboard.desk import Desk, Visitor, text_of
from tests.support.world import DAY, TEST, TESTER, allows

WHO = "/test/subscribers/move/preview?package=basic&to=small&usage=CARRY"


@pytest.fixture
def shop(desk: Desk) -> Desk:
    """Three users have basic, and the first has used eight messages of ten; small allows five, and no support."""
    run, catalog = desk.served.run, desk.served.engine.catalog
    run(catalog.create_package(TEST, id="small", name="Small", features=[allows(5, DAY)], by=TESTER))
    run(catalog.publish_package(TEST, "small", by=TESTER))
    desk.colleague(Role.EDITOR, "other@example.com").post(
        "/test/user/usage?id=user-0", feature="message", amount="8", reason="x", key="k"
    )
    return desk


def fields_of(html: str) -> dict[str, str]:
    """The hidden fields of a page's form."""
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', html))


def begin(editor: Visitor, path: str = WHO) -> str:
    """Move them all, as the preview offers; return the address of the job."""
    answer = editor.post("/test/subscribers/move", **fields_of(editor.get(path)))
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def done(editor: Visitor, where: str) -> str:
    """The page of a job once nothing is left to do."""
    until = time.monotonic() + 20
    while "hx-trigger" in (html := editor.get(where)):
        assert time.monotonic() < until
        time.sleep(0.02)
    return html


def test_the_list_leads_to_the_form_with_its_filter(shop: Desk) -> None:
    """For those who may change something, and where somebody is listed."""
    editor = shop.colleague(Role.EDITOR)
    [link] = re.findall(r'href="(/test/subscribers/move[^"]*)"', editor.get("/test/subscribers?package=basic&q=user"))
    form = editor.get(link.replace("&amp;", "&"))
    assert '<option value="basic" selected>Basic Plan</option>' in form
    assert 'name="q" value="user"' in form
    assert '<option value="small" selected>Small</option>' in form, "the first that they do not have"
    assert "Pro &amp; Co" not in form, "a draft"
    assert "/subscribers/move" not in editor.get("/test/subscribers?q=nobody")
    viewer = shop.colleague(Role.VIEWER)
    assert "/subscribers/move" not in viewer.get("/test/subscribers")
    for path in ("/test/subscribers/move", WHO, "/test/subscribers/moved?id=1", "/test/subscribers/move-back?id=1"):
        viewer.get(path, status=403)


def test_users_are_moved_by_a_list(shop: Desk) -> None:
    """One identifier a line, each once, whatever the spaces around it; the form keeps the list on every way back."""
    editor = shop.colleague(Role.EDITOR)
    listed = "/test/subscribers/move/preview?to=small&ids=" + quote(" user-2\r\n\nuser-0 \nuser-2\nnobody")
    page = editor.get(listed)
    assert "3 users Would move: 2 Would be refused: 1 Would be skipped: 0" in text_of(page)
    assert fields_of(page)["ids"] == "user-2\nuser-0\nnobody"
    [back] = re.findall(r'href="(/test/subscribers/move\?[^"]*)">Move to', page)
    assert ">user-2\nuser-0\nnobody</textarea>" in editor.get(unescape(back))
    said = text_of(done(editor, begin(editor, listed)))
    assert re.findall(r"user-\d Moved", said) == ["user-2 Moved", "user-0 Moved"]
    for query, wrong in (
        ("ids=user-0&package=basic", "List users, or choose the package that they have"),
        ("ids=user-0&q=user", "but not both"),
        ("ids=" + "%0A".join(map(str, range(101))), "List at most 100 users, got 101. The API takes 10,000."),
        ("ids=" + "x" * 256, "userIds"),
    ):
        html = editor.get(f"/test/subscribers/move/preview?to=small&{query}", status=400)
        assert wrong in text_of(html)
    refused = editor.post("/test/subscribers/move", to="small", ids="user-1", package="basic")
    assert (refused.status_code, "user-1</textarea>" in refused.text) == (400, True)


def test_the_preview_says_who_would_lose_what(shop: Desk) -> None:
    """In all, and for each user; nothing is changed."""
    said = text_of(shop.colleague(Role.EDITOR).get(WHO))
    assert "Move to Small? Nothing has been changed yet. 3 users Would move: 3 Would be refused: 0" in said
    assert "Would be skipped: 0 Would lose a feature: 3 Would be over a limit: 1" in said
    assert (
        "user-0 Basic Plan Moves Support at night Messages: 8 of 5 user-1 Basic Plan Moves Support at night –" in said
    )
    assert shop.served.run(shop.served.engine.bulk_changes.latest(TEST)) == []
    skipped = text_of(
        shop.colleague(Role.EDITOR, "b@example.com").get("/test/subscribers/move/preview?q=user&to=basic")
    )
    assert "user-0 Basic Plan Skipped: The user already has 'basic'. – –" in skipped
    assert "Move them all" in said
    assert "Move them all" not in skipped


def test_a_preview_is_paged(shop: Desk) -> None:
    """Totals stand on the first page; the others lead back to it."""
    run, accounts = shop.served.run, shop.served.engine.accounts
    for number in range(60):
        run(accounts.create_user(TEST, id=f"z{number:02}"))
    editor = shop.colleague(Role.EDITOR)
    first = editor.get("/test/subscribers/move/preview?q=z&to=small")
    assert "Would be refused: 60" in text_of(first)
    [following] = re.findall(r'rel="next" href="([^"]*)"', first)
    second = editor.get(following.replace("&amp;", "&"))
    assert "10 shown" in text_of(second)
    assert "Would be refused:" not in text_of(second)
    assert 'rel="first"' in second
    assert "No more users." in editor.get("/test/subscribers/move/preview?q=z&to=small&after=z59")


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("to=small", "Choose the package that they have, type what they begin with, or list them."),
        ("package=small&to=small", "Choose another package to move to than the one that they have."),
        ("q=a&to=none", "Package not found: 'none'"),
        ("q=a", "Package not found: ''"),
    ],
)
def test_what_is_not_possible_is_said_at_the_form(shop: Desk, query: str, says: str) -> None:
    """What was chosen stays."""
    page = shop.colleague(Role.EDITOR).get(f"/test/subscribers/move/preview?{query}", status=400)
    assert says in text_of(page)
    assert "Move to another package" in page


def test_users_are_moved_and_moved_back(shop: Desk) -> None:
    """The page of the job shows how far it is and each result; the log says who did it; twice sent, it is one job."""
    editor = shop.colleague(Role.EDITOR)
    fields = fields_of(editor.get(WHO))
    where = {editor.post("/test/subscribers/move", **fields).headers["location"] for _ in range(2)}
    assert len(where) == 1
    [page] = where
    said = text_of(done(editor, page))
    assert "From Basic Plan to Small Done." in said
    assert "by editor@example.com Takes effect At once; usage counts on Waiting: 0 Moved: 3 Refused: 0" in said
    assert "user-0 Moved user-1 Moved user-2 Moved" in said
    assert "No users match." in text_of(editor.get(f"{page}&outcome=REFUSED"))
    assert ("editor@example.com", "created", "subscription", "user-0") in shop.log("person")
    assert "Small editor@example.com Done" in text_of(editor.get("/test/subscribers/move"))

    shop.served.run(shop.served.engine.accounts.change_subscription(TEST, "user-1", "basic"))
    question = text_of(editor.get(page.replace("/moved", "/move-back")))
    assert "Move 3 users back?" in question
    editor.post(page.replace("/moved", "/move-back"))
    said = text_of(done(editor, page))
    assert "Moved back. " in said
    assert "Moved back by editor@example.com Waiting: 0 Moved back: 2 Refused: 0 Skipped: 1" in said
    assert "user-1 Moved Skipped on the way back: The subscription that the user was moved to has ended since." in said
    assert "user-0 Moved Moved back" in said
    assert "Move back<" not in editor.get(page)


def test_a_job_that_runs_can_be_stopped(shop: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its page asks again by itself, also without scripts, and says how far it is; who still waits is not moved."""

    async def fails(*_: object, **__: object) -> int:
        raise Unavailable("away")

    editor = shop.colleague(Role.EDITOR)
    with monkeypatch.context() as patched:
        patched.setattr(shop.served.store.bulk_changes, "move_page", fails)
        where = begin(editor)
        until = time.monotonic() + 20
        while "Moving users: 0 of 3 users done so far." not in text_of(page := editor.get(where)):
            assert time.monotonic() < until
            time.sleep(0.02)
        assert "hx-trigger" in page
        assert '<meta http-equiv="refresh" content="2">' in page
        assert "user-0" not in page
    editor.post(where.replace("/moved", "/move-back"))
    said = text_of(done(editor, where))
    assert "Waiting: 0 Moved back: 0" in said
    assert "user-0 Skipped: The changes were taken back before it was the user's turn." in said


def test_results_are_paged(shop: Desk) -> None:
    """In the order of the list; what the address says wrongly leads to the first page, and no job is not found."""
    run, engine = shop.served.run, shop.served.engine
    for number in range(60):
        run(engine.accounts.create_user(TEST, id=f"z{number:02}"))
    run(engine.accounts.subscribe(TEST, "z00", ["basic"]))
    editor = shop.colleague(Role.EDITOR)
    where = begin(editor, "/test/subscribers/move/preview?q=z&to=small&when=PERIOD_END")
    page = done(editor, where)
    assert "Move to Small Done." in text_of(page)
    assert "At the end of each user's period; usage starts at zero" in text_of(page)
    [following] = re.findall(r'rel="next" href="([^"]*)"', page)
    rest = editor.get(following.replace("&amp;", "&"))
    assert "z59 Refused: User 'z59' has no base package to change" in text_of(rest)
    assert 'rel="first"' in rest
    assert "z00" in editor.get(f"{where}&after=x")
    for unknown in ("5", "x"):
        editor.get(f"/test/subscribers/moved?id={unknown}", status=404)


def test_a_form_that_became_wrong_begins_nothing(shop: Desk) -> None:
    """The package was archived since the preview, or the key is another job's."""
    editor = shop.colleague(Role.EDITOR)
    fields = fields_of(editor.get(WHO))
    begin(editor)
    shop.served.run(shop.served.engine.catalog.archive_package(TEST, "small", by=TESTER))
    answer = editor.post("/test/subscribers/move", **fields)
    assert answer.status_code == 400
    assert "packageId must name a published package, and 'small' is ARCHIVED" in text_of(answer.text)
