"""What pages show and do, asked for as a browser without scripts would."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import pytest

from kana.dashboard.security import CONTENT_SECURITY_POLICY
from kana.model.allowance import Rollover
from kana.model.colleague import Role
from tests.dashboard.desk import FORMULA, HOSTILE, Desk, text_of
from tests.support.world import DAY, LIVE, TEST, adds, allows

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self';"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


@pytest.mark.parametrize("path", ["/test/packages", "/login", "/live/nothing", "/static/kana.css", "/static/nothing"])
def test_every_answer_tells_browsers_what_to_forbid(desk: Desk, path: str) -> None:
    """Pages, problems and files alike; pages are kept by nobody."""
    headers = desk.colleague(Role.VIEWER).http.get(path, follow_redirects=True).headers
    assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY == POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-site"
    assert "permissions-policy" in headers
    assert "server" not in headers
    if not path.startswith("/static/"):
        assert headers["cache-control"] == "no-store"


def test_files_are_kept_until_they_change(desk: Desk) -> None:
    """By their tagged address for ever, otherwise by asking; compressed for those who can; and none outside."""
    page = desk.guest().get("/login")
    for name in ("kana.css", "vendor/tabler.min.css", "vendor/htmx.min.js"):
        tagged = re.search(rf"/static/{re.escape(name)}\?v=\w{{16}}", page)
        assert tagged is not None, name
        answer = desk.guest().http.get(tagged[0])
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        plain = desk.guest().http.get(f"/static/{name}", headers={"Accept-Encoding": "identity"})
        assert plain.headers["cache-control"] == "no-cache"
        assert plain.content == answer.content
        known = {"If-None-Match": plain.headers["etag"]}
        assert desk.guest().http.get(f"/static/{name}", headers=known).status_code == 304
    assert desk.guest().http.get("/static/..%2fapp.py").status_code == 404
    assert desk.guest().http.get("/static/vendor/htmx.min.js.gz").status_code == 404


def test_the_list_has_the_columns_and_counts(desk: Desk) -> None:
    """Status, name, features, subscribers and add-ons of each package."""
    page = text_of(desk.colleague(Role.VIEWER).get("/test/packages?q=basic"))
    assert "Status Name Features Subscribers Add-ons" in page
    assert "Published Basic Plan basic Copy 2 3 1" in page
    assert "1 found" in page


def test_names_are_text_wherever_they_stand(desk: Desk) -> None:
    """A script in a name is shown as it was typed, in lists, forms and questions; so is a formula."""
    editor = desk.colleague(Role.EDITOR)
    for path in (
        "/test/packages",
        "/test/package?id=hostile",
        "/test/package/edit?id=hostile",
        "/test/package/publish?id=hostile",
        "/test/package/duplicate?id=hostile",
        "/test/features",
        "/test/feature?id=%3Cscript%3Ealert(1)%3C%2Fscript%3E",
        "/test/packages?q=%3Cscript%3Ealert(1)%3C%2Fscript%3E",
        "/test/packages?sort=%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E",
    ):
        page = editor.get(path)
        assert "<script>alert" not in page, path
    assert HOSTILE in text_of(editor.get("/test/package?id=hostile")) or "alert(1)" in editor.get("/test/packages")
    assert FORMULA in text_of(editor.get("/test/features"))


def test_a_form_keeps_what_was_typed_and_says_what_is_wrong(desk: Desk) -> None:
    """Beside each field, all at once, and nothing is made."""
    editor = desk.colleague(Role.EDITOR)
    answer = editor.post(
        "/test/package/new",
        **{
            "id": "new",
            "name": "New & good",
            "held": ["message", "support"],
            "limit:message": "-1",
            "reset:message": "DAY",
            "name:support": "Night shift",
            "metadata": "{oops",
        },
    )
    assert answer.status_code == 400
    page = answer.text
    assert page.count("kana-error") >= 2
    assert 'value="New &amp; good"' in page
    assert 'value="-1"' in page
    assert 'value="Night shift"' in page
    assert "{oops" in page
    assert "A limit is a whole number from 0 to 9,007,199,254,740,991" in page
    assert "new" not in desk.served.run(desk.served.engine.catalog.read(TEST)).packages


def test_a_package_is_made_as_typed_in_its_environment_alone(desk: Desk) -> None:
    """Limits, resets, overage, what adds, names within it and bases arrive; the other environment has nothing of it."""
    editor = desk.colleague(Role.EDITOR)
    answer = editor.post(
        "/live/package/new",
        **{
            "id": "more/2026",
            "name": "More",
            "is_addon": "1",
            "base": "basic",
            "trial_days": "1,4",
            "held": ["message", "support"],
            "limit:message": "1,500",
            "reset:message": "DAY",
            "overage:message": "1",
            "adds:message": "1",
            "carried:message": "2,000",
            "periods:message": "3",
            "grace:message": "10",
            "name:support": "Night shift",
            "metadata": '{"colour": "gold"}',
        },
    )
    assert answer.headers["location"] == "/live/package?id=more%2F2026"
    package = desk.served.run(desk.served.engine.catalog.read(LIVE)).package("more/2026")
    assert (package.name, package.is_addon, package.base_package_ids) == ("More", True, ("basic",))
    assert package.trial_days == 14
    held = adds(1500, DAY, overage=True)
    allowance = replace(held.allowance, rollover=Rollover(limit=2000, periods=3), grace_percent=10)
    assert package.feature("message") == replace(held, allowance=allowance)
    page = editor.get("/live/package/edit?id=more%2F2026")
    assert 'name="carried:message" inputmode="numeric" value="2000"' in page
    assert 'name="periods:message" inputmode="numeric" value="3"' in page
    assert 'name="grace:message" inputmode="numeric" value="10"' in page
    assert 'name="trial_days" inputmode="numeric" maxlength="10" value="14"' in page
    assert "Trial 14 days for a new subscription, once for each user" in text_of(
        editor.get("/live/package?id=more%2F2026")
    )
    words = "1500 per day with overage and a grace of 10 % and up to 2000 carried over for 3 days on top of"
    assert words in text_of(editor.get("/live/package?id=more%2F2026"))
    support = package.feature("support")
    assert support is not None
    assert support.name == "Night shift"
    assert package.metadata == {"colour": "gold"}
    assert "more/2026" not in desk.served.run(desk.served.engine.catalog.read(TEST)).packages


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"grace": "101"}, "A whole number from 0 to 100, or empty"),
        ({"grace": "ten"}, "A whole number from 0 to 100, or empty"),
        ({"carried": "-1"}, "A whole number from 0 to 9,007,199,254,740,991, or empty"),
        ({"carried": "5", "periods": "13"}, "A whole number from 1 to 12, or empty"),
        ({"periods": "2"}, "Say how many units are carried over at most"),
        ({"limit": "", "grace": "5"}, "A grace needs a limit that it lets be passed"),
        ({"carried": "5", "reset": ""}, "Rollover needs a limit and a reset period"),
    ],
)
def test_what_goes_beyond_a_limit_is_checked_where_it_is_typed(desk: Desk, fields: dict[str, str], said: str) -> None:
    """The error is beside the field, everything typed is kept, and nothing is created."""
    typed = {f"{name}:message": value for name, value in ({"limit": "10", "reset": "DAY"} | fields).items()}
    answer = desk.colleague(Role.EDITOR).post("/test/package/new", id="new", name="New", held="message", **typed)
    assert answer.status_code == 400
    assert (answer.text.count("kana-error"), answer.text.count('aria-invalid="true"')) == (1, 1)
    assert said in text_of(answer.text)
    assert all(
        f'name="{name}" inputmode="numeric" value="{typed[name]}"' in answer.text
        for name in typed
        if "reset" not in name
    )
    assert "new" not in desk.served.run(desk.served.engine.catalog.read(TEST)).packages


def test_what_is_carried_over_is_so_for_one_period_unless_said(desk: Desk) -> None:
    """The units alone are enough."""
    typed = {"limit:message": "10", "reset:message": "DAY", "carried:message": "5"}
    desk.colleague(Role.EDITOR).post("/test/package/new", id="new", name="New", held="message", **typed)
    held = desk.served.run(desk.served.engine.catalog.read(TEST)).package("new").feature("message")
    assert held is not None
    assert held.allowance.rollover == Rollover(limit=5, periods=1)


@pytest.mark.parametrize(
    "typed", [{"limit:message": "40"}, {"overage:message": "1"}, {"reset:message": "DAY"}, {"name:support": "Help"}]
)
def test_what_is_typed_beside_a_feature_that_is_not_ticked_is_not_dropped(desk: Desk, typed: dict[str, str]) -> None:
    """The form says so and keeps it, and nothing is made; ticked, or with the row as it was, it is saved."""
    editor = desk.colleague(Role.EDITOR)
    as_it_was = {"limit:message": "", "reset:message": "MONTH", "name:support": ""}
    sent: dict[str, str | Sequence[str]] = {"id": "new", "name": "New", **as_it_was, **typed}
    answer = editor.post("/test/package/new", **sent)
    assert answer.status_code == 400
    assert "Tick it to keep what is typed beside it, or clear it" in text_of(answer.text)
    assert 'value="40"' in answer.text or "limit:message" not in typed
    assert "new" not in desk.served.run(desk.served.engine.catalog.read(TEST)).packages
    assert editor.post("/test/package/new", **sent, held=["message", "support"]).status_code == 303
    assert editor.post("/test/package/new", id="other", name="Other", **as_it_was).status_code == 303


def test_a_feature_is_taken_out_by_its_tick_alone(desk: Desk) -> None:
    """What stood in its row goes with it; a limit typed anew is an error, and nothing changes."""
    editor = desk.colleague(Role.EDITOR)
    page = editor.get("/test/package/edit?id=hostile")
    seen = re.search(r'name="seen" value="(\w+)"', page)
    assert seen is not None
    sent = {"seen": seen[1], "name": "Hostile", "held": "support", "limit:message": "11", "reset:message": "DAY"}
    assert editor.post("/test/package/edit?id=hostile", **sent).status_code == 400
    assert desk.served.run(desk.served.engine.catalog.read(TEST)).package("hostile").feature("message") is not None
    assert editor.post("/test/package/edit?id=hostile", **{**sent, "limit:message": "10"}).status_code == 303
    assert desk.served.run(desk.served.engine.catalog.read(TEST)).package("hostile").feature("message") is None


def test_what_colleagues_have_changes_only_after_a_yes(desk: Desk) -> None:
    """First the number of subscribers and each change with whom it reaches; with the yes it is done."""
    editor = desk.colleague(Role.EDITOR)
    page = editor.get("/test/package/edit?id=basic")
    assert "3 subscribers have it" in text_of(page)
    seen = re.search(r'name="seen" value="(\w+)"', page)
    assert seen is not None
    fields: dict[str, str | Sequence[str]] = {
        "seen": seen[1], "name": "Basic Plan", "held": ["message"], "limit:message": "5", "reset:message": "DAY",
    }  # fmt: skip
    answer = editor.post("/test/package/edit?id=basic", **fields)
    said = text_of(answer.text)
    assert "3 subscribers have this package. The change takes effect for all of them at once." in said
    assert "Warning. Package 'basic' loses 'support': this touches 3 subscribers." in said
    assert "changes 'message' from 10 per day to 5 per day (at once for 3 subscribers)" in said
    assert desk.served.run(desk.served.engine.catalog.read(TEST)).package("basic").feature("message") == allows(10, DAY)
    answer = editor.post("/test/package/edit?id=basic", **fields, confirm="1")
    assert answer.status_code == 303
    assert desk.served.run(desk.served.engine.catalog.read(TEST)).package("basic").features == (allows(5, DAY),)


def test_a_change_made_meanwhile_is_not_lost(desk: Desk) -> None:
    """A form that was opened before somebody else saved is refused, as often as it is sent; it keeps what was typed."""
    editor, other = desk.colleague(Role.EDITOR), desk.colleague(Role.OWNER)
    seen = re.search(r'name="seen" value="(\w+)"', editor.get("/test/package/edit?id=hostile"))
    assert seen is not None
    assert other.post("/test/package/edit?id=hostile", seen=seen[1], name="Theirs").status_code == 303
    answer = editor.post("/test/package/edit?id=hostile", seen=seen[1], name="Mine")
    assert answer.status_code == 400
    assert "Nothing was saved: somebody changed this package in the meantime." in answer.text
    assert 'value="Mine"' in answer.text
    again = re.search(r'name="seen" value="(\w+)"', answer.text)
    assert again is not None
    assert editor.post("/test/package/edit?id=hostile", seen=again[1], name="Mine").status_code == 400
    assert desk.served.run(desk.served.engine.catalog.read(TEST)).package("hostile").name == "Theirs"


def test_every_change_is_logged_under_the_persons_name(desk: Desk) -> None:
    """Who, what and when stand in the log of administrative changes."""
    editor = desk.colleague(Role.EDITOR)
    editor.post("/test/package/publish?id=hostile")
    lines = desk.log("person")
    assert ("editor@example.com", "created", "person", "editor@example.com") in lines
    assert lines[-1] == ("editor@example.com", "updated", "package", "hostile")


def test_colleagues_are_for_owners_to_invite_and_the_last_owner_stays(desk: Desk) -> None:
    """A link is shown once; nobody can take away the last owner."""
    owner = desk.colleague(Role.OWNER)
    answer = owner.post("/people/invite", email="New@example.com", role="editor")
    link = re.search(rf"{desk.served.url}(/invite\?token=[\w-]{{43}})", answer.text)
    assert link is not None
    assert "new@example.com" in desk.guest().get(link[1])
    refused = owner.post("/people/disable", email="owner@example.com")
    assert refused.status_code == 409
    assert "The only owner is owner@example.com" in text_of(refused.text)
    assert owner.post("/people/role", email="owner@example.com", role="viewer").status_code == 409
    assert owner.post("/people/role", email="owner@example.com", role="king").status_code == 400
    assert owner.post("/people/invite", email="no address", role="viewer").status_code == 400
